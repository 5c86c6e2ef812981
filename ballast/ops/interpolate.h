// Resizing of images by name of the method, as PyTorch's F.interpolate.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ballast/graph/tensor.h"

namespace ballast {

struct InterpolateOptions {
  std::vector<int64_t> size = {};         // the output's sizes, or one for all dimensions,
  std::vector<double> scale_factor = {};  // or what the input's are multiplied by
  /// "nearest", "nearest-exact", "area", "linear" (N, C, L), "bilinear" or "bicubic" (N, C, H, W),
  /// "trilinear" (N, C, D, H, W).
  std::string mode = "nearest";
  /// Whether the centres of the corner elements stay where they are, not their outer corners; only
  /// for the last four modes.
  std::optional<bool> align_corners = {};
  bool recompute_scale_factor = false;  // positions are computed from sizes, not from the factor
  bool antialias = false;  // the filter widens where the image shrinks; "bilinear", "bicubic"
};

/// As PyTorch's `F.interpolate`: the dimensions of x (N, C, ...) after the second, resized. Throws
/// ValueError and NotImplementedError in PyTorch's words where options do not fit.
Tensor interpolate(const Tensor& x, const InterpolateOptions& options);

}  // namespace ballast
