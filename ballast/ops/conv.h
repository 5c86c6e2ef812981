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

/// Whether 3x3 convolutions of stride 1 (of every rank, transposed ones too), and both their
/// gradients, may use Winograd's algorithm where it is faster: those that any thread records from
/// now on. On unless set. The algorithm computes tiles of 4x4 outputs from sums of 6x6 inputs, so
/// one large input costs all outputs of its tile digits: their error is up to 3e-7 of the largest
/// input of the tile, times the norm of an output's weights (docs/design.md). Directly computed, an
/// output depends on what it reads alone.
void set_winograd(bool on);
bool winograd();
/// While it lives, the convolutions that this thread records are computed directly.
class DirectConv {
 public:
  explicit DirectConv(bool on = true);
  ~DirectConv();
  DirectConv(const DirectConv&) = delete;
  DirectConv& operator=(const DirectConv&) = delete;

 private:
  bool on_;
};
/// What is to be recorded as Conv2dAttributes::direct.
int64_t direct_conv();

/// What the planner and the kernels need to know of a convolution and of its derivatives; the rest
/// is in the shapes.
struct Conv2dAttributes {
  int64_t stride[2], padding[2], dilation[2], groups;
  int64_t direct = 0;  ///< not by Winograd's algorithm
};
/// (x, weight[, bias]) -> y
const Op& conv2d_op();
/// (gradient of y, weight) -> gradient of x
const Op& conv2d_input_grad_op();
/// (gradient of y, x) -> gradient of weight
const Op& conv2d_weight_grad_op();

}  // namespace ballast
