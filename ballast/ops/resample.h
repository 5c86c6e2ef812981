// Weighted sums of positions along one dimension, and what is made of them: mean pooling along any
// number of dimensions, and resizing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ballast/graph/tensor.h"

namespace ballast {

/// For each of `count` positions of a result, `taps` positions of a source and their weights; both
/// vectors hold the first tap of every position, then the second, ... A weight of 0 leaves its
/// source unread.
struct Taps {
  int64_t taps = 0, count = 0;
  std::vector<int64_t> from;
  std::vector<double> weights;
};

/// y[o] = sum over t of weights[t][o] * x[from[t][o]] along dimension `dim`; sums in double.
Tensor resample(const Tensor& x, int64_t dim, const Taps& taps);

/// Sizes per dimension, in the order of the dimensions; a single one stands for all.
struct AvgPoolOptions {
  std::vector<int64_t> stride = {};  // empty: the kernel's sizes
  std::vector<int64_t> padding = {0};
  bool ceil_mode = false;
  bool count_include_pad = true;
  std::optional<int64_t> divisor_override = {};  // what sums are divided by
};
/// As PyTorch's `F.avg_pool1d` ... `F.avg_pool3d`, by `rank`: x (N, C, ...) or (C, ...). Throws
/// Error where sizes do not fit.
Tensor avg_pool(int rank, const Tensor& x, const std::vector<int64_t>& kernel,
                const AvgPoolOptions& options = {});
/// As PyTorch's `F.adaptive_avg_pool3d`: means over windows, number i of a dimension of n reaching
/// from floor(i*n/output) to ceil((i + 1)*n/output).
Tensor adaptive_avg_pool(int rank, const Tensor& x, const std::vector<int64_t>& output);

/// As PyTorch's `F.lp_pool1d` ... `F.lp_pool3d`, by `rank`: (sum of x^p)^(1/p) over windows. An
/// empty `stride` is the kernel's sizes.
Tensor lp_pool(int rank, const Tensor& x, double p, const std::vector<int64_t>& kernel,
               const std::vector<int64_t>& stride = {}, bool ceil_mode = false);

enum class ResizeMode : uint8_t { kNearest, kNearestExact, kLinear, kCubic };
struct ResizeOptions {
  ResizeMode mode = ResizeMode::kNearest;
  bool align_corners = false;      // the corner elements, not the corners' corners, coincide
  bool antialias = false;          // filters widen where the image shrinks
  std::vector<double> scale = {};  // per dimension, where the caller gave factors; else from sizes
};
/// Dimensions 2, 3, ... of x (N, C, ...) resized to `size`, as PyTorch's `F.interpolate`: every
/// dimension by itself.
Tensor resize(const Tensor& x, const std::vector<int64_t>& size, const ResizeOptions& options = {});

/// As PyTorch's `F.local_response_norm` (Krizhevsky et al. 2012):
/// x / (k + alpha*mean over `size` neighbouring channels of x^2)^beta.
Tensor local_response_norm(const Tensor& x, int64_t size, double alpha = 1e-4, double beta = 0.75,
                           double k = 1.0);

}  // namespace ballast
