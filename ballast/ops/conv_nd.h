// Convolutions along one and three dimensions, transposed convolutions, and taking images apart
// into windows. All of them are expressed by the two-dimensional convolution and its derivative,
// and take its fast paths.
#pragma once

#include <vector>

#include "ballast/graph/tensor.h"

namespace ballast {

/// Sizes per dimension, in the order of the dimensions; a single one stands for all.
struct ConvOptions {
  std::vector<int64_t> stride = {1};
  std::vector<int64_t> padding = {0};  // zeros on both sides
  std::vector<int64_t> dilation = {1};
  int64_t groups = 1;
};

/// As PyTorch's `F.conv1d` and `F.conv3d`: x (N, C, L) or (N, C, D, H, W), or without N; weight
/// (O, C/groups, k) or (O, C/groups, kD, kH, kW), bias (O) or undefined. Errors as in conv2d.
Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              const ConvOptions& options = {});
Tensor conv3d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              const ConvOptions& options = {});

struct ConvTransposeOptions {
  std::vector<int64_t> stride = {1};
  std::vector<int64_t> padding = {0};         // cut off on both sides
  std::vector<int64_t> output_padding = {0};  // more rows at the end
  int64_t groups = 1;
  std::vector<int64_t> dilation = {1};
};

/// As PyTorch's `F.conv_transpose1d` ... `F.conv_transpose3d`, by `rank`: the derivative of a
/// convolution with respect to its input. x (N, C, ...) or (C, ...), weight (C, O/groups, k...),
/// bias (O) or undefined; a size n becomes
///   (n - 1)*stride - 2*padding + dilation*(k - 1) + output_padding + 1.
/// Throws Error in PyTorch's words where sizes, types or options do not fit.
Tensor conv_transpose(int rank, const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                      const ConvTransposeOptions& options = {});

struct UnfoldOptions {
  std::vector<int64_t> dilation = {1};
  std::vector<int64_t> padding = {0};
  std::vector<int64_t> stride = {1};
};

/// As PyTorch's `F.unfold`: the windows of x (N, C, H, W) or (C, H, W) that a convolution with
/// these options would see, as the columns of (N, C*kH*kW, windows).
Tensor unfold(const Tensor& x, const std::vector<int64_t>& kernel,
              const UnfoldOptions& options = {});
/// As PyTorch's `F.fold`, unfold's transpose: columns (N, C*kH*kW, windows) added into an image of
/// `output` rows and columns.
Tensor fold(const Tensor& columns, const std::vector<int64_t>& output,
            const std::vector<int64_t>& kernel, const UnfoldOptions& options = {});

}  // namespace ballast
