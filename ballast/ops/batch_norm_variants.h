// Batch normalization by statistics of fewer, and of more, samples than the batch has.
#pragma once

#include "ballast/ops/batch_statistics.h"

namespace ballast {

/// Batch normalization of every `virtual_batch` samples by themselves (Hoffer et al. 2017,
/// arXiv:1705.08741): as few parts of x (N, C, ...) as have that many samples at most, sizes that
/// differ by one at most, the larger first. The state takes in one part after the other. Without
/// `training`, and for errors, as batch_norm. Throws ValueError unless virtual_batch is positive.
Tensor ghost_batch_norm(const Tensor& x, int64_t virtual_batch, const BatchNormState* state,
                        const Tensor& weight = {}, const Tensor& bias = {}, bool training = false,
                        double momentum = 0.1, double eps = 1e-5);

/// How far batch statistics may be corrected: not at all (r = 1, d = 0: batch normalization) during
/// the first `start` batches, then up to limits that grow linearly to r_max at batch `r_end` and
/// to d_max at batch `d_end`. The defaults are the paper's.
struct RenormLimits {
  double r_max = 3, d_max = 5;
  int64_t start = 5000, r_end = 40000, d_end = 25000;
  /// The limits after `batches`.
  double r_at(int64_t batches) const;
  double d_at(int64_t batches) const;
};

/// Batch renormalization (Ioffe 2017, arXiv:1702.03275): its training uses the running statistics,
/// as evaluation does:
///   y = ((x - mean)/sqrt(var + eps)*r + d)*weight + bias, mean and var those of the batch,
///   r = sqrt((var + eps)/(running_var + eps)) within [1/r_max, r_max],
///   d = (mean - running_mean)/sqrt(running_var + eps) within [-d_max, d_max],
/// with r and d constants to differentiation. Within the limits, y is what evaluation with the
/// running statistics of before gives. These are updated as batch_norm does, which keeps the
/// variance where the paper keeps the deviation. The schedule counts num_batches_tracked. Without
/// `training`, and for errors, as batch_norm.
Tensor batch_renorm(const Tensor& x, const BatchNormState& state, const Tensor& weight = {},
                    const Tensor& bias = {}, bool training = false, double momentum = 0.1,
                    double eps = 1e-5, const RenormLimits& limits = {});

}  // namespace ballast
