#include "ballast/nn/common.h"

#include "ballast/ops/shuffle.h"

namespace ballast::nn {

Tensor Unflatten::forward(const Tensor& x) { return unflatten(x, dim_, sizes_); }

std::string Unflatten::extra_repr() const {
  return fmt::format("dim={}, unflattened_size={}", dim_, tuple_str(sizes_));
}

Dropping::Dropping(double p) : p_(p) {
  check<ValueError>(p >= 0 && p <= 1, "dropout probability has to be between 0 and 1, but got {}",
                    python_str(p));
}

std::string Dropping::extra_repr() const {
  return fmt::format("p={}, inplace=False", python_str(p_));
}

}  // namespace ballast::nn
