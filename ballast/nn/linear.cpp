#include "ballast/nn/linear.h"

#include <cmath>

#include "ballast/nn/init.h"
#include "ballast/nn/options.h"
#include "ballast/ops/create.h"
#include "ballast/ops/linear_algebra.h"
#include "ballast/ops/matmul.h"

namespace ballast::nn {

Linear::Linear(int64_t in_features, int64_t out_features, LinearOptions options) {
  weight = add_parameter("weight", empty({out_features, in_features}));
  bias = add_parameter("bias", options.bias ? empty({out_features}) : Tensor());
  reset_parameters();
}

Tensor Linear::forward(const Tensor& x) { return linear(x, weight, bias); }

std::string Linear::extra_repr() const {
  return fmt::format("in_features={}, out_features={}, bias={}", weight.size(1), weight.size(0),
                     python_str(bias.defined()));
}

void Linear::reset_parameters() { init::reset_linear(weight, bias); }

Bilinear::Bilinear(int64_t in1_features, int64_t in2_features, int64_t out_features,
                   LinearOptions options) {
  check<ValueError>(in1_features > 0, "in1_features must be > 0, but got {}", in1_features);
  weight = add_parameter("weight", empty({out_features, in1_features, in2_features}));
  bias = add_parameter("bias", options.bias ? empty({out_features}) : Tensor());
  reset_parameters();
}

Tensor Bilinear::operator()(const Tensor& a, const Tensor& b) const {
  return bilinear(a, b, weight, bias);
}

std::string Bilinear::extra_repr() const {
  return fmt::format("in1_features={}, in2_features={}, out_features={}, bias={}", weight.size(1),
                     weight.size(2), weight.size(0), python_str(bias.defined()));
}

void Bilinear::reset_parameters() {
  const double bound = 1 / std::sqrt(static_cast<double>(weight.size(1)));
  init::uniform_(weight, -bound, bound);
  if (bias.defined()) init::uniform_(bias, -bound, bound);
}

}  // namespace ballast::nn
