#include "ballast/ops/matmul.h"

#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

/// out[i, j] = bias[j] + sum_l op(a)[i, l] * op(b)[l, j]
template <class T>
void multiply(const T* a, const T* b, const T* bias, T* out, int64_t m, int64_t n, int64_t k,
              const MatmulAttributes& at) {
  const int64_t am = at.transpose_a ? 1 : k, ak = at.transpose_a ? m : 1;
  const int64_t bk = at.transpose_b ? 1 : n, bn = at.transpose_b ? k : 1;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      SumOf<T> sum = bias ? bias[j] : 0;
      for (int64_t l = 0; l < k; ++l)
        sum += static_cast<SumOf<T>>(a[i * am + l * ak]) * b[l * bk + j * bn];
      out[i * n + j] = static_cast<T>(sum);
    }
}

class MatmulOp final : public Op {
 public:
  MatmulOp() : Op("matmul") {}

  void reference(const Call& c) const override {
    dispatch_number(c.out.dtype, "matmul", [&](auto zero) {
      using T = decltype(zero);
      const auto& at = c.attributes.as<MatmulAttributes>();
      multiply(c.input<T>(0), c.input<T>(1), c.in.size() > 2 ? c.input<T>(2) : nullptr,
               c.output<T>(), c.out.shape[0], c.out.shape[1], c.in[0].shape[at.transpose_a ? 0 : 1],
               at);
    });
  }

  /// The left factor is rows of the result; in a sum over the batch (a^T b) both factors are rows.
  uint32_t by_rows(const Attributes& attributes) const override {
    const auto& a = attributes.as<MatmulAttributes>();
    return (a.transpose_a ? (a.transpose_b ? 0 : 3) : 1) | Traits::kOutput;
  }
  Gradients gradient(const Backward& b) const override {
    const auto& at = b.attributes<MatmulAttributes>();
    const bool ta = at.transpose_a, tb = at.transpose_b;
    const Tensor x = b.input(0), y = b.input(1), g = b.grad();
    Gradients out{Tensor(), Tensor(), Tensor()};
    if (b.needs(0)) out[0] = ta ? mm(y, g, tb, true) : mm(g, y, false, !tb);
    if (b.needs(1)) out[1] = tb ? mm(g, x, true, ta) : mm(x, g, !ta, false);
    out[2] = sum(g, {0});
    return out;
  }
  uint32_t gradient_reads() const override { return 3; }
  uint32_t reads_for(uint32_t needed) const override {
    return (needed & 1) << 1 | (needed >> 1 & 1);
  }
};

class BmmOp final : public Op {
 public:
  BmmOp() : Op("bmm") {}

  void reference(const Call& c) const override {
    dispatch_number(c.out.dtype, "bmm", [&](auto zero) {
      using T = decltype(zero);
      const auto& at = c.attributes.as<MatmulAttributes>();
      const int64_t m = c.out.shape[1], n = c.out.shape[2];
      const int64_t k = c.in[0].shape[at.transpose_a ? 1 : 2];
      for (int64_t i = 0; i < c.out.shape[0]; ++i)
        multiply<T>(c.input<T>(0) + i * m * k, c.input<T>(1) + i * k * n, nullptr,
                    c.output<T>() + i * m * n, m, n, k, at);
    });
  }

  Gradients gradient(const Backward& b) const override {
    const auto& at = b.attributes<MatmulAttributes>();
    const bool ta = at.transpose_a, tb = at.transpose_b;
    const Tensor x = b.input(0), y = b.input(1), g = b.grad();
    Gradients out{Tensor(), Tensor()};
    if (b.needs(0)) out[0] = ta ? bmm(y, g, tb, true) : bmm(g, y, false, !tb);
    if (b.needs(1)) out[1] = tb ? bmm(g, x, true, ta) : bmm(x, g, !ta, false);
    return out;
  }
  uint32_t gradient_reads() const override { return 3; }
  uint32_t reads_for(uint32_t needed) const override {
    return (needed & 1) << 1 | (needed >> 1 & 1);
  }
};

void check_multiplied(const char* who, const Tensor& x) {
  check<NotImplementedError>(x.dtype() != DType::kBool && x.dtype() != DType::kUint16,
                             "\"{}\" not implemented for '{}'", who,
                             ops::scalar_type_name(x.dtype()));
}

/// The matrices of `x` with the batch dimensions `batch` (broadcast), as one list of matrices.
Tensor as_batch(const Tensor& x, const Shape& batch) {
  Shape full = batch;
  for (int d = x.dim() - 2; d < x.dim(); ++d) full.push_back(x.shape()[d]);
  const Tensor y = expand(x, full);
  return reshape(y, Shape{batch.numel(), x.size(-2), x.size(-1)});
}

/// matmul of tensors with two or more dimensions each.
Tensor matmul_of_matrices(const Tensor& a, const Tensor& b) {
  const Shape &sa = a.shape(), &sb = b.shape();
  if (b.dim() == 2) {  // all rows of a at once
    const int64_t rows = sa.span_numel(0, a.dim() - 1);
    check(sa.back() == sb[0], "mat1 and mat2 shapes cannot be multiplied ({}x{} and {}x{})", rows,
          sa.back(), sb[0], sb[1]);
    Shape out = sa;
    out[out.rank() - 1] = sb[1];
    return reshape(mm(reshape(a, Shape{rows, sa.back()}), b), out);
  }
  const Shape batch =
      broadcast(Shape(sa.dims().first(a.dim() - 2)), Shape(sb.dims().first(b.dim() - 2)));
  Shape out = batch;
  out.push_back(a.size(-2));
  out.push_back(b.size(-1));
  return reshape(bmm(as_batch(a, batch), as_batch(b, batch)), out);
}

}  // namespace

const Op& matmul_op() {
  static const MatmulOp op;
  return op;
}
const Op& bmm_op() {
  static const BmmOp op;
  return op;
}

Tensor mm(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b,
          const Tensor& bias) {
  check(a.dim() == 2 && b.dim() == 2, "mm expects matrices, got shapes {} and {}", a.shape(),
        b.shape());
  check(a.dtype() == b.dtype(), "expected m1 and m2 to have the same dtype, but got: {} != {}",
        facts_of(a.dtype()).c_name, facts_of(b.dtype()).c_name);
  check_multiplied("addmm_impl_cpu_", a);
  const int64_t m = a.shape()[transpose_a ? 1 : 0], k = a.shape()[transpose_a ? 0 : 1];
  const int64_t kb = b.shape()[transpose_b ? 1 : 0], n = b.shape()[transpose_b ? 0 : 1];
  check(k == kb, "mat1 and mat2 shapes cannot be multiplied ({}x{} and {}x{})", m, k, kb, n);
  // Products of uint8 are added up, and wrapped around, as those of other whole numbers.
  if (a.dtype() == DType::kUint8)
    return cast(mm(cast(a, DType::kInt64), cast(b, DType::kInt64), transpose_a, transpose_b,
                   bias.defined() ? cast(bias, DType::kInt64) : bias),
                DType::kUint8);
  const MatmulAttributes at{transpose_a, transpose_b};
  if (!bias.defined()) return record(matmul_op(), Shape{m, n}, a.dtype(), {a, b}, at);
  check(bias.shape() == Shape{n}, "mm: bias of shape {} does not fit {} columns", bias.shape(), n);
  check(bias.dtype() == a.dtype(), "mm: bias has dtype {}, the matrices {}", name_of(bias.dtype()),
        name_of(a.dtype()));
  return record(matmul_op(), Shape{m, n}, a.dtype(), {a, b, bias}, at);
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (weight.dim() == 1 && x.dim() >= 1) {  // one output, without a dimension of its own
    const Tensor y = matmul(x, weight);
    return bias.defined() ? y + bias : y;
  }
  check(x.dim() >= 1 && weight.dim() == 2,
        "linear expects an input (..., in) and a weight (out, in), got {} and {}", x.shape(),
        weight.shape());
  if (x.dim() == 2) return mm(x, weight, false, true, bias);
  const int64_t in = x.shape().back();
  Shape out = x.shape();
  out[out.rank() - 1] = weight.shape()[0];
  const Tensor rows = reshape(x, Shape{x.shape().span_numel(0, x.dim() - 1), in});
  return reshape(mm(rows, weight, false, true, bias), out);
}

Tensor bmm(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b) {
  check(a.dim() == 3, "batch1 must be a 3D tensor");
  check(b.dim() == 3, "batch2 must be a 3D tensor");
  check(a.dtype() == b.dtype(), "expected scalar type {} but found {}",
        ops::scalar_type_name(a.dtype()), ops::scalar_type_name(b.dtype()));
  check_multiplied("bmm", a);
  const int64_t m = a.shape()[transpose_a ? 2 : 1], k = a.shape()[transpose_a ? 1 : 2];
  const int64_t kb = b.shape()[transpose_b ? 2 : 1], n = b.shape()[transpose_b ? 1 : 2];
  check(a.size(0) == b.size(0) && k == kb,
        "Expected size for first two dimensions of batch2 tensor to be: [{}, {}] but got: [{}, "
        "{}].",
        a.size(0), k, b.size(0), kb);
  if (a.dtype() == DType::kUint8)
    return cast(bmm(cast(a, DType::kInt64), cast(b, DType::kInt64), transpose_a, transpose_b),
                DType::kUint8);
  return record(bmm_op(), Shape{a.size(0), m, n}, a.dtype(), {a, b},
                MatmulAttributes{transpose_a, transpose_b});
}

Tensor matmul(const Tensor& a, const Tensor& b) {
  check(a.dim() > 0 && b.dim() > 0,
        "both arguments to matmul need to be at least 1D, but they are {}D and {}D", a.dim(),
        b.dim());
  check(a.dtype() == b.dtype(), "expected m1 and m2 to have the same dtype, but got: {} != {}",
        facts_of(a.dtype()).c_name, facts_of(b.dtype()).c_name);
  const bool row = a.dim() == 1, column = b.dim() == 1;
  if (row && column)
    check(a.numel() == b.numel(),
          "inconsistent tensor size, expected tensor [{}] and src [{}] to have the same number of "
          "elements, but got {} and {} elements respectively",
          a.numel(), b.numel(), a.numel(), b.numel());
  else if (column)
    check(a.shape().back() == b.numel(), "size mismatch, got input ({}), mat ({}x{}), vec ({})",
          a.shape().span_numel(0, a.dim() - 1), a.shape().span_numel(0, a.dim() - 1),
          a.shape().back(), b.numel());
  const Tensor y = matmul_of_matrices(row ? reshape(a, Shape{1, a.numel()}) : a,
                                      column ? reshape(b, Shape{b.numel(), 1}) : b);
  if (!row && !column) return y;
  Shape out;
  for (int d = 0; d < y.dim(); ++d)
    if (!(row && d == y.dim() - 2) && !(column && d == y.dim() - 1)) out.push_back(y.shape()[d]);
  return reshape(y, out);
}

}  // namespace ballast
