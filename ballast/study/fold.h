// Networks for inference, without normalization layers.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "ballast/nn/module.h"

namespace ballast::study {

/// Finds in the recorded (not yet evaluated) computation of `outputs` the normalizations by running
/// statistics that read nothing but the result of a convolution or a linear layer, which nothing
/// else reads: pairs (i, j) where weights[i] is the product's and means[j] the running mean.
/// Products and layers that are used more than once are left out.
std::vector<std::pair<size_t, size_t>> foldable(std::span<const Tensor> outputs,
                                                std::span<const Tensor> weights,
                                                std::span<const Tensor> means);

/// Puts batch normalization (plain, ghost, renorm, frozen) into the layer before it (Jacob et al.
/// 2018, arXiv:1712.05877, section 3.2), throughout a model in evaluation mode:
///   weight <- weight*s, bias <- (bias - mean)*s + shift, s = scale/sqrt(var + eps).
/// nn::Conv2d and nn::Linear get the new weights (and a bias), the normalization becomes
/// nn::Identity. What follows what is read from the computation on `example`, not from the order of
/// the members. Returns how many layers went; others stay. Throws ValueError for a model in
/// training mode.
int64_t fold(nn::Module& model, const Tensor& example);

}  // namespace ballast::study
