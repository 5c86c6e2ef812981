// How good a model is.
#pragma once

#include "ballast/data/dataset.h"
#include "ballast/nn/module.h"

namespace ballast::cli {

struct Measures {
  double loss = 0, accuracy = 0;
};

/// Mean cross-entropy and the part of samples whose largest logit is the label's, in evaluation
/// mode; the model's mode is restored. The same for training's reports and `ballast eval`.
Measures measure(nn::Module& model, const data::ArrayDataset& d);

/// Logits (N, classes), row-major, in evaluation mode.
std::vector<float> logits_of(nn::Module& model, const data::ArrayDataset& d);

}  // namespace ballast::cli
