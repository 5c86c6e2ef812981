// Reading images at positions between their pixels.
#pragma once

#include "ballast/graph/tensor.h"

namespace ballast {

enum class GridMode : uint8_t { kBilinear, kNearest, kBicubic };
enum class GridPadding : uint8_t { kZeros, kBorder, kReflection };

/// As PyTorch's `F.grid_sample`: x (N, C, H, W) read at the positions of grid (N, h, w, 2), which
/// are (x, y) from -1 to 1, or x (N, C, D, H, W) at those of grid (N, d, h, w, 3); (N, C, h, w). -1
/// and 1 are the centres of the outer pixels where `align_corners`, else their outer edges. Throws
/// Error where shapes do not fit, for bicubic reading of volumes.
struct GridOptions {
  GridMode mode = GridMode::kBilinear;
  GridPadding padding = GridPadding::kZeros;
  bool align_corners = false;
};
Tensor grid_sample(const Tensor& x, const Tensor& grid, const GridOptions& options = {});

/// As PyTorch's `F.affine_grid`: the grid (N, h, w, 2) that the affine maps theta (N, 2, 3) make of
/// an image of `size` (N, C, h, w); with (N, 3, 4) and volumes (N, C, d, h, w) likewise.
Tensor affine_grid(const Tensor& theta, const std::vector<int64_t>& size,
                   bool align_corners = false);

}  // namespace ballast
