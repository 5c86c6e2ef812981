#include "ballast/nn/batch_norm.h"

#include "ballast/nn/init.h"
#include "ballast/nn/options.h"
#include "ballast/ops/batch_norm.h"
#include "ballast/ops/create.h"

namespace ballast::nn {

ChannelNorm::ChannelNorm(int64_t num_features, BatchNormOptions options, int least_rank,
                         int most_rank)
    : num_features_(num_features),
      options_(options),
      least_rank_(least_rank),
      most_rank_(most_rank) {
  const Shape channels{num_features};
  weight = add_parameter("weight", options.affine ? ones(channels) : Tensor());
  bias = add_parameter("bias", options.affine && options.bias ? zeros(channels) : Tensor());
  const bool track = options.track_running_stats;
  running_mean = add_buffer("running_mean", track ? zeros(channels) : Tensor());
  running_var = add_buffer("running_var", track ? ones(channels) : Tensor());
  num_batches_tracked =
      add_buffer("num_batches_tracked", track ? zeros({}, DType::kInt64) : Tensor());
}

std::string ChannelNorm::extra_repr() const {
  const BatchNormOptions& o = options_;
  return fmt::format("{}, eps={}, momentum={}, affine={}, bias={}, track_running_stats={}",
                     num_features_, python_str(o.eps),
                     o.momentum ? python_str(*o.momentum) : "None", python_str(o.affine),
                     python_str(bias.defined()), python_str(o.track_running_stats));
}

void ChannelNorm::reset_running_stats() {
  if (!running_mean.defined()) return;
  init::zeros_(running_mean);
  init::ones_(running_var);
  init::zeros_(num_batches_tracked);
}

void ChannelNorm::reset_parameters() {
  reset_running_stats();
  if (weight.defined()) init::ones_(weight);
  if (bias.defined()) init::zeros_(bias);
}

void ChannelNorm::check_input(const Tensor& x) const {
  if (x.dim() >= least_rank_ && x.dim() <= most_rank_) return;
  const std::string other = most_rank_ > least_rank_ ? fmt::format(" or {}D", most_rank_) : "";
  fail<ValueError>("expected {}D{} input (got {}D input)", least_rank_, other, x.dim());
}

Tensor BatchNorm::forward(const Tensor& x) {
  check_input(x);
  const BatchNormState state = statistics();
  return batch_norm(x, running_mean.defined() ? &state : nullptr, weight, bias, by_batch(),
                    momentum(), options().eps);
}

}  // namespace ballast::nn
