#include "ballast/nn/batch_norm_variants.h"

#include "ballast/nn/options.h"
#include "ballast/ops/batch_norm.h"
#include "ballast/ops/create.h"

namespace ballast::nn {

GhostBatchNorm::GhostBatchNorm(int64_t num_features, int64_t virtual_batch,
                               BatchNormOptions options, int least_rank, int most_rank)
    : BatchNorm(num_features, options, least_rank, most_rank), virtual_batch_(virtual_batch) {
  check<ValueError>(virtual_batch > 0, "virtual_batch must be positive, got {}", virtual_batch);
}

Tensor GhostBatchNorm::forward(const Tensor& x) {
  check_input(x);
  const BatchNormState state = statistics();
  return ghost_batch_norm(x, virtual_batch_, running_mean.defined() ? &state : nullptr, weight,
                          bias, by_batch(), momentum(), options().eps);
}

std::string GhostBatchNorm::extra_repr() const {
  return fmt::format("{}, virtual_batch={}", BatchNorm::extra_repr(), virtual_batch_);
}

BatchRenorm::BatchRenorm(int64_t num_features, const BatchRenormOptions& options, int least_rank,
                         int most_rank)
    : BatchNorm(num_features,
                {.eps = options.eps, .momentum = options.momentum, .affine = options.affine},
                least_rank, most_rank) {
  set_limits(options.limits);
}

void BatchRenorm::set_limits(const RenormLimits& limits) {
  check<ValueError>(limits.r_max >= 1 && limits.d_max >= 0,
                    "expected r_max >= 1 and d_max >= 0, got {} and {}", limits.r_max,
                    limits.d_max);
  limits_ = limits;
}

Tensor BatchRenorm::forward(const Tensor& x) {
  check_input(x);
  return batch_renorm(x, statistics(), weight, bias, training(), momentum(), options().eps,
                      limits_);
}

std::string BatchRenorm::extra_repr() const {
  return fmt::format(
      "{}, eps={}, momentum={}, affine={}, r_max={}, d_max={}, start={}, r_end={}, d_end={}",
      num_features(), python_str(options().eps),
      options().momentum ? python_str(*options().momentum) : "None", python_str(options().affine),
      python_str(limits_.r_max), python_str(limits_.d_max), limits_.start, limits_.r_end,
      limits_.d_end);
}

FrozenBatchNorm2d::FrozenBatchNorm2d(int64_t num_features, double eps) : eps_(eps) {
  const Shape channels{num_features};
  weight = add_buffer("weight", ones(channels));
  bias = add_buffer("bias", zeros(channels));
  running_mean = add_buffer("running_mean", zeros(channels));
  running_var = add_buffer("running_var", ones(channels));
}

Tensor FrozenBatchNorm2d::forward(const Tensor& x) {
  check<ValueError>(x.dim() == 4, "expected 4D input (got {}D input)", x.dim());
  const BatchNormState state{running_mean, running_var, {}};
  return batch_norm(x, &state, weight, bias, false, 0.0, eps_);
}

std::string FrozenBatchNorm2d::extra_repr() const {
  return fmt::format("{}, eps={}", weight.numel(), python_str(eps_));
}

}  // namespace ballast::nn
