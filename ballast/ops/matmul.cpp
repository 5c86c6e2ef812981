#include "ballast/ops/matmul.h"

#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

class MatmulOp final : public Op {
 public:
  MatmulOp() : Op("matmul") {}

  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, "matmul", [&](auto zero) {
      using T = decltype(zero);
      const auto& at = c.attributes.as<MatmulAttributes>();
      const int64_t m = c.out.shape[0], n = c.out.shape[1];
      const int64_t k = c.in[0].shape[at.transpose_a ? 0 : 1];
      const int64_t am = at.transpose_a ? 1 : k, ak = at.transpose_a ? m : 1;
      const int64_t bk = at.transpose_b ? 1 : n, bn = at.transpose_b ? k : 1;
      const T *a = c.input<T>(0), *b = c.input<T>(1);
      const T* bias = c.in.size() > 2 ? c.input<T>(2) : nullptr;
      T* out = c.output<T>();
      for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j) {
          double sum = bias ? bias[j] : 0;
          for (int64_t l = 0; l < k; ++l)
            sum += static_cast<double>(a[i * am + l * ak]) * b[l * bk + j * bn];
          out[i * n + j] = static_cast<T>(sum);
        }
    });
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
};

}  // namespace

const Op& matmul_op() {
  static const MatmulOp op;
  return op;
}

Tensor mm(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b,
          const Tensor& bias) {
  check(a.dim() == 2 && b.dim() == 2, "mm expects matrices, got shapes {} and {}", a.shape().str(),
        b.shape().str());
  check(a.dtype() == b.dtype(), "expected m1 and m2 to have the same dtype, but got: {} != {}",
        name_of(a.dtype()), name_of(b.dtype()));
  check(is_floating(a.dtype()), "mm expects floating-point tensors, got {}", name_of(a.dtype()));
  const int64_t m = a.shape()[transpose_a ? 1 : 0], k = a.shape()[transpose_a ? 0 : 1];
  const int64_t kb = b.shape()[transpose_b ? 1 : 0], n = b.shape()[transpose_b ? 0 : 1];
  check(k == kb, "mat1 and mat2 shapes cannot be multiplied ({}x{} and {}x{})", m, k, kb, n);
  const MatmulAttributes at{transpose_a, transpose_b};
  if (!bias.defined()) return record(matmul_op(), Shape{m, n}, a.dtype(), {a, b}, at);
  check(bias.shape() == Shape{n}, "mm: bias of shape {} does not fit {} columns",
        bias.shape().str(), n);
  check(bias.dtype() == a.dtype(), "mm: bias has dtype {}, the matrices {}", name_of(bias.dtype()),
        name_of(a.dtype()));
  return record(matmul_op(), Shape{m, n}, a.dtype(), {a, b, bias}, at);
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check(x.dim() >= 1 && weight.dim() == 2,
        "linear expects an input (..., in) and a weight (out, in), got {} and {}", x.shape().str(),
        weight.shape().str());
  if (x.dim() == 2) return mm(x, weight, false, true, bias);
  const int64_t in = x.shape().back();
  Shape out = x.shape();
  out[out.rank() - 1] = weight.shape()[0];
  const Tensor rows = reshape(x, Shape{x.shape().span_numel(0, x.dim() - 1), in});
  return reshape(mm(rows, weight, false, true, bias), out);
}

}  // namespace ballast
