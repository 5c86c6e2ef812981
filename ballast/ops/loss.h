// Losses.
#pragma once

#include "ballast/graph/tensor.h"

namespace ballast {

/// What a loss does with its elements. kBatchMean, their sum over the size of dimension 0, is for
/// kl_div.
enum class Reduction : uint8_t { kNone, kMean, kSum, kBatchMean };

/// What a reduction leaves of a loss per element.
Tensor reduce_loss(const Tensor& loss, Reduction reduction);

struct CrossEntropyOptions {
  Tensor weight = {};  // (C), a factor per class; undefined: ones
  Reduction reduction = Reduction::kMean;
  int64_t ignore_index = -100;  // targets with this value do not count
  double label_smoothing =
      0.0;  // 0..1: weight spread evenly over all classes (Szegedy et al. 2016)
};

/// Cross-entropy of softmax(logits) against class indices: logits (N, C, ...), target int64 (N,
/// ...) (or logits (C), target scalar). The mean is over the targets that count, weighted by their
/// classes' weights. A floating-point target of the logits' shape holds a probability for every
/// class; the mean is then over all positions. Throws for shapes that do not fit and IndexError
/// "Target 10 is out of bounds." for labels outside [0, C): at the call where the labels have been
/// evaluated, else at evaluation.
Tensor cross_entropy(const Tensor& logits, const Tensor& target, CrossEntropyOptions options = {});
/// The same from log-probabilities (N, C, ...) and class indices; label smoothing is not for this
/// one.
Tensor nll_loss(const Tensor& log_probabilities, const Tensor& target,
                CrossEntropyOptions options = {});

/// (input - target)^2 and |input - target|; both broadcast.
Tensor mse_loss(const Tensor& input, const Tensor& target, Reduction reduction = Reduction::kMean);
Tensor l1_loss(const Tensor& input, const Tensor& target, Reduction reduction = Reduction::kMean);
/// d^2/(2 beta) where d = |input - target| < beta, else d - beta/2.
Tensor smooth_l1_loss(const Tensor& input, const Tensor& target,
                      Reduction reduction = Reduction::kMean, double beta = 1.0);
/// d^2/2 where d = |input - target| < delta, else delta*(d - delta/2).
Tensor huber_loss(const Tensor& input, const Tensor& target, Reduction reduction = Reduction::kMean,
                  double delta = 1.0);

struct BinaryCrossEntropyOptions {
  Tensor weight = {};  // a factor per element, broadcast
  Reduction reduction = Reduction::kMean;
  Tensor pos_weight = {};  // a factor of the positive class's term, broadcast; logits only
};
/// -(y log(p) + (1 - y) log(1 - p)) for p = sigmoid(input), computed without overflow. Throws
/// ValueError unless both have one shape.
Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target,
                                        BinaryCrossEntropyOptions options = {});
/// The same for probabilities, with logarithms no lower than -100. Throws at evaluation for inputs
/// outside [0, 1].
Tensor binary_cross_entropy(const Tensor& input, const Tensor& target,
                            BinaryCrossEntropyOptions options = {});

/// target*(log(target) - input): the Kullback-Leibler divergence of log-probabilities from
/// probabilities (with `log_target`, from log-probabilities). Its mathematical value is the
/// reduction kBatchMean; the default is PyTorch's.
Tensor kl_div(const Tensor& input, const Tensor& target, Reduction reduction = Reduction::kMean,
              bool log_target = false);

struct CrossEntropyAttributes {
  int64_t reduction, ignore_index;
  double label_smoothing;
};
/// (logits, target, logsumexp of the logits) -> loss
const Op& cross_entropy_op();
/// (logits, target, logsumexp of the logits, gradient of the loss) -> gradient of the logits
const Op& cross_entropy_grad_op();

}  // namespace ballast
