#include "ballast/ops/reduce.h"

#include "ballast/ops/pointwise.h"
#include "ballast/ops/repeat.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"
#include "ballast/ops/view.h"

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
      const auto to = ops::reduced_strides(in, c.out.shape, mask);
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
  // Everything, everything but the channels, or the pixels of each channel: the order of the
  // elements that are summed does not matter.
  bool follows_layout(const Attributes& a, int rank) const override {
    const uint64_t mask = a.as<SumAttributes>().mask, all = (uint64_t{1} << rank) - 1;
    return (mask | 2) == all || (rank >= 3 && mask == (all & ~uint64_t{3}));
  }
  uint32_t by_rows(const Attributes&) const override { return 1; }
  uint32_t gradient_reads() const override { return 0; }
};

class RepeatSumOp final : public Op {
 public:
  RepeatSumOp() : Op("repeat_sum") {}
  void reference(const Call& c) const override {
    const int64_t times = c.attributes.as<ops::RepeatAttributes>().times;
    dispatch(c.out.dtype, [&](auto zero) {
      using T = decltype(zero);
      // Whole numbers wrap, as their sum does.
      using Product = std::conditional_t<std::is_floating_point_v<T>, double, uint64_t>;
      for (int64_t i = 0, n = c.out.shape.numel(); i < n; ++i)
        c.output<T>()[i] =
            static_cast<T>(static_cast<Product>(c.input<T>(0)[i]) * static_cast<Product>(times));
    });
  }
};

}  // namespace

const Op& ops::repeat_sum_op() {
  static const RepeatSumOp op;
  return op;
}

const Op& sum_op() {
  static const SumOp op;
  return op;
}

Tensor sum(const Tensor& x, const std::vector<int64_t>& dims, bool keepdim) {
  const ops::Reduced r = ops::reduce_dims(x.shape(), dims);
  const DType t = is_floating(x.dtype()) ? x.dtype() : DType::kInt64;
  if (r.mask == 0) return ops::fresh(cast(x, t), {&x, 1});
  const Tensor y = record(sum_op(), r.reduced, t, {x}, SumAttributes{r.mask});
  return keepdim ? reshape(y, r.kept) : y;
}

Tensor mean(const Tensor& x, const std::vector<int64_t>& dims, bool keepdim) {
  if (is_half(x.dtype())) return cast(mean(ops::widened(x), dims, keepdim), x.dtype());
  check<NotImplementedError>(is_floating(x.dtype()),
                             "mean(): could not infer output dtype. Input dtype must be either a "
                             "floating point or complex "
                             "dtype. Got: {}",
                             ops::scalar_type_name(x.dtype()));
  const Tensor s = sum(x, dims, keepdim);
  const double n =
      static_cast<double>(x.numel()) / static_cast<double>(std::max<int64_t>(s.numel(), 1));
  return s * (1.0 / n);
}

ops::Reduced ops::reduce_dims(const Shape& shape, const std::vector<int64_t>& dims) {
  Reduced r;
  r.mask = dims.empty() ? (uint64_t{1} << shape.rank()) - 1 : 0;
  for (int64_t d : dims) {
    const uint64_t bit = uint64_t{1} << shape.normalize(d);
    check(!(r.mask & bit), "dim {} appears multiple times in the list of dims", d);
    r.mask |= bit;
  }
  if (shape.rank() == 0) r.mask = 0;
  for (int d = 0; d < shape.rank(); ++d) {
    const bool gone = r.mask >> d & 1;
    if (!gone) r.reduced.push_back(shape[d]);
    r.kept.push_back(gone ? 1 : shape[d]);
  }
  return r;
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
