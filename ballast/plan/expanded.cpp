#include "ballast/plan/expanded.h"

#include <algorithm>
#include <utility>

#include "ballast/ops/reduce.h"
#include "ballast/ops/repeat.h"
#include "ballast/ops/shape_ops.h"

namespace ballast::plan {
namespace {

class Lift {
 public:
  explicit Lift(Plan& plan) : plan_(plan) {}

  void run() {
    std::vector<Value> old = std::move(plan_.values);
    plan_.values.clear();
    std::vector<int> moved(old.size());
    for (size_t i = 0; i < old.size(); ++i) {
      Value v = std::move(old[i]);
      for (int& in : v.in) in = moved[in];
      moved[i] = place(std::move(v));
    }
    for (int& i : plan_.leaves) i = moved[i];
    for (int& i : plan_.outputs) i = moved[i];
    drop_and_sort(plan_);
  }

 private:
  const Shape& shape(int v) const { return plan_.values[v].shape; }

  /// Adds a value; `core`: the value that it is an expansion of, of the same rank.
  int push(Value v, int core = -1) {
    plan_.values.push_back(std::move(v));
    core_.push_back(core);
    return static_cast<int>(plan_.values.size()) - 1;
  }
  int push_made(const Op& op, const Attributes& attributes, int in, const Shape& shape) {
    Value v;
    v.op = &op;
    v.attributes = attributes;
    v.in = {in};
    v.shape = shape;
    v.dtype = plan_.values[in].dtype;
    return push(std::move(v));
  }
  int reshaped(int v, const Shape& to) {
    return shape(v) == to ? v : push_made(ops::reshape_op(), {}, v, to);
  }
  int expanded(int v, const Shape& to) {
    return shape(v) == to ? v : push_made(ops::expander(shape(v), to), {}, v, to);
  }
  /// Makes `v`, of which all is known but how it is made, an expansion of `core`.
  int expansion(Value v, int core) {
    if (shape(core) == v.shape) {
      const bool just_made = core + 1 == static_cast<int>(core_.size()) && plan_.values[core].op;
      if (just_made) plan_.values[core].output |= v.output;
      if (just_made || !v.output) return core;
      v.op = &ops::reshape_op();
    } else {
      v.op = &ops::expander(shape(core), v.shape);
    }
    v.attributes = {};
    v.in = {core};
    return push(std::move(v), core);
  }

  static bool is_expansion(const Value& v) {
    return v.op && !v.view() && v.op->repeats_input() && v.in.size() == 1;
  }

  int place(Value v) {
    if (!v.op || v.in.empty()) return push(std::move(v));
    if (is_expansion(v)) return expand_again(std::move(v));
    const bool any = std::any_of(v.in.begin(), v.in.end(), [&](int in) { return core_[in] >= 0; });
    if (!any) return push(std::move(v));
    const int core = core_[v.in[0]];
    if (v.op->elementwise()) return by_element(std::move(v));
    if (core >= 0 && v.view() && shape(core).numel() == 1) {
      Shape ones;
      for (int d = 0; d < v.shape.rank(); ++d) ones.push_back(1);
      return expansion(std::move(v), reshaped(core, ones));
    }
    if (core >= 0 && v.op->traits().kind == Traits::Kind::kSlice) return slice(std::move(v), core);
    if (core >= 0 && (v.op == &sum_op() || ops::counts_once(*v.op)))
      return reduce(std::move(v), core);
    return push(std::move(v));
  }

  int expand_again(Value v) {
    int from = core_[v.in[0]] >= 0 ? core_[v.in[0]] : v.in[0];
    if (shape(from).numel() == 0) return push(std::move(v));
    Shape padded;
    for (int d = shape(from).rank(); d < v.shape.rank(); ++d) padded.push_back(1);
    for (int64_t n : shape(from)) padded.push_back(n);
    from = reshaped(from, padded);
    return expansion(std::move(v), from);
  }

  /// An operation by element on tensors that all repeat along a dimension repeats its result.
  int by_element(Value v) {
    if (made_by(v, Pointwise::kChannelAffine) || made_by(v, Pointwise::kChannelScale))
      return push(std::move(v));
    const int rank = v.shape.rank();
    Shape small = v.shape;
    for (int d = 0; d < rank; ++d) {
      const bool constant = std::all_of(v.in.begin(), v.in.end(), [&](int in) {
        const Shape& s = shape(core_[in] >= 0 ? core_[in] : in);
        const int at = d - (rank - s.rank());
        return at < 0 || s[at] == 1;
      });
      if (constant) small[d] = 1;
    }
    if (small == v.shape || v.shape.numel() == 0) return push(std::move(v));
    Value made = v;
    made.shape = small;
    made.output = false;
    for (int& in : made.in)
      if (core_[in] >= 0) in = expanded(core_[in], small);
    return expansion(std::move(v), push(std::move(made)));
  }

  int slice(Value v, int core) {
    const auto d = static_cast<int>(v.attributes.as<int64_t>());
    if (shape(core)[d] == 1) return expansion(std::move(v), core);
    Value part = v;
    part.shape = shape(core);
    part.shape[d] = v.shape[d];
    part.in = {core};
    part.output = false;
    return expansion(std::move(v), push(std::move(part)));
  }

  int reduce(Value v, int core) {
    const Shape full = shape(v.in[0]);
    const uint64_t mask = v.attributes.as<SumAttributes>().mask;
    Shape small;
    int64_t times = 1;
    for (int d = 0; d < full.rank(); ++d) {
      if (!(mask >> d & 1))
        small.push_back(shape(core)[d]);
      else if (shape(core)[d] != full[d])
        times *= full[d];
    }
    Value made = v;
    made.in = {core};
    made.shape = small;
    made.output = false;
    int result = push(std::move(made));
    if (times != 1 && v.op == &sum_op())
      result =
          push_made(ops::repeat_sum_op(), Attributes(ops::RepeatAttributes{times}), result, small);
    return expansion(std::move(v), result);
  }

  Plan& plan_;
  std::vector<int> core_;
};

}  // namespace

void lift_expansions(Plan& plan) {
  const bool any = std::any_of(plan.values.begin(), plan.values.end(), [](const Value& v) {
    return v.op && !v.view() && v.op->repeats_input();
  });
  if (any) Lift(plan).run();
}

}  // namespace ballast::plan
