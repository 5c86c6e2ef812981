// Normalizations whose statistics are those of one sample. They run as batch normalization of a
// reshaped tensor, and take its fast paths.
#pragma once

#include <optional>
#include <vector>

#include "ballast/graph/tensor.h"
#include "ballast/ops/batch_norm.h"

namespace ballast {

/// (x - mean)/sqrt(var + eps)*weight + bias with the moments of the last dimensions, whose sizes
/// are `normalized_shape` (Ba et al. 2016, arXiv:1607.06450); weight and bias of these sizes, or
/// undefined. Throws PyTorch's errors.
Tensor layer_norm(const Tensor& x, const std::vector<int64_t>& normalized_shape,
                  const Tensor& weight = {}, const Tensor& bias = {}, double eps = 1e-5);
/// The same without mean: x/sqrt(mean(x^2) + eps)*weight (Zhang & Sennrich 2019, arXiv:1910.07467);
/// eps is the type's machine epsilon unless given.
Tensor rms_norm(const Tensor& x, const std::vector<int64_t>& normalized_shape,
                const Tensor& weight = {}, std::optional<double> eps = {});
/// The same for groups of channels of x (N, C, ...), weight and bias per channel (Wu & He 2018,
/// arXiv:1803.08494). Throws PyTorch's errors.
Tensor group_norm(const Tensor& x, int64_t groups, const Tensor& weight = {},
                  const Tensor& bias = {}, double eps = 1e-5);
/// Every channel of every sample by itself (Ulyanov et al. 2016, arXiv:1607.08022), or, without
/// `use_input_stats`, by the state. With both, the state takes in the means over the samples.
Tensor instance_norm(const Tensor& x, const BatchNormState* state = nullptr,
                     const Tensor& weight = {}, const Tensor& bias = {},
                     bool use_input_stats = true, double momentum = 0.1, double eps = 1e-5);

}  // namespace ballast
