// Convolution of images (cross-correlation, as everywhere in deep learning) and its derivatives.
#pragma once

#include <array>

#include "ballast/graph/tensor.h"

namespace ballast {

/// Rows before columns, as in PyTorch.
struct Conv2dOptions {
  std::array<int64_t, 2> stride = {1, 1};
  std::array<int64_t, 2> padding = {0, 0};  // zeros on both sides
  std::array<int64_t, 2> dilation = {1, 1};
  int64_t groups = 1;
};

/// As PyTorch's `F.conv2d`: x (N, C, H, W) or (C, H, W), weight (O, C/groups, kH, kW), bias (O) or
/// undefined; the result is (N, O, H', W') or (O, H', W') with
///   H' = (H + 2*padding - dilation*(kH - 1) - 1) / stride + 1 (rounded down), W' alike;
///   y[n,o,i,j] = bias[o] + sum_{c,k,l} w[o,c,k,l] * x[n, c, i*stride + k*dilation - padding, ...],
/// c running over the channels of o's group. Throws Error in PyTorch's words where sizes, types or
/// options do not fit.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              const Conv2dOptions& options = {});

/// What the planner and the kernels need to know of a convolution and of its derivatives; the rest
/// is in the shapes.
struct Conv2dAttributes {
  int64_t stride[2], padding[2], dilation[2], groups;
};
/// (x, weight[, bias]) -> y
const Op& conv2d_op();
/// (gradient of y, weight) -> gradient of x
const Op& conv2d_input_grad_op();
/// (gradient of y, x) -> gradient of weight
const Op& conv2d_weight_grad_op();

}  // namespace ballast
