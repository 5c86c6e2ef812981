#include "ballast/nn/common.h"

#include "ballast/nn/options.h"
#include "ballast/ops/dropout.h"

namespace ballast::nn {

std::string Flatten::extra_repr() const {
  return fmt::format("start_dim={}, end_dim={}", start_, end_);
}

Dropout::Dropout(double p) : p_(p) {
  check<ValueError>(p >= 0 && p <= 1, "dropout probability has to be between 0 and 1, but got {}",
                    python_str(p));
}

Tensor Dropout::forward(const Tensor& x) { return dropout(x, p_, training()); }

std::string Dropout::extra_repr() const {
  return fmt::format("p={}, inplace=False", python_str(p_));
}

}  // namespace ballast::nn
