// Initial values of parameters, as PyTorch's `torch.nn.init`: the same numbers for the same seed.
// All functions replace the tensor's values in place (autograd does not see it) and return it.
#pragma once

#include <cstdint>

#include "ballast/base/random.h"
#include "ballast/graph/tensor.h"

namespace ballast::nn::init {

Tensor uniform_(Tensor t, double low = 0.0, double high = 1.0,
                Generator& generator = default_generator());
Tensor normal_(Tensor t, double mean = 0.0, double std = 1.0,
               Generator& generator = default_generator());
Tensor constant_(Tensor t, double value);
inline Tensor ones_(Tensor t) { return constant_(std::move(t), 1.0); }
inline Tensor zeros_(Tensor t) { return constant_(std::move(t), 0.0); }

/// Inputs and outputs that a weight (out, in, ...) connects, each counted with the kernel's size.
/// Throws ValueError for fewer than 2 dimensions.
struct Fans {
  int64_t in, out;
};
Fans fans_of(const Shape& weight);

enum class FanMode : uint8_t { kFanIn, kFanOut };
/// The nonlinearity that follows, for its gain.
enum class Nonlinearity : uint8_t { kLinear, kSigmoid, kTanh, kRelu, kLeakyRelu, kSelu };
/// The recommended gain: 1 (linear, sigmoid), 5/3 (tanh), sqrt(2) (relu), sqrt(2/(1 + a^2)) (leaky
/// relu with negative slope a), 3/4 (selu).
double gain_of(Nonlinearity f, double a = 0.01);

/// He et al. 2015 (arXiv:1502.01852): standard deviation gain/sqrt(fan).
struct KaimingOptions {
  double a = 0.0;
  FanMode mode = FanMode::kFanIn;
  Nonlinearity nonlinearity = Nonlinearity::kLeakyRelu;
};
Tensor kaiming_uniform_(Tensor t, KaimingOptions options = {},
                        Generator& generator = default_generator());
Tensor kaiming_normal_(Tensor t, KaimingOptions options = {},
                       Generator& generator = default_generator());

/// Glorot & Bengio 2010: standard deviation gain*sqrt(2/(fan_in + fan_out)).
Tensor xavier_uniform_(Tensor t, double gain = 1.0, Generator& generator = default_generator());
Tensor xavier_normal_(Tensor t, double gain = 1.0, Generator& generator = default_generator());

/// The defaults of Linear and Conv: weight, then bias (if defined), uniform within
/// 1/sqrt(fan_in).
void reset_linear(const Tensor& weight, const Tensor& bias);

}  // namespace ballast::nn::init
