// Pooling: the largest or the mean element of windows that slide over an image.
#pragma once

#include <array>
#include <optional>

#include "ballast/graph/tensor.h"

namespace ballast {

/// Rows before columns, as in PyTorch. Without `stride` the windows do not overlap: it is the
/// kernel's size. `ceil_mode` rounds the number of windows up, as long as the last one starts
/// inside the (left-padded) image.
struct MaxPool2dOptions {
  std::optional<std::array<int64_t, 2>> stride = {};
  std::array<int64_t, 2> padding = {0, 0};  // never the largest
  std::array<int64_t, 2> dilation = {1, 1};
  bool ceil_mode = false;
};
struct AvgPool2dOptions {
  std::optional<std::array<int64_t, 2>> stride = {};
  std::array<int64_t, 2> padding = {0, 0};  // zeros
  bool ceil_mode = false;
  bool count_include_pad = true;  // whether padding counts as elements of the mean
};

/// As PyTorch's `F.max_pool2d`: x (N, C, H, W) or (C, H, W), floating-point; H becomes
///   (H + 2*padding - dilation*(kernel - 1) - 1) / stride + 1.
/// NaN is larger than everything; of equal elements the first gets the gradient. Throws Error in
/// PyTorch's words where sizes or options do not fit.
Tensor max_pool2d(const Tensor& x, std::array<int64_t, 2> kernel,
                  const MaxPool2dOptions& options = {});
/// As PyTorch's `F.avg_pool2d`; shapes and errors as above.
Tensor avg_pool2d(const Tensor& x, std::array<int64_t, 2> kernel,
                  const AvgPool2dOptions& options = {});
/// As PyTorch's `F.adaptive_avg_pool2d`: means over output[0] x output[1] windows that cover the
/// image, number i of a dimension reaching from floor(i*H/output) to ceil((i + 1)*H/output).
Tensor adaptive_avg_pool2d(const Tensor& x, std::array<int64_t, 2> output);

/// The same along one dimension: x (N, C, L) or (C, L).
struct MaxPool1dOptions {
  std::optional<int64_t> stride = {};
  int64_t padding = 0, dilation = 1;
  bool ceil_mode = false;
};
struct AvgPool1dOptions {
  std::optional<int64_t> stride = {};
  int64_t padding = 0;
  bool ceil_mode = false;
  bool count_include_pad = true;
};
Tensor max_pool1d(const Tensor& x, int64_t kernel, const MaxPool1dOptions& options = {});
Tensor avg_pool1d(const Tensor& x, int64_t kernel, const AvgPool1dOptions& options = {});
Tensor adaptive_avg_pool1d(const Tensor& x, int64_t output);

// What the planner and the kernels need to know.
struct MaxPool2dAttributes {
  int64_t kernel[2], stride[2], padding[2], dilation[2];
};
struct AvgPool2dAttributes {
  int64_t kernel[2], stride[2], padding[2], count_include_pad;
};
/// The elements of a window along one dimension (begin, begin + step, ... before end), and how many
/// a mean divides by; those of all dimensions are multiplied.
struct PoolWindow {
  int64_t begin, end, step, count;
};
/// Window `i` along image dimension `d` (0: rows) of a pool whose input and output have `in` and
/// `out` elements there. `op`: one of those below, or its gradient.
PoolWindow pool_window(const Op& op, const Attributes& a, int d, int64_t i, int64_t in,
                       int64_t out);

/// x -> y
const Op& max_pool2d_op();
/// (gradient of y, x) -> gradient of x
const Op& max_pool2d_grad_op();
/// (values shaped as x, x) -> those at the positions of the maxima: what max_pool2d_grad_op
/// transposes
const Op& max_pool2d_gather_op();
/// x -> y, gradient of y -> gradient of x: transposes of each other
const Op& avg_pool2d_op();
const Op& avg_pool2d_grad_op();
const Op& adaptive_avg_pool2d_op();
const Op& adaptive_avg_pool2d_grad_op();

}  // namespace ballast
