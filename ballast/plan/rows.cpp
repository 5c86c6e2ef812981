// What can be made, read and summed row by row.
#include <span>

#include "ballast/ops/batch_norm.h"
#include "ballast/ops/reduce.h"
#include "ballast/plan/plan.h"

namespace ballast::plan {
namespace {

/// One row for all pixels of a sample: (N, C, 1, ...) beside (N, C, H, ...).
bool repeats_over_pixels(const Value& in, const Value& v) {
  const int rank = v.shape.rank();
  return rank >= 3 && in.shape.rank() == rank && in.shape[0] == v.shape[0] &&
         in.shape[1] == v.shape[1] && in.shape.span_numel(2, rank) == 1 && rows_are_pixels(v);
}

}  // namespace

bool made_by(const Value& v, Pointwise code) {
  return v.op && v.op->traits().kind == Traits::Kind::kPointwise && v.op->traits().code == code;
}

bool joins_channels(const Value& v) {
  return v.op && v.op->traits().kind == Traits::Kind::kConcatenate &&
         v.attributes.as<int64_t>() == 1 && v.shape.rank() >= 2;
}

bool rows_are_pixels(const Value& v) {
  const int rank = v.shape.rank();
  return rank == 2 ||
         (rank >= 3 && (v.layout == Layout::kChannelsLast || layouts_coincide(v.shape)));
}

int64_t slice_start(const Value& v) { return (&v.attributes.as<int64_t>())[1]; }

bool made_by_rows(const Plan& plan, const Value& v) {
  if (!v.op || v.dtype != DType::kFloat32) return false;
  switch (v.op->traits().kind) {
    case Traits::Kind::kPointwise:
    case Traits::Kind::kRepeat:
      for (int i = 0; i < v.in.size(); ++i)
        if (operand_mode(plan, v, i) == OperandMode::kNo) return false;
      return true;
    case Traits::Kind::kConcatenate:
    case Traits::Kind::kSlice: {
      const int64_t* a = &v.attributes.as<int64_t>();
      const bool steps = v.op->traits().kind == Traits::Kind::kSlice && a[2] != 1;
      if (a[0] != 1 || steps || !rows_are_pixels(v)) return false;
      for (int in : v.in)
        if (plan.values[in].dtype != DType::kFloat32 || !rows_are_pixels(plan.values[in]))
          return false;
      return true;
    }
    default:
      return false;
  }
}

bool sums_rows(const Plan& plan, const Value& v) {
  if (!v.op || v.dtype != DType::kFloat32) return false;
  const Value& x = plan.values[v.in[0]];
  if (x.dtype != DType::kFloat32 || !rows_are_pixels(x) || x.shape[1] == 0) return false;
  if (v.op == &channel_moments_op()) return true;
  if (v.op == &channel_sums_op()) return rows_are_pixels(plan.values[v.in[1]]);
  const uint64_t all = (uint64_t{1} << x.shape.rank()) - 1;
  return v.op == &sum_op() && v.attributes.as<SumAttributes>().mask == (all & ~uint64_t{2});
}

int second_product(const Plan& plan, const Group& group) {
  for (int v : std::span(group.values).subspan(1))
    if (!made_by_rows(plan, plan.values[v]) && !sums_rows(plan, plan.values[v])) return v;
  return -1;
}

OperandMode operand_mode(const Plan& plan, const Value& v, int input) {
  const Value& in = plan.values[v.in[input]];
  if (in.dtype != DType::kFloat32) return OperandMode::kNo;
  const Traits t = v.op->traits();
  if (t.kind == Traits::Kind::kRepeat)
    return repeats_over_pixels(in, v) ? OperandMode::kSample : OperandMode::kNo;
  if (t.kind != Traits::Kind::kPointwise) return OperandMode::kFull;
  if (input == 1 && (t.code == Pointwise::kChannelAffine || t.code == Pointwise::kChannelScale))
    return rows_are_pixels(v) ? OperandMode::kCoefficients : OperandMode::kNo;
  if (in.shape == v.shape)
    return in.layout == v.layout || layouts_coincide(v.shape) ? OperandMode::kFull
                                                              : OperandMode::kNo;
  if (in.shape.numel() == 1) return OperandMode::kScalar;
  if (repeats_over_pixels(in, v)) return OperandMode::kSample;
  // A vector along the innermost dimension of the memory.
  const int rank = v.shape.rank();
  if (rank == 0) return OperandMode::kNo;
  const int dim = rank >= 3 && rows_are_pixels(v) ? 1 : rank - 1;
  const int at = dim - (rank - in.shape.rank());
  return at >= 0 && in.shape[at] == v.shape[dim] && in.shape.numel() == v.shape[dim]
             ? OperandMode::kChannel
             : OperandMode::kNo;
}

}  // namespace ballast::plan
