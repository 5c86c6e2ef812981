// Tensors as text.
#pragma once

#include <string>

#include "ballast/graph/tensor.h"

namespace ballast {

/// As PyTorch prints it with default options: four decimals (scientific where magnitudes differ by
/// more than 1000), lines of 80 columns, "..." in tensors of more than 1000 elements, and the dtype
/// where the elements do not show it. Evaluates the tensor.
std::string to_string(const Tensor& x);

}  // namespace ballast
