#include "ballast/ops/extremes.h"

#include <algorithm>
#include <numeric>

#include "ballast/ops/compare.h"
#include "ballast/ops/index.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/repeat.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"
#include "ballast/ops/view.h"

namespace ballast {
namespace {

/// Whether `a` comes before `b`, the largest (smallest) and NaN first.
template <bool Largest, class T>
bool before(T a, T b) {
  if (b != b) return false;
  return a != a || (Largest ? a > b : a < b);
}

template <bool Largest>
class ExtremeOp final : public Op {
 public:
  ExtremeOp() : Op(Largest ? "amax" : "amin") {}

  void reference(const Call& c) const override {
    dispatch(c.out.dtype, [&](auto zero) {
      using T = decltype(zero);
      const Shape& in = c.in[0].shape;
      const T* x = c.input<T>(0);
      T* out = c.output<T>();
      std::vector<uint8_t> seen(c.out.shape.numel());
      const auto to = ops::reduced_strides(in, c.out.shape, c.attributes.as<SumAttributes>().mask);
      ops::for_each_offset(in, to, [&](int64_t offset) {
        if (!seen[offset] || before<Largest>(*x, out[offset])) out[offset] = *x;
        seen[offset] = 1;
        ++x;
      });
    });
  }

  Gradients gradient(const Backward& b) const override {
    const uint64_t mask = b.attributes<SumAttributes>().mask;
    const Tensor x = b.input(0);
    Shape kept = x.shape();
    std::vector<int64_t> dims;
    for (int d = 0; d < kept.rank(); ++d)
      if (mask >> d & 1) {
        kept[d] = 1;
        dims.push_back(d);
      }
    const Tensor reached = cast(eq(x, reshape(b.output(), kept)), x.dtype());
    return {reached * (reshape(b.grad(), kept) / sum(reached, dims, true))};
  }
  uint32_t gradient_reads() const override { return 1 | kReadsOutput; }
};

template <bool Largest>
const Op& extreme_op() {
  static const ExtremeOp<Largest> op;
  return op;
}

template <bool Largest>
Tensor extreme(const Tensor& x, const std::vector<int64_t>& dims, bool keepdim) {
  const Op& op = extreme_op<Largest>();
  const ops::Reduced r = ops::reduce_dims(x.shape(), dims);
  for (int d = 0; d < x.dim(); ++d)
    check<IndexError>(!(r.mask >> d & 1) || x.shape()[d] > 0,
                      "{}(): Expected reduction dim {} to have non-zero size.", op.name(), d);
  if (r.mask == 0) return clone(x);
  const Tensor y = record(op, r.reduced, x.dtype(), {x}, SumAttributes{r.mask});
  return keepdim ? reshape(y, r.kept) : y;
}

struct LineAttributes {
  int64_t dim;
};

/// Calls `f(line, base, stride)` for every line of `shape` along `dim`.
template <class F>
void for_each_line(const Shape& shape, int64_t dim, F&& f) {
  const int d = static_cast<int>(dim);
  const int64_t inner = shape.span_numel(d + 1, shape.rank()), outer = shape.span_numel(0, d);
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) f(o * inner + i, o * shape[d] * inner + i, inner);
}

/// The dimension goes.
template <bool Largest>
class ArgExtremeOp final : public Op {
 public:
  ArgExtremeOp() : Op(Largest ? "argmax" : "argmin") {}
  void reference(const Call& c) const override {
    dispatch(c.in[0].dtype, [&](auto zero) {
      using T = decltype(zero);
      const T* x = c.input<T>(0);
      int64_t* out = c.output<int64_t>();
      const int64_t dim = c.attributes.as<LineAttributes>().dim;
      const int64_t n = c.in[0].shape[static_cast<int>(dim)];
      for_each_line(c.in[0].shape, dim, [&](int64_t line, int64_t base, int64_t stride) {
        int64_t best = 0;
        for (int64_t i = 1; i < n; ++i)
          if (before<Largest>(x[base + i * stride], x[base + best * stride])) best = i;
        out[line] = best;
      });
    });
  }
};

/// With the dimension, of size 1.
template <bool Largest>
Tensor arg_extreme(const Tensor& x, int64_t dim) {
  static const ArgExtremeOp<Largest> op;
  const int at = x.shape().normalize(dim);
  if (x.dim() == 0) return cast(x, DType::kInt64) * 0;
  check<IndexError>(x.shape()[at] > 0, "{}(): Expected reduction dim {} to have non-zero size.",
                    op.name(), at);
  Shape kept = x.shape();
  kept[at] = 1;
  const ops::Reduced r = ops::reduce_dims(x.shape(), {at});
  return reshape(record(op, r.reduced, DType::kInt64, {x}, LineAttributes{at}), kept);
}

template <bool Largest>
Tensor arg_extreme(const Tensor& x) {
  check<IndexError>(x.numel() > 0,
                    "{}(): Expected reduction dim to be specified for input.numel() == 0. Specify "
                    "the reduction dim with the 'dim' argument.",
                    Largest ? "argmax" : "argmin");
  return reshape(arg_extreme<Largest>(reshape(x, Shape{x.numel()}), 0), Shape{});
}

Tensor without_dim(const Tensor& x, int64_t dim, bool keepdim) {
  if (keepdim || x.dim() == 0) return x;
  Shape s;
  for (int d = 0, at = x.shape().normalize(dim); d < x.dim(); ++d)
    if (d != at) s.push_back(x.shape()[d]);
  return reshape(x, s);
}

template <bool Largest>
Indexed extreme_along(const Tensor& x, int64_t dim, bool keepdim) {
  const Tensor at = arg_extreme<Largest>(x, dim);
  return {without_dim(gather(x, dim, at), dim, keepdim), without_dim(at, dim, keepdim)};
}

struct SortAttributes {
  int64_t dim, descending;
};

class ArgsortOp final : public Op {
 public:
  ArgsortOp() : Op("argsort") {}
  void reference(const Call& c) const override {
    const auto& a = c.attributes.as<SortAttributes>();
    dispatch(c.in[0].dtype, [&](auto zero) {
      using T = decltype(zero);
      const T* x = c.input<T>(0);
      int64_t* out = c.output<int64_t>();
      std::vector<int64_t> order(c.out.shape[static_cast<int>(a.dim)]);
      for_each_line(c.out.shape, a.dim, [&](int64_t, int64_t base, int64_t stride) {
        std::iota(order.begin(), order.end(), 0);
        // NaN is the largest: last when ascending.
        std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) {
          const T p = x[base + i * stride], q = x[base + j * stride];
          return a.descending ? before<true>(p, q) : before<true>(q, p);
        });
        for (size_t i = 0; i < order.size(); ++i)
          out[base + static_cast<int64_t>(i) * stride] = order[i];
      });
    });
  }
};

}  // namespace

bool ops::counts_once(const Op& reduction) {
  return &reduction == &extreme_op<true>() || &reduction == &extreme_op<false>();
}

Tensor amax(const Tensor& x, const std::vector<int64_t>& dims, bool keepdim) {
  return extreme<true>(x, dims, keepdim);
}
Tensor amin(const Tensor& x, const std::vector<int64_t>& dims, bool keepdim) {
  return extreme<false>(x, dims, keepdim);
}

Tensor max(const Tensor& x) {
  check(x.numel() > 0,
        "max(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
        "reduction dim with the 'dim' argument.");
  return amax(x);
}
Tensor min(const Tensor& x) {
  check(x.numel() > 0,
        "min(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
        "reduction dim with the 'dim' argument.");
  return amin(x);
}

Tensor argmax(const Tensor& x) { return arg_extreme<true>(x); }
Tensor argmin(const Tensor& x) { return arg_extreme<false>(x); }
Tensor argmax(const Tensor& x, int64_t dim, bool keepdim) {
  return without_dim(arg_extreme<true>(x, dim), dim, keepdim);
}
Tensor argmin(const Tensor& x, int64_t dim, bool keepdim) {
  return without_dim(arg_extreme<false>(x, dim), dim, keepdim);
}

Indexed max(const Tensor& x, int64_t dim, bool keepdim) {
  return extreme_along<true>(x, dim, keepdim);
}
Indexed min(const Tensor& x, int64_t dim, bool keepdim) {
  return extreme_along<false>(x, dim, keepdim);
}

Tensor argsort(const Tensor& x, int64_t dim, bool descending) {
  static const ArgsortOp op;
  const int at = x.shape().normalize(dim);
  if (x.dim() == 0) return cast(x, DType::kInt64) * 0;
  return record(op, x.shape(), DType::kInt64, {x}, SortAttributes{at, descending});
}

Indexed sort(const Tensor& x, int64_t dim, bool descending) {
  const Tensor order = argsort(x, dim, descending);
  return {gather(x, dim, order), order};
}

Indexed topk(const Tensor& x, int64_t k, int64_t dim, bool largest) {
  const int at = x.shape().normalize(dim);
  const int64_t n = x.dim() == 0 ? 1 : x.shape()[at];
  check(k >= 0 && k <= n, "selected index k out of range: {} for a dimension of size {}", k, n);
  const Tensor order = argsort(x, dim, largest);
  const Tensor first = x.dim() == 0 ? order : slice(order, at, 0, k);
  return {gather(x, dim, first), first};
}

Tensor Tensor::max() const { return ballast::max(*this); }
Tensor Tensor::min() const { return ballast::min(*this); }
Tensor Tensor::argmax() const { return ballast::argmax(*this); }
Tensor Tensor::argmax(int64_t dim, bool keepdim) const {
  return ballast::argmax(*this, dim, keepdim);
}

}  // namespace ballast
