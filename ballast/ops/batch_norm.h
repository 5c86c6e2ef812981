// Batch normalization (Ioffe & Szegedy 2015, arXiv:1502.03167), taken apart into what the planner
// can fuse: per-channel moments of a tensor, a few numbers per channel made from them, and a
// per-channel multiply-add. Channels are dimension 1; everything else is averaged over.
#pragma once

#include "ballast/ops/batch_statistics.h"

namespace ballast {

/// From moments (3, C), weight (C) and bias (C) (either may be undefined: ones, zeros) the
/// coefficients (3, C) of the normalization: m = mean, s = weight / sqrt(var + eps), t = bias.
Tensor norm_coefficients(const Tensor& moments, const Tensor& weight, const Tensor& bias,
                         double eps);

/// (x - m)*s + t per channel, with coefficients (3, C).
Tensor channel_affine(const Tensor& x, const Tensor& coefficients);

/// As PyTorch's `F.batch_norm`. With `training`, x is normalized by its own moments, and where
/// `state` is given it becomes (1 - momentum)*old + momentum*new, the variance unbiased (factor
/// n/(n - 1)); a momentum of NaN stands for PyTorch's `None`, the cumulative average
/// 1/num_batches_tracked. Otherwise x is normalized by the state. Throws ValueError "Expected more
/// than 1 value per channel when training" where a channel has one value, Error where sizes do not
/// fit.
Tensor batch_norm(const Tensor& x, const BatchNormState* state, const Tensor& weight = {},
                  const Tensor& bias = {}, bool training = false, double momentum = 0.1,
                  double eps = 1e-5);

/// Throws what batch_norm throws for operands that do not fit.
void check_batch_norm(const Tensor& x, const BatchNormState* state, const Tensor& weight,
                      const Tensor& bias);

// Operations the planner knows fast paths for.
const Op& channel_moments_op();
const Op& channel_sums_op();
const Op& norm_coefficients_op();
/// (channel_sums of g, coefficients k, moments of y, coefficients l) -> the sums of
/// channel_scale(g, k) + channel_affine(y, l) over each channel.
const Op& norm_gradient_sum_op();
/// (coefficients k of all channels, l of channels [start, start + C)), attribute start -> the
/// coefficients of channel_affine(x, l) + channels [start, start + C) of channel_affine(., k).
const Op& sum_of_affines_op();

/// Elements per channel.
struct CountAttributes {
  double n;
};

struct EpsAttributes {
  double eps;
  int64_t weight, bias;  // whether they are among the inputs
};

}  // namespace ballast
