// Largest and smallest elements, where they are, and sorting. NaN counts as larger (for minima:
// smaller) than every number, as in PyTorch.
#pragma once

#include <utility>

#include "ballast/graph/tensor.h"

namespace ballast {

/// The largest (smallest) element of the whole tensor, or over `dims`. Equal elements share the
/// gradient evenly. Throws IndexError where a dimension that is reduced is empty.
Tensor max(const Tensor& x);
Tensor min(const Tensor& x);
Tensor amax(const Tensor& x, const std::vector<int64_t>& dims = {}, bool keepdim = false);
Tensor amin(const Tensor& x, const std::vector<int64_t>& dims = {}, bool keepdim = false);

/// Position (int64) of the first largest (smallest) element: in the flattened tensor, or along
/// `dim`.
Tensor argmax(const Tensor& x);
Tensor argmin(const Tensor& x);
Tensor argmax(const Tensor& x, int64_t dim, bool keepdim = false);
Tensor argmin(const Tensor& x, int64_t dim, bool keepdim = false);

/// Elements and where they stood.
struct Indexed {
  Tensor values, indices;
};
/// The largest (smallest) elements along `dim`, and their positions. The gradient goes to the first
/// of equal ones.
Indexed max(const Tensor& x, int64_t dim, bool keepdim = false);
Indexed min(const Tensor& x, int64_t dim, bool keepdim = false);

/// Positions (int64) that sort x along `dim`; equal elements keep their order.
Tensor argsort(const Tensor& x, int64_t dim = -1, bool descending = false);
Indexed sort(const Tensor& x, int64_t dim = -1, bool descending = false);
/// The k largest (smallest) elements along `dim`, in order. Throws Error where there are fewer.
Indexed topk(const Tensor& x, int64_t k, int64_t dim = -1, bool largest = true);

}  // namespace ballast
