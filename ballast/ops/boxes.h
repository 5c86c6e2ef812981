// Boxes of detected objects.
#pragma once

#include "ballast/graph/tensor.h"

namespace ballast {

/// As torchvision's `nms`: the numbers of the boxes (n, 4), given by their corners x1, y1, x2, y2,
/// that no better one overlaps, best first, int64. A box is dropped where its intersection with a
/// better one that stays, divided by their union, is above the threshold; of equal scores (n) the
/// first is the better. Evaluates both. Throws Error where shapes or types do not fit.
Tensor nms(const Tensor& boxes, const Tensor& scores, double iou_threshold);

/// As torchvision's `box_iou_rotated`: (n, m), the intersection of each box of `a` (n, 5) with each
/// of `b` (m, 5), divided by their union; 0 where a box has no area. Boxes are given by their
/// centres x, y, their width and height, and the angle in degrees by which they are turned from x
/// to -y. Without gradient. Throws Error where shapes or types do not fit.
Tensor box_iou_rotated(const Tensor& a, const Tensor& b);

}  // namespace ballast
