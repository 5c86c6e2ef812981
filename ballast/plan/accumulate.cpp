// Gradients of concatenations that share parts (each layer of a DenseNet reads what all layers
// before it have made) are summed where they are made: the gradient of a longer concatenation is
// added to that of a shorter one, once for all of its parts, and the longer one is not read again.
//
//   slice(X, o + a) + slice(D, a), for all slices of D  ->  slice(slice(X, o) + D, a)
//
// Where the concatenations are normalized, both are of the form rest + affine(x), with coefficients
// that are known only when all of the rest is. Their affine parts are of the same x, and become one
// with the sums of the coefficients; the rests are added up as they are made.
#include <algorithm>
#include <array>
#include <vector>

#include "ballast/ops/batch_norm.h"
#include "ballast/plan/plan.h"

namespace ballast::plan {
namespace {

class Accumulation {
 public:
  explicit Accumulation(Plan& plan) : plan_(plan), readers_(plan.values.size()) {}

  void run() {
    const int n = static_cast<int>(plan_.values.size());
    for (int i = 0; i < n; ++i)
      for (int in : plan_.values[i].in) readers_[in].push_back(i);
    for (int i = 0; i < n; ++i) merge(i);
    if (static_cast<int>(plan_.values.size()) > n) drop_and_sort(plan_);
  }

 private:
  /// `whole` = rest + affine, affine a channel_affine; or whole = rest, and affine is -1.
  struct Terms {
    int rest, affine = -1;
  };

  const Value& value(int i) const { return plan_.values[i]; }
  bool is(int i, Pointwise code) const { return made_by(value(i), code); }
  bool slices_channels(int i) const {
    const Value& v = value(i);
    if (!v.op || v.op->traits().kind != Traits::Kind::kSlice || v.output) return false;
    const int64_t* a = &v.attributes.as<int64_t>();
    return a[0] == 1 && a[2] == 1;
  }

  /// Where all slices of `i` are added to slices of one other value: that value, and how much
  /// further on they begin there.
  struct Partner {
    int value = -1;
    int64_t shift = 0;
  };
  Partner partner(int i) const {
    Partner p;
    for (int s : readers_[i]) {
      if (!slices_channels(s) || readers_[s].size() != 1) return {};
      const int sum = readers_[s][0];
      if (!is(sum, Pointwise::kAdd)) return {};
      const Value& v = value(sum);
      const int other = v.in[0] == s ? v.in[1] : v.in[0];
      if (other == s || !slices_channels(other) || value(other).shape != value(s).shape) return {};
      const int of = value(other).in[0];
      const int64_t shift = slice_start(value(other)) - slice_start(value(s));
      if (p.value >= 0 && (of != p.value || shift != p.shift)) return {};
      p = {of, shift};
    }
    if (p.value < 0 || p.value == i || p.shift < 0 ||
        p.shift + value(i).shape[1] > value(p.value).shape[1])
      return {};
    return p;
  }

  Terms terms(int i) const {
    if (is(i, Pointwise::kAdd))
      for (int k : {0, 1}) {
        const int affine = value(i).in[k], rest = value(i).in[1 - k];
        if (is(affine, Pointwise::kChannelAffine) && value(rest).shape == value(i).shape)
          return {rest, affine};
      }
    return {i};
  }

  /// Whether `x` is channels [start, ...) of `longer`, part by part.
  bool part_of(int x, int longer, int64_t start) const {
    const std::vector<int> parts = parts_of(x), all = parts_of(longer);
    size_t at = 0;
    for (; at < all.size() && start > 0; ++at) start -= value(all[at]).shape[1];
    return start == 0 && all.size() - at >= parts.size() &&
           std::equal(parts.begin(), parts.end(), all.begin() + static_cast<int64_t>(at));
  }
  std::vector<int> parts_of(int x) const {
    if (!joins_channels(value(x))) return {x};
    std::vector<int> parts;
    for (int in : value(x).in)
      for (int part : parts_of(in)) parts.push_back(part);
    return parts;
  }

  void merge(int i) {
    if (!value(i).op || value(i).output) return;
    const Partner p = partner(i);
    if (p.value < 0) return;
    const Terms mine = terms(i), theirs = terms(p.value);
    const bool both = mine.affine >= 0 && theirs.affine >= 0;
    if (both ? !part_of(value(mine.affine).in[0], value(theirs.affine).in[0], p.shift)
             : theirs.affine >= 0)
      return;

    const std::vector<int> slices = readers_[i];
    Value part = unread(mine.rest);
    part.op = value(slices[0]).op;
    part.attributes = channels_from(p.shift);
    part.in = {theirs.rest};
    Value sum = unread(readers_[slices[0]][0]);
    sum.shape = part.shape;
    sum.in = {push(part), added_late(mine.rest)};
    int all = push(sum);
    if (mine.affine >= 0) {
      sum.in = {both ? sum_of_affines(mine.affine, theirs.affine, p.shift) : mine.affine, all};
      all = push(sum);
    }
    for (int s : slices) {
      const int sum_of_slices = readers_[s][0];
      Value& v = plan_.values[sum_of_slices];
      for (int in : v.in) std::erase(readers_[in], sum_of_slices);
      v.op = value(s).op;
      v.attributes = value(s).attributes;
      v.in.clear();
      v.in.push_back(all);
      readers_[all].push_back(sum_of_slices);
    }
  }

  /// affine + channels [start, ...) of another, which is of the same x there.
  int sum_of_affines(int affine, int other, int64_t start) {
    Value k = unread(value(affine).in[1]);
    k.op = &sum_of_affines_op();
    k.attributes = Attributes(start);
    k.in = {value(other).in[1], value(affine).in[1]};
    Value sum = unread(affine);
    sum.in[1] = push(k);
    return push(sum);
  }

  /// A value that only the gradient itself reads is made behind all else that is made of its
  /// operands: those need not be kept for it, then.
  int added_late(int rest) {
    const Value& v = value(rest);
    const bool moves = v.op && v.op->traits().kind == Traits::Kind::kPointwise && !v.output &&
                       readers_[rest].size() == 1;
    return moves ? push(Value(v)) : rest;
  }

  static Attributes channels_from(int64_t start) {
    return Attributes(std::array<int64_t, 3>{1, start, 1});
  }

  /// A copy that is no output.
  Value unread(int i) const {
    Value v = value(i);
    v.output = false;
    return v;
  }

  int push(Value v) {
    const int i = static_cast<int>(plan_.values.size());
    readers_.emplace_back();
    for (int in : v.in) readers_[in].push_back(i);
    plan_.values.push_back(std::move(v));
    return i;
  }

  Plan& plan_;
  std::vector<std::vector<int>> readers_;
};

}  // namespace

void accumulate_gradients(Plan& plan) { Accumulation(plan).run(); }

}  // namespace ballast::plan
