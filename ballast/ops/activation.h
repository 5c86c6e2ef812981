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

/// max(x, 0) + min(alpha*(exp(x/alpha) - 1), 0) (Barron 2017, arXiv:1704.07483). Throws for alpha
/// 0.
Tensor celu(const Tensor& x, double alpha = 1.0);
/// scale*(max(x, 0) + min(alpha*(exp(x) - 1), 0)), with the two constants that keep mean 0 and
/// variance 1 (Klambauer et al. 2017, arXiv:1706.02515).
Tensor selu(const Tensor& x);
/// x*tanh(softplus(x)) (Misra 2019, arXiv:1908.08681).
Tensor mish(const Tensor& x);
/// x/(1 + |x|).
Tensor softsign(const Tensor& x);
/// x moved towards 0 by `lambd`, 0 where |x| <= lambd. Throws for a negative lambd.
Tensor softshrink(const Tensor& x, double lambd = 0.5);
/// x where |x| > lambd, else 0.
Tensor hardshrink(const Tensor& x, double lambd = 0.5);
/// x - tanh(x).
Tensor tanhshrink(const Tensor& x);
/// x where x > threshold, else value.
Tensor threshold(const Tensor& x, double threshold, double value);
/// log(sigmoid(x)), without overflow.
Tensor logsigmoid(const Tensor& x);
/// x where x > 0, else weight*x; weight holds one number, or one per channel (dimension 1). Throws
/// PyTorch's error for other sizes.
Tensor prelu(const Tensor& x, const Tensor& weight);
/// a*sigmoid(b), a and b the halves of x along `dim`. Throws PyTorch's error for an odd size.
Tensor glu(const Tensor& x, int64_t dim = -1);
/// While training x where x >= 0, else x times a slope drawn for each element from
/// [lower, upper); otherwise leaky_relu with the middle of both (Xu et al. 2015, arXiv:1505.00853).
Tensor rrelu(const Tensor& x, double lower = 1.0 / 8, double upper = 1.0 / 3,
             bool training = false);

/// x to a power. Integer tensors stay integers under integer exponents; negative ones then throw
/// PyTorch's error.
Tensor pow(const Tensor& x, Scalar exponent);
/// x brought into [min, max]; NaN stays. The derivative is 1 at both ends. Throws
/// PyTorch's error where neither bound is given. With min > max everything is max.
Tensor clamp(const Tensor& x, std::optional<Scalar> min, std::optional<Scalar> max = {});

}  // namespace ballast
