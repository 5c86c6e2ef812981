#include "ballast/nn/activation.h"

#include "ballast/ops/create.h"

namespace ballast::nn {

Tensor Softmax2d::forward(const Tensor& x) {
  check<ValueError>(x.dim() == 3 || x.dim() == 4,
                    "Softmax2d: expected input to be 3D or 4D, got {}D instead", x.dim());
  return softmax(x, -3);
}

std::string GELU::extra_repr() const {
  return approximate_ == GeluApproximation::kTanh ? "approximate='tanh'" : "approximate='none'";
}

std::string RReLU::extra_repr() const {
  return fmt::format("lower={}, upper={}", python_str(lower_), python_str(upper_));
}

PReLU::PReLU(int64_t num_parameters, double init)
    : weight(add_parameter("weight", full({num_parameters}, init))) {}

std::string PReLU::extra_repr() const { return fmt::format("num_parameters={}", weight.numel()); }

}  // namespace ballast::nn
