// Losses as modules. They compare two tensors, so they are called with two.
#pragma once

#include "ballast/nn/module.h"
#include "ballast/ops/loss.h"

namespace ballast::nn {

/// Cross-entropy of logits (N, C, ...) against class indices (N, ...); see
/// `ballast::cross_entropy`.
class CrossEntropyLoss : public Module {
 public:
  explicit CrossEntropyLoss(CrossEntropyOptions options = {}) : options_(options) {}
  Tensor operator()(const Tensor& logits, const Tensor& target) const {
    return cross_entropy(logits, target, options_);
  }

 private:
  CrossEntropyOptions options_;
};

}  // namespace ballast::nn
