// Statistics belong to tensors, not to layers: what is known of the parts of a tensor is known of
// it. And a number that all elements have is read where it lies.
#include <algorithm>

#include "ballast/ops/batch_norm.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/plan/plan.h"

namespace ballast::plan {
namespace {

class NormalForm {
 public:
  explicit NormalForm(Plan& plan) : plan_(plan) {}

  void run() {
    std::vector<Value> old = std::move(plan_.values);
    plan_.values.clear();
    std::vector<int> moved(old.size());
    for (size_t i = 0; i < old.size(); ++i) {
      Value v = std::move(old[i]);
      for (int& in : v.in) in = moved[in];
      mask_before_activation(v);
      read_numbers(v);
      const bool of_parts = v.op == &channel_moments_op() && joins_channels(plan_.values[v.in[0]]);
      if (v.view() && !v.output && v.shape == plan_.values[v.in[0]].shape)
        moved[i] = v.in[0];  // the same value by another name, as in-place operations leave behind
      else if (of_parts)
        moved[i] = moments_of_parts(v);
      else if (!sum_of_norm_gradient(v, moved[i]))
        moved[i] = push(std::move(v));
    }
    for (int& i : plan_.leaves) i = moved[i];
    for (int& i : plan_.outputs) i = moved[i];
  }

 private:
  int push(Value v) {
    plan_.values.push_back(std::move(v));
    return static_cast<int>(plan_.values.size()) - 1;
  }

  /// The moments of a concatenation are the concatenation of the moments (DenseNet: each layer's
  /// output is measured once, however many layers read it).
  int moments_of_parts(const Value& moments) {
    const Value joined = plan_.values[moments.in[0]];
    Value out = moments;
    out.op = joined.op;
    out.attributes = joined.attributes;
    out.in.clear();
    for (int part : joined.in) {
      Value m = moments;
      m.in.clear();
      m.in.push_back(part);
      m.shape = Shape{moments.shape[0], plan_.values[part].shape[1]};
      m.output = false;
      const bool nested = joins_channels(plan_.values[part]);
      out.in.push_back(nested ? moments_of_parts(m) : push(std::move(m)));
    }
    return push(std::move(out));
  }

  bool is(int value, Pointwise code) const { return made_by(plan_.values[value], code); }

  /// An earlier value made by `op` of `a` (and `b`), or -1.
  int find(const Op& op, int a, int b = -1) const {
    for (size_t i = 0; i < plan_.values.size(); ++i) {
      const Value& v = plan_.values[i];
      if (v.op == &op && v.in[0] == a && (b < 0 || v.in[1] == b)) return static_cast<int>(i);
    }
    return -1;
  }

  /// Where an activation of a normalized tensor is open, the tensor before it shows as well: and
  /// that is a multiply-add away from the raw one, which the gradient reads anyway.
  void mask_before_activation(Value& v) const {
    const bool relu = made_by(v, Pointwise::kReluGrad), clamp = made_by(v, Pointwise::kClampGrad);
    if (!relu && !clamp) return;
    const Value& y = plan_.values[v.in[1]];
    if (!made_by(y, relu ? Pointwise::kRelu : Pointwise::kClamp)) return;
    if (clamp && !std::ranges::equal(y.attributes.bytes(), v.attributes.bytes())) return;
    if (is(y.in[0], Pointwise::kChannelAffine) &&
        find(channel_moments_op(), plan_.values[y.in[0]].in[0]) >= 0)
      v.in[1] = y.in[0];
  }

  /// The gradient of a mean is one number, expanded to the shape of what was averaged: beside an
  /// operand of that shape, the number is enough.
  void read_numbers(Value& v) const {
    if (!v.op || v.op->traits().kind != Traits::Kind::kPointwise || v.in.size() != 2 ||
        made_by(v, Pointwise::kChannelAffine) || made_by(v, Pointwise::kChannelScale))
      return;
    for (int i = 0; i < 2; ++i) {
      const Value& x = plan_.values[v.in[i]];
      if (x.op == &expand_op() && plan_.values[x.in[0]].shape.numel() == 1 &&
          plan_.values[v.in[1 - i]].shape == v.shape)
        v.in[i] = x.in[0];
    }
  }

  /// The gradient of a bias before a normalization sums scale(g) + affine(y) over the pixels. Sums
  /// are linear, and those of g and of y are there: no pass over memory is needed.
  bool sum_of_norm_gradient(const Value& v, int& made) {
    if (v.op != &sum_op() || !is(v.in[0], Pointwise::kAdd)) return false;
    const Value& x = plan_.values[v.in[0]];
    const uint64_t all = (uint64_t{1} << x.shape.rank()) - 1;
    if (x.shape.rank() < 2 || v.attributes.as<SumAttributes>().mask != (all & ~uint64_t{2}))
      return false;
    int scale = x.in[0], affine = x.in[1];
    if (is(scale, Pointwise::kChannelAffine)) std::swap(scale, affine);
    if (!is(scale, Pointwise::kChannelScale) || !is(affine, Pointwise::kChannelAffine))
      return false;
    const Value &g = plan_.values[scale], &y = plan_.values[affine];
    const int sums = find(channel_sums_op(), g.in[0], y.in[0]),
              moments = find(channel_moments_op(), y.in[0]);
    if (sums < 0 || moments < 0 || x.shape[1] == 0) return false;
    Value out = v;
    out.op = &norm_gradient_sum_op();
    out.attributes = Attributes(CountAttributes{static_cast<double>(x.shape.numel()) / x.shape[1]});
    out.in = {sums, g.in[1], moments, y.in[1]};
    made = push(std::move(out));
    return true;
  }

  Plan& plan_;
};

}  // namespace

void normal_form(Plan& plan) { NormalForm(plan).run(); }

}  // namespace ballast::plan
