// Gradients that accumulate (accumulate.cpp), each added to channels of a longer one: they are made
// in the place of these, whose memory is in cache then, and is the only one that is written to.
//
// What is read of the longer one later is the parts that the shorter one does not have. The memory
// is cut into arrays, one for the channels that each gradient has and the next one lacks, so that
// these are read as rows without gaps.
#include <algorithm>

#include "ballast/ops/conv.h"
#include "ballast/plan/plan.h"

namespace ballast::plan {
namespace {

constexpr int64_t kAllColumns = int64_t{1} << 40;

class InPlace {
 public:
  explicit InPlace(Plan& plan)
      : plan_(plan),
        reads_(plan.values.size()),
        read_by_(plan.groups.size()),
        maker_(plan.values.size(), -1) {}

  void run() {
    collect_reads();
    std::vector<int> in_place;
    for (size_t g = 0; g < plan_.groups.size(); ++g) {
      const int made = only_result(static_cast<int>(g));
      const int old = made < 0 ? -1 : summand(made, static_cast<int>(g));
      if (old < 0) continue;
      plan_.values[made].alias = value(old).alias >= 0 ? value(old).alias : old;
      in_place.push_back(made);
    }
    for (int i : in_place) cut(value(i).alias, value(i).shape[1]);
    for (int i : in_place)
      for (int64_t c : value(value(i).alias).cuts)
        if (c < value(i).shape[1]) cut(i, c);
  }

 private:
  /// Columns [begin, end) of a value in memory, read by a value of a group.
  struct Read {
    int group, reader;
    int64_t begin, end;
    int64_t shift;    // column c is read for column c + shift of the reader
    bool by_program;  // not as it lies in memory
  };

  const Value& value(int i) const { return plan_.values[i]; }

  void collect_reads() {
    for (size_t g = 0; g < plan_.groups.size(); ++g)
      for (int v : plan_.groups[g].values) {
        maker_[v] = static_cast<int>(g);
        for (int k = 0; k < value(v).in.size(); ++k) {
          const int in = value(v).in[k];
          const int64_t columns = value(in).shape.rank() > 1 ? value(in).shape[1] : 0;
          const bool by_program = made_by_rows(plan_, value(v)) &&
                                  operand_mode(plan_, value(v), k) == OperandMode::kFull;
          follow(in, {static_cast<int>(g), v, 0, columns, 0, by_program});
        }
      }
  }

  /// Notes what is read where columns [r.begin, r.end) of value `i` are.
  void follow(int i, Read r) {
    const Value& v = value(i);
    if (v.home != Home::kInlined) {
      reads_[i].push_back(r);
      if (read_by_[r.group].empty() || read_by_[r.group].back() != i)
        read_by_[r.group].push_back(i);
      return;
    }
    const Traits::Kind kind = v.op->traits().kind;
    if (kind == Traits::Kind::kSlice) {
      const int64_t start = slice_start(v);
      return follow(v.in[0], {r.group, r.reader, r.begin + start, r.end + start, r.shift - start,
                              r.by_program});
    }
    if (kind == Traits::Kind::kConcatenate) {
      int64_t at = 0;
      for (int in : v.in) {
        const int64_t n = value(in).shape[1], begin = std::max(r.begin - at, int64_t{0}),
                      end = std::min(r.end - at, n);
        if (begin < end) follow(in, {r.group, r.reader, begin, end, r.shift + at, true});
        at += n;
      }
      return;
    }
    r.by_program = true;
    for (int k = 0; k < v.in.size(); ++k) {
      const bool full =
          kind == Traits::Kind::kPointwise && operand_mode(plan_, v, k) == OperandMode::kFull;
      const Read all{r.group, r.reader, 0, kAllColumns, 0, false};
      follow(v.in[k], full ? r : all);
    }
  }

  /// The one value that group g leaves in memory besides sums, if what else it makes stays in
  /// caches: no product, or one of a kernel that can write its raw result there.
  int only_result(int g) const {
    const Group& group = plan_.groups[g];
    const Value& root = value(group.values[0]);
    const bool product = !made_by_rows(plan_, root) && !sums_rows(plan_, root);
    if (product) {
      const bool one_tap = root.op == &conv2d_input_grad_op() && root.home == Home::kFused &&
                           value(root.in[1]).shape[2] == 1 && value(root.in[1]).shape[3] == 1 &&
                           root.attributes.as<Conv2dAttributes>().groups == 1;
      if (!one_tap || second_product(plan_, group) >= 0) return -1;
    }
    int made = -1;
    for (int v : group.values) {
      if (value(v).home != Home::kMemory || sums_rows(plan_, value(v))) continue;
      if (made >= 0 || value(v).output) return -1;
      made = v;
    }
    if (made < 0) return -1;
    const Value& v = value(made);
    return made_by_rows(plan_, v) && rows_are_pixels(v) && v.shape.numel() > 0 ? made : -1;
  }

  /// The value whose first columns group g adds to its result `made`, if that can be made in their
  /// place; or -1. No two values are made in the place of the same one: both would read its first
  /// column, of which the first leaves nothing for the second.
  int summand(int made, int g) const {
    const Value& v = value(made);
    if (v.op->traits().code != Pointwise::kAdd || !read_by_programs(made)) return -1;
    for (int i : read_by_[g]) {
      const Value& old = value(i);
      if (maker_[i] < 0 || only_result(maker_[i]) != i || old.shape[1] <= v.shape[1] ||
          !read_by_programs(i))
        continue;
      const auto here = [&](const Read& r) {
        return r.group == g && r.reader == made && r.shift == 0;
      };
      const auto added = [&](const Read& r) {
        return here(r) && r.begin == 0 && r.end >= v.shape[1];
      };
      // Where it is overwritten, it is read before, or element by element for the new value.
      const auto safe = [&](const Read& r) {
        return r.begin >= v.shape[1] || r.group < g || here(r);
      };
      const auto& reads = reads_[i];
      if (std::any_of(reads.begin(), reads.end(), added) &&
          std::all_of(reads.begin(), reads.end(), safe))
        return i;
    }
    return -1;
  }

  /// Whether nothing but programs, and sums in the group that makes it, reads a value.
  bool read_by_programs(int i) const {
    return std::all_of(reads_[i].begin(), reads_[i].end(), [&](const Read& r) {
      return r.by_program || (r.group == maker_[i] && sums_rows(plan_, value(r.reader)));
    });
  }

  void cut(int i, int64_t column) {
    auto& cuts = plan_.values[i].cuts;
    const auto at = std::lower_bound(cuts.begin(), cuts.end(), column);
    if (at == cuts.end() || *at != column) cuts.insert(at, column);
  }

  Plan& plan_;
  std::vector<std::vector<Read>> reads_;   // by value
  std::vector<std::vector<int>> read_by_;  // by group: values in memory
  std::vector<int> maker_;                 // by value: its group
};

}  // namespace

void accumulate_in_place(Plan& plan) { InPlace(plan).run(); }

}  // namespace ballast::plan
