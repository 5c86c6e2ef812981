// Operations that move or rename elements: views, copies between layouts, types, slices.
#pragma once

#include "ballast/graph/tensor.h"

namespace ballast {

/// The same elements, row-major, under another shape; one size may be -1. Throws PyTorch's error
/// where the counts differ.
Tensor reshape(const Tensor& x, const std::vector<int64_t>& shape);
Tensor reshape(const Tensor& x, const Shape& shape);
/// Joins dimensions start..end (inclusive) into one.
Tensor flatten(const Tensor& x, int64_t start = 0, int64_t end = -1);
/// Elements start, start+step, ... before `end` of dimension `dim`; negative positions count from
/// the end, positions outside are clipped, as in Python. Throws ValueError unless step > 0.
Tensor slice(const Tensor& x, int64_t dim, int64_t start, int64_t end, int64_t step = 1);
/// The tensor repeated along dimensions of size 1 (and new leading ones) to fill `shape`.
Tensor expand(const Tensor& x, const Shape& shape);
/// Converted to another element type; float to integer truncates, anything to bool compares with
/// zero.
Tensor cast(const Tensor& x, DType dtype);

/// The planner's names for an expansion: any, and of (N, C, 1, ...) to (N, C, ...).
const Op& expand_op();
const Op& expand_pixels_op();

}  // namespace ballast
