// Gradients against finite differences, in float64.
#pragma once

#include <functional>
#include <vector>

#include "ballast/graph/tensor.h"

namespace ballast::test {

/// Values in [-1, 1] that depend on `seed` alone, float64.
Tensor uniform(const Shape& shape, uint64_t seed);

/// Compares the gradient of `f` (weighted by fixed random numbers if it is no scalar) with central
/// differences in every element of every float64 input. Returns the largest error, relative to the
/// largest derivative of that input (or to 1).
double gradient_error(const std::function<Tensor(const std::vector<Tensor>&)>& f,
                      std::vector<Tensor> inputs);

/// Runs `f` in float32 with fast sweeps and in float64 by the reference kernels, on the same
/// float32 values, and returns the largest difference relative to the largest value of each output.
double fast_error(const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& f,
                  const std::vector<Tensor>& inputs);

/// y, and the gradient of the sum of its squares by x, which can be differentiated again.
std::vector<Tensor> with_gradient(const Tensor& x, const Tensor& y);

/// Central differences with step 1e-5 err by about h^2 = 1e-10 times the third derivative, plus
/// 1e-16/h = 1e-11 of rounding, for functions of order one; steep ones get three digits more.
inline constexpr double kGradientTolerance = 1e-7;

}  // namespace ballast::test
