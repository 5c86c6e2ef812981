#include "ballast/nn/batch_norm.h"

#include "ballast/nn/init.h"
#include "ballast/nn/options.h"
#include "ballast/ops/batch_norm.h"
#include "ballast/ops/create.h"

namespace ballast::nn {

BatchNorm::BatchNorm(int64_t num_features, BatchNormOptions options)
    : num_features_(num_features), options_(options) {
  const Shape channels{num_features};
  weight = add_parameter("weight", options.affine ? ones(channels) : Tensor());
  bias = add_parameter("bias", options.affine ? zeros(channels) : Tensor());
  const bool track = options.track_running_stats;
  running_mean = add_buffer("running_mean", track ? zeros(channels) : Tensor());
  running_var = add_buffer("running_var", track ? ones(channels) : Tensor());
  num_batches_tracked =
      add_buffer("num_batches_tracked", track ? zeros({}, DType::kInt64) : Tensor());
}

Tensor BatchNorm::forward(const Tensor& x) {
  check_input(x);
  const bool track = running_mean.defined();
  const bool use_batch = training() || !track;
  if (!track) return batch_norm(x, nullptr, weight, bias, use_batch, 0.0, options_.eps);
  const BatchNormState statistics{running_mean, running_var, num_batches_tracked};
  return batch_norm(x, &statistics, weight, bias, use_batch, options_.momentum.value_or(-1.0),
                    options_.eps);
}

std::string BatchNorm::extra_repr() const {
  const BatchNormOptions& o = options_;
  return fmt::format("{}, eps={}, momentum={}, affine={}, bias={}, track_running_stats={}",
                     num_features_, python_str(o.eps),
                     o.momentum ? python_str(*o.momentum) : "None", python_str(o.affine),
                     python_str(o.affine), python_str(o.track_running_stats));
}

void BatchNorm::reset_running_stats() {
  if (!running_mean.defined()) return;
  init::zeros_(running_mean);
  init::ones_(running_var);
  init::zeros_(num_batches_tracked);
}

void BatchNorm::reset_parameters() {
  reset_running_stats();
  if (!weight.defined()) return;
  init::ones_(weight);
  init::zeros_(bias);
}

void BatchNorm1d::check_input(const Tensor& x) const {
  check<ValueError>(x.dim() == 2 || x.dim() == 3, "expected 2D or 3D input (got {}D input)",
                    x.dim());
}
void BatchNorm2d::check_input(const Tensor& x) const {
  check<ValueError>(x.dim() == 4, "expected 4D input (got {}D input)", x.dim());
}
void BatchNorm3d::check_input(const Tensor& x) const {
  check<ValueError>(x.dim() == 5, "expected 5D input (got {}D input)", x.dim());
}

}  // namespace ballast::nn
