#include "ballast/nn/linear.h"

#include "ballast/nn/init.h"
#include "ballast/nn/options.h"
#include "ballast/ops/create.h"
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

}  // namespace ballast::nn
