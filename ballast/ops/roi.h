// Pooling of regions of interest: the part of an image under a box, brought to a fixed size.
//
// Boxes are rows (number of the image, x1, y1, x2, y2) of `rois` (K, 5), in units of which one is
// `spatial_scale` pixels of x (N, C, H, W). Each is divided into `size` bins, rows before columns.
// All functions throw Error where shapes or types do not fit, IndexError for a box of an image that
// is not there. Boxes have no gradient. Derivatives have any order.
#pragma once

#include <array>

#include "ballast/graph/tensor.h"

namespace ballast {

/// As torchvision's `roi_align` (He et al. 2017, arXiv:1703.06870): (K, C, size), the mean over a
/// grid of points in each bin, between pixels interpolated linearly; a point further than one pixel
/// outside the image counts as 0. The grid has `sampling_ratio` rows and columns; where that is not
/// positive, one for each pixel that the bin covers. With `aligned`, pixels' centres lie at halves;
/// without, boxes are at least one pixel large.
struct RoiAlignOptions {
  double spatial_scale = 1;
  int64_t sampling_ratio = -1;
  bool aligned = false;
};
Tensor roi_align(const Tensor& x, const Tensor& rois, const std::array<int64_t, 2>& size,
                 const RoiAlignOptions& options = {});

/// As torchvision's `ps_roi_align` (position-sensitive: every bin has channels of its own): from C
/// channels (K, C / bins, size), bin b of channel c being made of channel c*bins + b. `aligned` is
/// always true.
Tensor ps_roi_align(const Tensor& x, const Tensor& rois, const std::array<int64_t, 2>& size,
                    double spatial_scale = 1, int64_t sampling_ratio = -1);

/// As torchvision's `ps_roi_pool` (Dai et al. 2016, arXiv:1605.06409): the same with the mean over
/// the pixels of a bin, whose edges are rounded outwards; an empty bin is 0. The last row and
/// column of the image are never read, as in torchvision. (Its gradient reads them; here, the
/// gradient is the derivative of the result.)
Tensor ps_roi_pool(const Tensor& x, const Tensor& rois, const std::array<int64_t, 2>& size,
                   double spatial_scale = 1);

/// The derivatives of the three by x, of shape `x`, times `grad`.
Tensor roi_align_backward(const Tensor& grad, const Tensor& rois, const Shape& x,
                          const RoiAlignOptions& options = {});
Tensor ps_roi_align_backward(const Tensor& grad, const Tensor& rois, const Shape& x,
                             double spatial_scale = 1, int64_t sampling_ratio = -1);
Tensor ps_roi_pool_backward(const Tensor& grad, const Tensor& rois, const Shape& x,
                            double spatial_scale = 1);

/// As torchvision's `roi_pool` (Girshick 2015, arXiv:1504.08083): the largest pixel of each bin
/// (K, C, size), NaN where there is one, and its position in the plane, int32; 0 and -1 for an
/// empty bin.
struct RoiPool {
  Tensor values, argmax;
};
RoiPool roi_pool(const Tensor& x, const Tensor& rois, const std::array<int64_t, 2>& size,
                 double spatial_scale = 1);
Tensor roi_pool_backward(const Tensor& grad, const Tensor& rois, const Tensor& argmax,
                         const Shape& x);

}  // namespace ballast
