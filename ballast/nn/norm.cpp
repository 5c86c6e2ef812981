#include "ballast/nn/norm.h"

#include "ballast/nn/options.h"
#include "ballast/ops/create.h"
#include "ballast/ops/norm.h"
#include "ballast/ops/resample.h"

namespace ballast::nn {

GroupNorm::GroupNorm(int64_t num_groups, int64_t num_channels, GroupNormOptions options)
    : num_groups_(num_groups), num_channels_(num_channels), options_(options) {
  check<ValueError>(num_groups > 0 && num_channels % num_groups == 0,
                    "num_channels ({}) must be divisible by num_groups ({})", num_channels,
                    num_groups);
  weight = add_parameter("weight", options.affine ? ones({num_channels}) : Tensor());
  bias = add_parameter("bias", options.affine && options.bias ? zeros({num_channels}) : Tensor());
}

Tensor GroupNorm::forward(const Tensor& x) {
  return group_norm(x, num_groups_, weight, bias, options_.eps);
}

std::string GroupNorm::extra_repr() const {
  return fmt::format("{}, {}, eps={}, affine={}, bias={}", num_groups_, num_channels_,
                     python_str(options_.eps), python_str(options_.affine),
                     python_str(bias.defined()));
}

LayerNorm::LayerNorm(std::vector<int64_t> normalized_shape, LayerNormOptions options)
    : normalized_shape_(std::move(normalized_shape)), options_(options) {
  const Shape shape{std::span<const int64_t>(normalized_shape_)};
  const bool affine = options.elementwise_affine;
  weight = add_parameter("weight", affine ? ones(shape) : Tensor());
  bias = add_parameter("bias", affine && options.bias ? zeros(shape) : Tensor());
}

Tensor LayerNorm::forward(const Tensor& x) {
  return layer_norm(x, normalized_shape_, weight, bias, options_.eps);
}

std::string LayerNorm::extra_repr() const {
  return fmt::format("{}, eps={}, elementwise_affine={}, bias={}", tuple_str(normalized_shape_),
                     python_str(options_.eps), python_str(options_.elementwise_affine),
                     python_str(bias.defined()));
}

RMSNorm::RMSNorm(std::vector<int64_t> normalized_shape, RMSNormOptions options)
    : normalized_shape_(std::move(normalized_shape)), options_(options) {
  const Shape shape{std::span<const int64_t>(normalized_shape_)};
  weight = add_parameter("weight", options.elementwise_affine ? ones(shape) : Tensor());
}

Tensor RMSNorm::forward(const Tensor& x) {
  return rms_norm(x, normalized_shape_, weight, options_.eps);
}

std::string RMSNorm::extra_repr() const {
  return fmt::format("{}, eps={}, elementwise_affine={}", tuple_str(normalized_shape_),
                     options_.eps ? python_str(*options_.eps) : "None",
                     python_str(options_.elementwise_affine));
}

Tensor LocalResponseNorm::forward(const Tensor& x) {
  return local_response_norm(x, size_, options_.alpha, options_.beta, options_.k);
}

std::string LocalResponseNorm::extra_repr() const {
  return fmt::format("{}, alpha={}, beta={}, k={}", size_, python_str(options_.alpha),
                     python_str(options_.beta), python_str(options_.k));
}

InstanceNorm::InstanceNorm(int64_t num_features, const InstanceNormOptions& options, int least_rank)
    : ChannelNorm(num_features,
                  {options.eps, options.momentum, options.affine, options.track_running_stats,
                   options.bias},
                  least_rank, least_rank + 1) {}

Tensor InstanceNorm::forward(const Tensor& x) {
  check_input(x);
  const bool single = x.dim() == least_rank();
  const int dim = single ? 0 : 1;
  check<ValueError>(!options().affine || x.size(dim) == num_features(),
                    "expected input's size at dim={} to match num_features ({}), but got: {}.", dim,
                    num_features(), x.size(dim));
  const BatchNormState state = statistics();
  const Tensor y =
      instance_norm(single ? x.unsqueeze(0) : x, running_mean.defined() ? &state : nullptr, weight,
                    bias, by_batch(), options().momentum.value_or(0.0), options().eps);
  return single ? y.squeeze(0) : y;
}

}  // namespace ballast::nn
