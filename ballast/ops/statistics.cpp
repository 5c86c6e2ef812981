#include "ballast/ops/statistics.h"

#include <algorithm>
#include <cmath>

#include "ballast/ops/batch_statistics.h"
#include "ballast/ops/compare.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"
#include "ballast/ops/view.h"

namespace ballast {
namespace {

/// Square root with derivative 0 at 0: for lengths, where the minimum lies there.
class LengthOp final : public Op {
 public:
  LengthOp() : Op("length") {}
  bool elementwise() const override { return true; }
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const T* x = c.input<T>(0);
      T* out = c.output<T>();
      for (int64_t i = 0, n = c.out.shape.numel(); i < n; ++i) out[i] = std::sqrt(x[i]);
    });
  }
  Gradients gradient(const Backward& b) const override {
    const Tensor y = b.output();
    return {masked_fill(b.grad() / (y * 2.0), eq(y, 0), 0)};
  }
  uint32_t gradient_reads() const override { return kReadsOutput; }
};

Tensor length(const Tensor& squared) {
  static const LengthOp op;
  return record(op, squared.shape(), squared.dtype(), {squared});
}

/// The variance in float64, which holds the squares of all float32 numbers.
Tensor exact_var(const Tensor& x, const std::vector<int64_t>& dims, bool unbiased, bool keepdim) {
  check(is_floating(x.dtype()), "std and var only support floating point and complex dtypes");
  const ops::Reduced r = ops::reduce_dims(x.shape(), dims);
  const int64_t kept = r.reduced.numel();
  Shape sizes;
  for (int d = 0; d < x.dim(); ++d)
    if (r.mask >> d & 1) sizes.push_back(x.shape()[d]);
  const int64_t all = sizes.numel();
  const bool rows_first = (r.mask & (r.mask + 1)) == 0;  // the first dimensions are reduced
  // Elements that are repeated leave the mean and the biased variance alone.
  Tensor y = x;
  const std::vector<int64_t> steps = strides(x);
  int64_t n = 1;
  for (int d = 0; d < x.dim(); ++d) {
    if (!(r.mask >> d & 1)) continue;
    if (steps[d] == 0 && x.shape()[d] > 1) y = slice(y, d, 0, 1);
    n *= y.shape()[d];
  }
  if (!rows_first) {
    std::vector<int64_t> order;
    for (const uint64_t reduced : {0, 1})
      for (int d = 0; d < x.dim(); ++d)
        if ((r.mask >> d & 1) == reduced) order.push_back(d);
    y = permute(y, order);
  }
  const Tensor moments =
      exact_moments(reshape(y, rows_first ? Shape{n, kept, 1} : Shape{1, kept, n}));
  const double count = static_cast<double>(all), by = std::max(count - (unbiased ? 1 : 0), 0.0);
  const Tensor biased = reshape(slice(moments, 0, 1, 2), keepdim ? r.kept : r.reduced);
  return biased * count / by;
}

struct CumsumAttributes {
  int64_t dim, from_the_end;
};

class CumsumOp final : public Op {
 public:
  CumsumOp() : Op("cumsum") {}
  void reference(const Call& c) const override {
    const auto& a = c.attributes.as<CumsumAttributes>();
    dispatch(c.out.dtype, [&](auto zero) {
      using T = decltype(zero);
      using Sum = std::conditional_t<std::is_floating_point_v<T>, double, int64_t>;
      const Shape& s = c.out.shape;
      const int d = static_cast<int>(a.dim);
      const int64_t inner = s.span_numel(d + 1, s.rank()), outer = s.span_numel(0, d), n = s[d];
      const T* x = c.input<T>(0);
      T* out = c.output<T>();
      for (int64_t line = 0; line < outer * inner; ++line) {
        const int64_t base = line / inner * n * inner + line % inner;
        Sum total = 0;
        for (int64_t i = 0; i < n; ++i) {
          const int64_t at = base + (a.from_the_end ? n - 1 - i : i) * inner;
          total += x[at];
          out[at] = static_cast<T>(total);
        }
      }
    });
  }
  Gradients gradient(const Backward& b) const override {
    auto a = b.attributes<CumsumAttributes>();
    a.from_the_end = !a.from_the_end;
    static const CumsumOp op;
    return {record(op, b.grad().shape(), b.grad().dtype(), {b.grad()}, a)};
  }
  uint32_t gradient_reads() const override { return 0; }
};

}  // namespace

Tensor var(const Tensor& x, const std::vector<int64_t>& dims, bool unbiased, bool keepdim) {
  return cast(exact_var(ops::widened(x), dims, unbiased, keepdim), x.dtype());
}

Tensor std(const Tensor& x, const std::vector<int64_t>& dims, bool unbiased, bool keepdim) {
  return cast(length(exact_var(ops::widened(x), dims, unbiased, keepdim)), x.dtype());
}

Tensor norm(const Tensor& x, const std::vector<int64_t>& dims, bool keepdim) {
  if (is_half(x.dtype())) return cast(norm(ops::widened(x), dims, keepdim), x.dtype());
  check(is_floating(x.dtype()),
        "linalg.vector_norm: Expected a floating point or complex tensor as input. Got {}",
        name_of(x.dtype()));
  return length(sum(square(x), dims, keepdim));
}

Tensor all(const Tensor& x, const std::vector<int64_t>& dims, bool keepdim) {
  const Tensor held = eq(sum(logical_not(x), dims, keepdim), 0);
  return x.dtype() == DType::kUint8 ? cast(held, DType::kUint8) : held;
}
Tensor any(const Tensor& x, const std::vector<int64_t>& dims, bool keepdim) {
  const Tensor found = ne(sum(cast(x, DType::kBool), dims, keepdim), 0);
  return x.dtype() == DType::kUint8 ? cast(found, DType::kUint8) : found;
}
Tensor count_nonzero(const Tensor& x, const std::vector<int64_t>& dims) {
  return sum(cast(x, DType::kBool), dims);
}

Tensor cumsum(const Tensor& x, int64_t dim) {
  static const CumsumOp op;
  const int at = x.shape().normalize(dim);
  const Tensor y = is_floating(x.dtype()) ? x : cast(x, DType::kInt64);
  if (x.dim() == 0) return ops::fresh(y, {&x, 1});
  return record(op, y.shape(), y.dtype(), {y}, CumsumAttributes{at, 0});
}

}  // namespace ballast
