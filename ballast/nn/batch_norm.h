// Batch normalization layers.
#pragma once

#include <cmath>
#include <optional>

#include "ballast/nn/module.h"
#include "ballast/ops/batch_statistics.h"

namespace ballast::nn {

struct BatchNormOptions {
  double eps = 1e-5;
  /// Weight of the new batch in the running statistics; none: all batches count alike.
  std::optional<double> momentum = 0.1;
  bool affine = true;  // learn weight and bias
  bool track_running_stats = true;
  bool bias = true;  // with the weight
};

/// What layers share that normalize the channels (dimension 1) and may remember statistics.
/// Parameters: weight (C), ones, and bias (C), zeros. Buffers: running_mean (C), running_var (C),
/// num_batches_tracked (int64 scalar).
class ChannelNorm : public Module {
 public:
  std::string extra_repr() const override;
  /// Forgets the running statistics: mean 0, variance 1, no batches.
  void reset_running_stats();
  /// Also sets weight to ones and bias to zeros.
  void reset_parameters();
  int64_t num_features() const { return num_features_; }
  const BatchNormOptions& options() const { return options_; }

  ModuleTensor weight, bias, running_mean, running_var, num_batches_tracked;

 protected:
  /// Inputs have `least_rank` to `most_rank` dimensions.
  ChannelNorm(int64_t num_features, BatchNormOptions options, int least_rank, int most_rank);
  /// Throws ValueError for an input of the wrong rank.
  void check_input(const Tensor& x) const;
  BatchNormState statistics() const { return {running_mean, running_var, num_batches_tracked}; }
  /// Whether x is normalized by its own statistics.
  bool by_batch() const { return training() || !running_mean.defined(); }
  /// The momentum as `batch_norm` takes it.
  double momentum() const { return options_.momentum.value_or(std::nan("")); }
  int least_rank() const { return least_rank_; }

 private:
  int64_t num_features_;
  BatchNormOptions options_;
  int least_rank_, most_rank_;
};

/// Normalizes every channel (dimension 1) to mean 0 and variance 1, then scales and shifts it
/// (Ioffe & Szegedy 2015, arXiv:1502.03167):
///   y = (x - mean)/sqrt(var + eps)*weight + bias.
/// In training mean and (biased) variance are the batch's, and the running statistics move towards
/// them (with the unbiased variance). In evaluation they are the running statistics, or still the
/// batch's where none are tracked.
/// Throws ValueError for inputs of the wrong rank and for a single value per channel in training.
class BatchNorm : public ChannelNorm {
 public:
  Tensor forward(const Tensor& x) override;

 protected:
  using ChannelNorm::ChannelNorm;
};

/// Of inputs (N, C) or (N, C, L).
class BatchNorm1d : public BatchNorm {
 public:
  explicit BatchNorm1d(int64_t num_features, BatchNormOptions options = {})
      : BatchNorm(num_features, options, 2, 3) {}
};

/// Of inputs (N, C, H, W).
class BatchNorm2d : public BatchNorm {
 public:
  explicit BatchNorm2d(int64_t num_features, BatchNormOptions options = {})
      : BatchNorm(num_features, options, 4, 4) {}
};

/// Of inputs (N, C, D, H, W).
class BatchNorm3d : public BatchNorm {
 public:
  explicit BatchNorm3d(int64_t num_features, BatchNormOptions options = {})
      : BatchNorm(num_features, options, 5, 5) {}
};

/// Of inputs (N, C, ...) of any rank. In one process, which is all there is so far, it is
/// BatchNorm.
class SyncBatchNorm : public BatchNorm {
 public:
  explicit SyncBatchNorm(int64_t num_features, BatchNormOptions options = {})
      : BatchNorm(num_features, options, 2, Shape::kMaxRank) {}
};

}  // namespace ballast::nn
