// Normalizations whose statistics are those of one sample.
#pragma once

#include <vector>

#include "ballast/nn/batch_norm.h"

namespace ballast::nn {

struct GroupNormOptions {
  double eps = 1e-5;
  bool affine = true;  // learn weight and bias
  bool bias = true;    // with the weight
};

/// Normalizes groups of channels of every sample of (N, C, ...) (Wu & He 2018, arXiv:1803.08494;
/// see `ballast::group_norm`). With one group it stands where batch normalization stood as layer
/// normalization of images. Parameters: weight (C), ones, and bias (C), zeros. Throws ValueError
/// where the groups do not divide the channels.
class GroupNorm : public Module {
 public:
  GroupNorm(int64_t num_groups, int64_t num_channels, GroupNormOptions options = {});
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;
  int64_t num_channels() const { return num_channels_; }
  const GroupNormOptions& options() const { return options_; }

  ModuleTensor weight, bias;

 private:
  int64_t num_groups_, num_channels_;
  GroupNormOptions options_;
};

struct LayerNormOptions {
  double eps = 1e-5;
  bool elementwise_affine = true;  // learn weight and bias
  bool bias = true;                // with the weight
};

/// Normalizes every sample over the last dimensions, whose sizes are `normalized_shape` (Ba et al.
/// 2016, arXiv:1607.06450; see `ballast::layer_norm`). Parameters: weight, ones, and bias, zeros,
/// of these sizes.
class LayerNorm : public Module {
 public:
  explicit LayerNorm(std::vector<int64_t> normalized_shape, LayerNormOptions options = {});
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;

  ModuleTensor weight, bias;

 private:
  std::vector<int64_t> normalized_shape_;
  LayerNormOptions options_;
};

struct RMSNormOptions {
  std::optional<double> eps = {};  // none: the type's machine epsilon
  bool elementwise_affine = true;  // learn a weight
};

/// Divides every sample by the root of its mean square over the last dimensions, whose sizes are
/// `normalized_shape` (Zhang & Sennrich 2019, arXiv:1910.07467; see `ballast::rms_norm`).
/// Parameter: weight, ones, of these sizes.
class RMSNorm : public Module {
 public:
  explicit RMSNorm(std::vector<int64_t> normalized_shape, RMSNormOptions options = {});
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;

  ModuleTensor weight;

 private:
  std::vector<int64_t> normalized_shape_;
  RMSNormOptions options_;
};

struct LocalResponseNormOptions {
  double alpha = 1e-4, beta = 0.75, k = 1.0;
};

/// Divides by what `size` neighbouring channels of (N, C, ...) have (see
/// `ballast::local_response_norm`).
class LocalResponseNorm : public Module {
 public:
  explicit LocalResponseNorm(int64_t size, LocalResponseNormOptions options = {})
      : size_(size), options_(options) {}
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;

 private:
  int64_t size_;
  LocalResponseNormOptions options_;
};

struct InstanceNormOptions {
  double eps = 1e-5;
  /// Weight of the new batch in the running statistics; none: they stay.
  std::optional<double> momentum = 0.1;
  bool affine = false;               // learn weight and bias
  bool track_running_stats = false;  // use them in evaluation
  bool bias = true;                  // with the weight
};

/// Normalizes every channel of every sample by itself (Ulyanov et al. 2016, arXiv:1607.08022; see
/// `ballast::instance_norm`); inputs may come without the batch. Parameters and buffers are those
/// of BatchNorm.
class InstanceNorm : public ChannelNorm {
 public:
  Tensor forward(const Tensor& x) override;

 protected:
  InstanceNorm(int64_t num_features, const InstanceNormOptions& options, int least_rank);
};

/// Of inputs (N, C, L) or (C, L).
class InstanceNorm1d : public InstanceNorm {
 public:
  explicit InstanceNorm1d(int64_t num_features, const InstanceNormOptions& options = {})
      : InstanceNorm(num_features, options, 2) {}
};

/// Of inputs (N, C, H, W) or (C, H, W).
class InstanceNorm2d : public InstanceNorm {
 public:
  explicit InstanceNorm2d(int64_t num_features, const InstanceNormOptions& options = {})
      : InstanceNorm(num_features, options, 3) {}
};

/// Of inputs (N, C, D, H, W) or (C, D, H, W).
class InstanceNorm3d : public InstanceNorm {
 public:
  explicit InstanceNorm3d(int64_t num_features, const InstanceNormOptions& options = {})
      : InstanceNorm(num_features, options, 4) {}
};

}  // namespace ballast::nn
