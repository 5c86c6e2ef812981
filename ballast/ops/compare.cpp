#include "ballast/ops/compare.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

/// Row-major offsets at which a broadcast operand is read; empty where it has the output's shape.
class Reads {
 public:
  Reads(const Shape& in, const Shape& out) {
    if (in == out) return;
    at_.reserve(out.numel());
    ops::for_each_offset(out, ops::broadcast_strides(in, out),
                         [&](int64_t offset) { at_.push_back(offset); });
  }
  int64_t operator[](int64_t i) const { return at_.empty() ? i : at_[i]; }

 private:
  std::vector<int64_t> at_;
};

/// `F` of two operands of one type; the output is bool.
template <class F>
class CompareOp final : public Op {
 public:
  using Op::Op;
  bool elementwise() const override { return true; }
  void reference(const Call& c) const override {
    dispatch(c.in[0].dtype, [&](auto zero) {
      using T = decltype(zero);
      const T *a = c.input<T>(0), *b = c.input<T>(1);
      const Reads at_a(c.in[0].shape, c.out.shape), at_b(c.in[1].shape, c.out.shape);
      bool* out = c.output<bool>();
      for (int64_t i = 0, n = c.out.shape.numel(); i < n; ++i) out[i] = F()(a[at_a[i]], b[at_b[i]]);
    });
  }
};

Tensor compare(const Op& op, const Tensor& a, const Tensor& b) {
  const DType t = ops::result_type(a, b);
  return record(op, broadcast(a.shape(), b.shape()), DType::kBool, {a.to(t), b.to(t)});
}

class WhereOp final : public Op {
 public:
  WhereOp() : Op("where") {}
  bool elementwise() const override { return true; }
  void reference(const Call& c) const override {
    dispatch_size(c.out.dtype, [&](auto zero) {
      using T = decltype(zero);
      const bool* condition = c.input<bool>(0);
      const T *a = c.input<T>(1), *b = c.input<T>(2);
      const Shape& shape = c.out.shape;
      const Reads at_condition(c.in[0].shape, shape), at_a(c.in[1].shape, shape),
          at_b(c.in[2].shape, shape);
      T* out = c.output<T>();
      for (int64_t i = 0, n = shape.numel(); i < n; ++i)
        out[i] = condition[at_condition[i]] ? a[at_a[i]] : b[at_b[i]];
    });
  }
  Gradients gradient(const Backward& b) const override {
    Gradients g{Tensor(), Tensor(), Tensor()};
    const Tensor condition = b.input(0);
    if (b.needs(1)) g[1] = ops::sum_to(where(condition, b.grad(), 0), b.input_shape(1));
    if (b.needs(2)) g[2] = ops::sum_to(where(condition, 0, b.grad()), b.input_shape(2));
    return g;
  }
  bool takes_stored_types() const override { return true; }
  uint32_t gradient_reads() const override { return 1; }
};

}  // namespace

Tensor eq(const Tensor& a, const Tensor& b) {
  static const CompareOp<std::equal_to<>> op("eq");
  return compare(op, a, b);
}
Tensor ne(const Tensor& a, const Tensor& b) {
  static const CompareOp<std::not_equal_to<>> op("ne");
  return compare(op, a, b);
}
Tensor lt(const Tensor& a, const Tensor& b) {
  static const CompareOp<std::less<>> op("lt");
  return compare(op, a, b);
}
Tensor le(const Tensor& a, const Tensor& b) {
  static const CompareOp<std::less_equal<>> op("le");
  return compare(op, a, b);
}
Tensor gt(const Tensor& a, const Tensor& b) { return lt(b, a); }
Tensor ge(const Tensor& a, const Tensor& b) { return le(b, a); }

Tensor logical_not(const Tensor& x) { return eq(x, 0); }
Tensor logical_and(const Tensor& a, const Tensor& b) {
  static const CompareOp<std::logical_and<>> op("logical_and");
  return compare(op, a, b);
}
Tensor logical_or(const Tensor& a, const Tensor& b) {
  static const CompareOp<std::logical_or<>> op("logical_or");
  return compare(op, a, b);
}
Tensor logical_xor(const Tensor& a, const Tensor& b) {
  return ne(cast(a, DType::kBool), cast(b, DType::kBool));
}

Tensor isnan(const Tensor& x) { return ne(x, x); }
Tensor isinf(const Tensor& x) {
  const Tensor y = is_floating(x.dtype()) ? x : cast(x, DType::kFloat32);
  return eq(abs(y), std::numeric_limits<double>::infinity());
}
Tensor isfinite(const Tensor& x) {
  const Tensor y = is_floating(x.dtype()) ? x : cast(x, DType::kFloat32);
  return lt(abs(y), std::numeric_limits<double>::infinity());
}

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  check(condition.dtype() == DType::kBool,
        "where expected condition to be a boolean tensor, but got a tensor with dtype {}",
        name_of(condition.dtype()));
  static const WhereOp op;
  const DType t = ops::result_type(a, b);
  return record(op, broadcast(condition.shape(), broadcast(a.shape(), b.shape())), t,
                {condition, a.to(t), b.to(t)});
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, Scalar value) {
  check(mask.dtype() == DType::kBool,
        "masked_fill_ only supports boolean masks, but got mask with dtype {}",
        name_of(mask.dtype()));
  return where(mask, value.beside(x).to(x.dtype()), x);
}

}  // namespace ballast
