// Pools whose windows begin at random steps.
#pragma once

#include "ballast/graph/tensor.h"
#include "ballast/ops/window.h"

namespace ballast {

/// As PyTorch's `F.fractional_max_pool2d` and `F.fractional_max_pool3d`, by `rank`: the largest
/// elements of `output` windows of `kernel` sizes per dimension, which begin at pseudorandom steps
/// that `samples` (N, C, rank), from 0 to 1, decide (Graham 2014). x is (N, C, ...) or (C, ...).
/// Throws Error where sizes do not fit.
Pooled fractional_max_pool(int rank, const Tensor& x, const std::vector<int64_t>& kernel,
                           const std::vector<int64_t>& output, const Tensor& samples);

}  // namespace ballast
