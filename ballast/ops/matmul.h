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

/// What the planner and the kernels need to know of a product; see mm.
struct MatmulAttributes {
  int64_t transpose_a, transpose_b;
};
const Op& matmul_op();

}  // namespace ballast
