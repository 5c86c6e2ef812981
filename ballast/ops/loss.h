// Losses.
#pragma once

#include "ballast/graph/tensor.h"

namespace ballast {

enum class Reduction : uint8_t { kNone, kMean, kSum };

struct CrossEntropyOptions {
  Reduction reduction = Reduction::kMean;
  int64_t ignore_index = -100;  // targets with this value do not count
  double label_smoothing =
      0.0;  // 0..1: weight spread evenly over all classes (Szegedy et al. 2016)
};

/// Cross-entropy of softmax(logits) against class indices: logits (N, C, ...), target int64 (N,
/// ...) (or logits (C), target scalar). The mean is over the targets that count. Throws for shapes
/// that do not fit and, at evaluation, IndexError "Target 10 is out of bounds." for labels outside
/// [0, C).
Tensor cross_entropy(const Tensor& logits, const Tensor& target, CrossEntropyOptions options = {});

struct CrossEntropyAttributes {
  int64_t reduction, ignore_index;
  double label_smoothing;
};
const Op& cross_entropy_op();
const Op& cross_entropy_grad_op();

}  // namespace ballast
