// Windows that slide along one to three dimensions, and their largest elements by position.
#pragma once

#include <array>
#include <vector>

#include "ballast/graph/tensor.h"

namespace ballast {

/// Sizes per dimension, in the order of the dimensions; a single one stands for all.
struct MaxPoolOptions {
  std::vector<int64_t> stride = {};  // empty: the kernel's sizes
  std::vector<int64_t> padding = {0};
  std::vector<int64_t> dilation = {1};
  bool ceil_mode = false;
};

/// Values, and where they stood in their (flattened) image.
struct Pooled {
  Tensor values, indices;
};

/// As PyTorch's `F.max_pool1d` ... `F.max_pool3d` with `return_indices`, by `rank`: x (N, C, ...)
/// or (C, ...). Of equal elements the first is meant; NaN is larger than everything. Throws Error
/// where sizes or options do not fit.
Pooled max_pool_with_indices(int rank, const Tensor& x, const std::vector<int64_t>& kernel,
                             const MaxPoolOptions& options = {});
/// As PyTorch's `F.adaptive_max_pool1d` ... `F.adaptive_max_pool3d`: window i of n elements reaches
/// from floor(i*n/output) to ceil((i + 1)*n/output).
Pooled adaptive_max_pool(int rank, const Tensor& x, const std::vector<int64_t>& output);
/// As PyTorch's `F.max_unpool1d` ... `F.max_unpool3d`: an image of `output` sizes, zero but for the
/// elements of x, which stand where `indices` says. Throws Error for positions outside.
Tensor max_unpool(int rank, const Tensor& x, const Tensor& indices,
                  const std::vector<int64_t>& output);

/// The sizes of the image that `max_unpool` of x makes for pools of this kernel, stride (empty: the
/// kernel's sizes) and padding. `output` (empty: (n - 1)*stride + kernel - 2*padding) may have two
/// leading sizes more. Throws ValueError in PyTorch's words where it cannot have been the input's.
std::vector<int64_t> unpooled_size(int rank, const Tensor& x, const std::vector<int64_t>& kernel,
                                   const std::vector<int64_t>& stride,
                                   const std::vector<int64_t>& padding,
                                   std::vector<int64_t> output = {});

namespace ops {

/// Sizes of windows along the last `rank` dimensions.
struct Windows {
  Windows(const char* who, int rank, const std::vector<int64_t>& kernel,
          const std::vector<int64_t>& stride, const std::vector<int64_t>& padding,
          const std::vector<int64_t>& dilation, bool ceil_mode);

  /// How many windows a dimension of n elements has.
  int64_t count(int d, int64_t n) const;
  /// Throws unless x is an image, batched or not, in which every dimension has a window.
  void check_image(const Tensor& x) const;

  const char* who;
  int rank;
  bool ceil_mode;
  std::array<int64_t, 3> kernel{}, stride{}, padding{}, dilation{};
};

}  // namespace ops
}  // namespace ballast
