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

/// Negative log-likelihood of log-probabilities (N, C, ...).
class NLLLoss : public Module {
 public:
  explicit NLLLoss(CrossEntropyOptions options = {}) : options_(options) {}
  Tensor operator()(const Tensor& log_probabilities, const Tensor& target) const {
    return nll_loss(log_probabilities, target, options_);
  }

 private:
  CrossEntropyOptions options_;
};

/// (input - target)^2, reduced.
class MSELoss : public Module {
 public:
  explicit MSELoss(Reduction reduction = Reduction::kMean) : reduction_(reduction) {}
  Tensor operator()(const Tensor& input, const Tensor& target) const {
    return mse_loss(input, target, reduction_);
  }

 private:
  Reduction reduction_;
};

/// |input - target|, reduced.
class L1Loss : public Module {
 public:
  explicit L1Loss(Reduction reduction = Reduction::kMean) : reduction_(reduction) {}
  Tensor operator()(const Tensor& input, const Tensor& target) const {
    return l1_loss(input, target, reduction_);
  }

 private:
  Reduction reduction_;
};

/// Binary cross-entropy of sigmoid(input); see `ballast::binary_cross_entropy_with_logits`.
class BCEWithLogitsLoss : public Module {
 public:
  explicit BCEWithLogitsLoss(BinaryCrossEntropyOptions options = {}) : options_(options) {}
  Tensor operator()(const Tensor& input, const Tensor& target) const {
    return binary_cross_entropy_with_logits(input, target, options_);
  }

 private:
  BinaryCrossEntropyOptions options_;
};

}  // namespace ballast::nn
