// Convolution that reads its input at positions which are inputs themselves.
#pragma once

#include <array>

#include "ballast/graph/tensor.h"

namespace ballast {

/// Rows before columns. Groups follow from the shapes.
struct DeformConvOptions {
  std::array<int64_t, 2> stride = {1, 1};
  std::array<int64_t, 2> padding = {0, 0};
  std::array<int64_t, 2> dilation = {1, 1};
};

/// As torchvision's `deform_conv2d` (Dai et al. 2017, arXiv:1703.06211; with a mask Zhu et al.
/// 2018, arXiv:1811.11168): a convolution of x (N, C, H, W) with weight (O, C/groups, kH, kW), in
/// which element (k, l) of the window at (i, j) is read at
///   (i*stride - padding + k*dilation + dy, j*stride - padding + l*dilation + dx),
/// between pixels interpolated linearly and 0 outside, and multiplied by the mask. offset
/// (N, D*kH*kW*2, H', W') has dy and dx of every element, for each of D groups of channels; mask
/// (N, D*kH*kW, H', W') or undefined; bias (O) or undefined. The result is (N, O, H', W'). Throws
/// Error where shapes or options do not fit. Gradients have no derivatives of their own.
Tensor deform_conv2d(const Tensor& x, const Tensor& offset, const Tensor& weight,
                     const Tensor& bias = {}, const DeformConvOptions& options = {},
                     const Tensor& mask = {});

/// Its derivatives by x, offset, weight, bias and mask (undefined without one), times `grad`.
struct DeformConvGradients {
  Tensor x, offset, weight, bias, mask;
};
DeformConvGradients deform_conv2d_backward(const Tensor& grad, const Tensor& x,
                                           const Tensor& offset, const Tensor& weight,
                                           const DeformConvOptions& options = {},
                                           const Tensor& mask = {});

}  // namespace ballast
