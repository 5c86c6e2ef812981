// Batch normalization by statistics other than the batch's.
#pragma once

#include "ballast/nn/batch_norm.h"
#include "ballast/ops/batch_norm_variants.h"

namespace ballast::nn {

/// Batch normalization of virtual batches (Hoffer et al. 2017, arXiv:1705.08741): in training every
/// `virtual_batch` samples are normalized by themselves (see `ballast::ghost_batch_norm`), in
/// evaluation all by the running statistics. Parameters and buffers are those of BatchNorm. Throws
/// ValueError unless virtual_batch is positive.
class GhostBatchNorm : public BatchNorm {
 public:
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;
  int64_t virtual_batch() const { return virtual_batch_; }

 protected:
  GhostBatchNorm(int64_t num_features, int64_t virtual_batch, BatchNormOptions options,
                 int least_rank, int most_rank);

 private:
  int64_t virtual_batch_;
};

/// Of inputs (N, C) or (N, C, L).
class GhostBatchNorm1d : public GhostBatchNorm {
 public:
  GhostBatchNorm1d(int64_t num_features, int64_t virtual_batch, BatchNormOptions options = {})
      : GhostBatchNorm(num_features, virtual_batch, options, 2, 3) {}
};

/// Of inputs (N, C, H, W).
class GhostBatchNorm2d : public GhostBatchNorm {
 public:
  GhostBatchNorm2d(int64_t num_features, int64_t virtual_batch, BatchNormOptions options = {})
      : GhostBatchNorm(num_features, virtual_batch, options, 4, 4) {}
};

struct BatchRenormOptions {
  double eps = 1e-5;
  /// Weight of the new batch in the running statistics; none: all batches count alike.
  std::optional<double> momentum = 0.1;
  bool affine = true;  // learn weight and bias
  RenormLimits limits;
};

/// Batch renormalization (Ioffe 2017, arXiv:1702.03275): batch normalization that in training
/// corrects the batch's statistics towards the running ones, within limits that follow a schedule
/// (see `ballast::batch_renorm`). Parameters and buffers are those of BatchNorm. Throws ValueError
/// for limits with r_max < 1 or d_max < 0.
class BatchRenorm : public BatchNorm {
 public:
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;
  const RenormLimits& limits() const { return limits_; }
  void set_limits(const RenormLimits& limits);

 protected:
  BatchRenorm(int64_t num_features, const BatchRenormOptions& options, int least_rank,
              int most_rank);

 private:
  RenormLimits limits_;
};

/// Of inputs (N, C) or (N, C, L).
class BatchRenorm1d : public BatchRenorm {
 public:
  explicit BatchRenorm1d(int64_t num_features, const BatchRenormOptions& options = {})
      : BatchRenorm(num_features, options, 2, 3) {}
};

/// Of inputs (N, C, H, W).
class BatchRenorm2d : public BatchRenorm {
 public:
  explicit BatchRenorm2d(int64_t num_features, const BatchRenormOptions& options = {})
      : BatchRenorm(num_features, options, 4, 4) {}
};

/// Batch normalization of (N, C, H, W) whose statistics and affine map are fixed, as torchvision's
/// (Ren et al. 2015, arXiv:1506.01497, fine-tune with fixed statistics): nothing is trained,
/// training and evaluation are the same. Buffers: weight, bias, running_mean, running_var (C).
class FrozenBatchNorm2d : public Module {
 public:
  explicit FrozenBatchNorm2d(int64_t num_features, double eps = 1e-5);
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;
  double eps() const { return eps_; }

  ModuleTensor weight, bias, running_mean, running_var;

 private:
  double eps_;
};

}  // namespace ballast::nn
