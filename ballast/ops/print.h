// Tensors as text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ballast/graph/tensor.h"

namespace ballast {

/// How elements are written; the defaults are PyTorch's.
struct PrintOptions {
  int64_t precision = 4;     ///< digits after the point
  int64_t threshold = 1000;  ///< elements from which on a tensor is summarized
  int64_t edge_items = 3;    ///< elements shown at each end of a summarized dimension
  int64_t line_width = 80;   ///< columns
  std::optional<bool>
      scientific;  ///< whether floats have an exponent; not given: where they need one
};

/// As PyTorch prints it: floats scientific where magnitudes differ by more than 1000, "..." in
/// tensors of more than `threshold` elements, the dtype where the elements do not show it, and
/// `note`, "requires_grad=True" or the operation, unless it is empty. Evaluates the tensor.
std::string to_string(const Tensor& x, const PrintOptions& options, const std::string& note);
/// With the default options and the tensor's own note.
std::string to_string(const Tensor& x);

}  // namespace ballast
