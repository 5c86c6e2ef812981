#include "ballast/ops/reduce.h"

#include "ballast/ops/pointwise.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

class SumOp final : public Op {
 public:
  SumOp() : Op("sum") {}

  void reference(const Call& c) const override {
    dispatch(c.in[0].dtype, [&](auto zero) {
      using In = decltype(zero);
      using Out = std::conditional_t<std::is_floating_point_v<In>, In, int64_t>;
      using Accumulator = std::conditional_t<std::is_floating_point_v<In>, double, int64_t>;
      const Shape& in = c.in[0].shape;
      const uint64_t mask = c.attributes.as<SumAttributes>().mask;
      std::vector<Accumulator> sums(c.out.shape.numel());
      // The output's strides, zero along what is summed.
      auto strides = ops::strides_of(c.out.shape);
      std::array<int64_t, Shape::kMaxRank> to{};
      for (int d = 0, o = 0; d < in.rank(); ++d)
        if (!(mask >> d & 1)) to[d] = strides[o++];
      const In* x = c.input<In>(0);
      ops::for_each_offset(in, to, [&](int64_t offset) { sums[offset] += *x++; });
      Out* out = c.output<Out>();
      for (size_t i = 0; i < sums.size(); ++i) out[i] = static_cast<Out>(sums[i]);
    });
  }

  Gradients gradient(const Backward& b) const override {
    const uint64_t mask = b.attributes<SumAttributes>().mask;
    Shape kept = b.input_shape(0);
    for (int d = 0; d < kept.rank(); ++d)
      if (mask >> d & 1) kept[d] = 1;
    return {expand(reshape(b.grad(), kept), b.input_shape(0))};
  }
  // Everything, or everything but the channels: the order of the elements does not matter.
  bool follows_layout(const Attributes& a, int rank) const override {
    return (a.as<SumAttributes>().mask | 2) == (uint64_t{1} << rank) - 1;
  }
  uint32_t gradient_reads() const override { return 0; }
};

}  // namespace

const Op& sum_op() {
  static const SumOp op;
  return op;
}

Tensor sum(const Tensor& x, const std::vector<int64_t>& dims, bool keepdim) {
  uint64_t mask = dims.empty() ? (uint64_t{1} << x.dim()) - 1 : 0;
  for (int64_t d : dims) {
    const uint64_t bit = uint64_t{1} << x.shape().normalize(d);
    check(!(mask & bit), "dim {} appears multiple times in the list of dims", d);
    mask |= bit;
  }
  if (x.dim() == 0) mask = 0;
  Shape reduced, kept;
  for (int d = 0; d < x.dim(); ++d) {
    const bool gone = mask >> d & 1;
    if (!gone) reduced.push_back(x.shape()[d]);
    kept.push_back(gone ? 1 : x.shape()[d]);
  }
  const DType t = is_floating(x.dtype()) ? x.dtype() : DType::kInt64;
  if (mask == 0) return cast(x, t);
  const Tensor y = record(sum_op(), reduced, t, {x}, SumAttributes{mask});
  return keepdim ? reshape(y, kept) : y;
}

Tensor mean(const Tensor& x, const std::vector<int64_t>& dims, bool keepdim) {
  check(is_floating(x.dtype()),
        "mean(): could not infer output dtype. Input dtype must be either a floating point or "
        "complex "
        "dtype. Got: {}",
        name_of(x.dtype()));
  const Tensor s = sum(x, dims, keepdim);
  const double n =
      static_cast<double>(x.numel()) / static_cast<double>(std::max<int64_t>(s.numel(), 1));
  return s * (1.0 / n);
}

Tensor ops::sum_to(const Tensor& g, const Shape& shape) {
  if (g.shape() == shape) return g;
  std::vector<int64_t> dims;
  const int lead = g.dim() - shape.rank();
  for (int d = 0; d < g.dim(); ++d)
    if (d < lead || (shape[d - lead] == 1 && g.shape()[d] != 1)) dims.push_back(d);
  return reshape(dims.empty() ? g : sum(g, dims), shape);
}

Tensor Tensor::sum(const std::vector<int64_t>& dims, bool keepdim) const {
  return ballast::sum(*this, dims, keepdim);
}
Tensor Tensor::mean(const std::vector<int64_t>& dims, bool keepdim) const {
  return ballast::mean(*this, dims, keepdim);
}

}  // namespace ballast
