// Activation functions (beyond relu, sigmoid and tanh in pointwise.h), powers and clamping. Integer
// tensors are refused where PyTorch refuses them. At kinks the derivative is PyTorch's.
#pragma once

#include <optional>

#include "ballast/graph/tensor.h"
#include "ballast/ops/pointwise.h"

namespace ballast {

/// min(max(x, low), high); derivative 0 at both ends. Throws ValueError where low > high.
Tensor hardtanh(const Tensor& x, double low = -1.0, double high = 1.0);
/// min(max(x, 0), 6) (Howard et al. 2017, arXiv:1704.04861).
Tensor relu6(const Tensor& x);
/// x where x > 0, else negative_slope*x.
Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01);
/// x where x > 0, else alpha*(exp(x) - 1) (Clevert et al. 2015, arXiv:1511.07289).
Tensor elu(const Tensor& x, double alpha = 1.0);
/// min(max(x + 3, 0), 6)/6 and x times that (Howard et al. 2019, arXiv:1905.02244).
Tensor hardsigmoid(const Tensor& x);
Tensor hardswish(const Tensor& x);
/// log(1 + exp(beta*x))/beta; x itself where beta*x > threshold.
Tensor softplus(const Tensor& x, double beta = 1.0, double threshold = 20.0);
/// x*sigmoid(x), also called swish.
Tensor silu(const Tensor& x);

enum class GeluApproximation : uint8_t { kNone, kTanh };
/// x*Phi(x), Phi the normal distribution function (Hendrycks & Gimpel 2016, arXiv:1606.08415), or
/// its approximation x/2*(1 + tanh(sqrt(2/pi)*(x + 0.044715 x^3))).
Tensor gelu(const Tensor& x, GeluApproximation approximation = GeluApproximation::kNone);

/// x to a power. Integer tensors stay integers under integer exponents; negative ones then throw
/// PyTorch's error.
Tensor pow(const Tensor& x, Scalar exponent);
/// x brought into [min, max]; NaN stays. The derivative is 0 at both ends. Throws
/// PyTorch's error where neither bound is given. With min > max everything is max.
Tensor clamp(const Tensor& x, std::optional<Scalar> min, std::optional<Scalar> max = {});

}  // namespace ballast
