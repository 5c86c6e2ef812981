// Matrix products.
#pragma once

#include "ballast/graph/tensor.h"

namespace ballast {

/// op(a) @ op(b) for matrices, op transposing where asked; `bias`, if defined, is added to every
/// row. Throws PyTorch's error where the inner sizes differ.
Tensor mm(const Tensor& a, const Tensor& b, bool transpose_a = false, bool transpose_b = false,
          const Tensor& bias = {});

/// y = x W^T + b over the last dimension of x: x (..., in), weight (out, in), bias (out) or
/// undefined.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

/// A product of each of B matrices with its partner: op(a) (B, m, k) @ op(b) (B, k, n), op
/// transposing the last two dimensions where asked. Throws PyTorch's errors where sizes do not fit.
Tensor bmm(const Tensor& a, const Tensor& b, bool transpose_a = false, bool transpose_b = false);

/// As `torch.matmul`: the inner product of two vectors; otherwise the product of the last two
/// dimensions, those in front broadcast. A vector counts as one row on the left, one column on the
/// right, and that dimension is gone from the result. Throws PyTorch's errors where sizes or types
/// do not fit.
Tensor matmul(const Tensor& a, const Tensor& b);

/// What the planner and the kernels need to know of a product; see mm and bmm.
struct MatmulAttributes {
  int64_t transpose_a, transpose_b;
};
const Op& matmul_op();
const Op& bmm_op();

}  // namespace ballast
