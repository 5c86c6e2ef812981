// Losses as modules; see ops/loss.h and ops/loss_margin.h for the functions and their formulas.
// They compare two tensors or more, and are called with as many.
#pragma once

#include <functional>

#include "ballast/nn/module.h"
#include "ballast/ops/loss.h"
#include "ballast/ops/loss_margin.h"

namespace ballast::nn {

/// A loss with options. Tensors among them (`weight`, `pos_weight`) are buffers of that name.
template <class Options>
class Loss : public Module {
 public:
  explicit Loss(Options options = {}) : options_(std::move(options)) {
    if constexpr (requires { options_.weight; }) weight = add_buffer("weight", options_.weight);
    if constexpr (requires { options_.pos_weight; })
      pos_weight = add_buffer("pos_weight", options_.pos_weight);
  }

 protected:
  /// As they were given, with the buffers' present values.
  Options options() const {
    Options o = options_;
    if constexpr (requires { o.weight; }) o.weight = weight;
    if constexpr (requires { o.pos_weight; }) o.pos_weight = pos_weight;
    return o;
  }

 private:
  Options options_;
  ModuleTensor weight, pos_weight;
};

struct LossOptions {
  Reduction reduction = Reduction::kMean;
};

/// Cross-entropy of logits (N, C, ...) against class indices (N, ...) or probabilities; see
/// `ballast::cross_entropy`.
class CrossEntropyLoss : public Loss<CrossEntropyOptions> {
 public:
  using Loss::Loss;
  Tensor operator()(const Tensor& logits, const Tensor& target) const {
    return cross_entropy(logits, target, options());
  }
};

/// Negative log-likelihood of log-probabilities (N, C, ...).
class NLLLoss : public Loss<CrossEntropyOptions> {
 public:
  using Loss::Loss;
  Tensor operator()(const Tensor& log_probabilities, const Tensor& target) const {
    return nll_loss(log_probabilities, target, options());
  }
};

/// A loss that is a function of input, target and reduction.
template <Tensor (*F)(const Tensor&, const Tensor&, Reduction)>
class ElementwiseLoss : public Module {
 public:
  explicit ElementwiseLoss(Reduction reduction = Reduction::kMean) : reduction_(reduction) {}
  Tensor operator()(const Tensor& input, const Tensor& target) const {
    return F(input, target, reduction_);
  }

 private:
  Reduction reduction_;
};

/// (input - target)^2.
class MSELoss : public ElementwiseLoss<mse_loss> {
 public:
  using ElementwiseLoss::ElementwiseLoss;
};
/// |input - target|.
class L1Loss : public ElementwiseLoss<l1_loss> {
 public:
  using ElementwiseLoss::ElementwiseLoss;
};
/// log(1 + exp(-target*input)), target 1 or -1.
class SoftMarginLoss : public ElementwiseLoss<soft_margin_loss> {
 public:
  using ElementwiseLoss::ElementwiseLoss;
};
/// Margins between labels, listed up to the first -1, and the other classes.
class MultiLabelMarginLoss : public ElementwiseLoss<multilabel_margin_loss> {
 public:
  using ElementwiseLoss::ElementwiseLoss;
};

struct SmoothL1LossOptions {
  Reduction reduction = Reduction::kMean;
  double beta = 1.0;
};
/// d^2/(2 beta) where d = |input - target| < beta, else d - beta/2.
class SmoothL1Loss : public Loss<SmoothL1LossOptions> {
 public:
  using Loss::Loss;
  Tensor operator()(const Tensor& input, const Tensor& target) const {
    return smooth_l1_loss(input, target, options().reduction, options().beta);
  }
};

struct HuberLossOptions {
  Reduction reduction = Reduction::kMean;
  double delta = 1.0;
};
/// d^2/2 where d = |input - target| < delta, else delta*(d - delta/2).
class HuberLoss : public Loss<HuberLossOptions> {
 public:
  using Loss::Loss;
  Tensor operator()(const Tensor& input, const Tensor& target) const {
    return huber_loss(input, target, options().reduction, options().delta);
  }
};

struct BCELossOptions {
  Tensor weight = {};  // a factor per element, broadcast
  Reduction reduction = Reduction::kMean;
};
/// Binary cross-entropy of probabilities.
class BCELoss : public Loss<BCELossOptions> {
 public:
  using Loss::Loss;
  Tensor operator()(const Tensor& input, const Tensor& target) const {
    const BCELossOptions o = options();
    return binary_cross_entropy(input, target, {o.weight, o.reduction, {}});
  }
};

/// Binary cross-entropy of sigmoid(input); see `ballast::binary_cross_entropy_with_logits`.
class BCEWithLogitsLoss : public Loss<BinaryCrossEntropyOptions> {
 public:
  using Loss::Loss;
  Tensor operator()(const Tensor& input, const Tensor& target) const {
    return binary_cross_entropy_with_logits(input, target, options());
  }
};

struct KLDivLossOptions {
  Reduction reduction = Reduction::kMean;
  bool log_target = false;
};
/// Divergence of log-probabilities from probabilities; see `ballast::kl_div`.
class KLDivLoss : public Loss<KLDivLossOptions> {
 public:
  using Loss::Loss;
  Tensor operator()(const Tensor& input, const Tensor& target) const {
    return kl_div(input, target, options().reduction, options().log_target);
  }
};

struct MarginLossOptions {
  double margin = 0.0;
  Reduction reduction = Reduction::kMean;
};
/// 1 - cos(a, b) where target is 1, max(cos(a, b) - margin, 0) where it is -1.
class CosineEmbeddingLoss : public Loss<MarginLossOptions> {
 public:
  using Loss::Loss;
  Tensor operator()(const Tensor& a, const Tensor& b, const Tensor& target) const {
    return cosine_embedding_loss(a, b, target, options().margin, options().reduction);
  }
};
/// max(-target*(a - b) + margin, 0).
class MarginRankingLoss : public Loss<MarginLossOptions> {
 public:
  using Loss::Loss;
  Tensor operator()(const Tensor& a, const Tensor& b, const Tensor& target) const {
    return margin_ranking_loss(a, b, target, options().margin, options().reduction);
  }
};

struct HingeEmbeddingLossOptions {
  double margin = 1.0;
  Reduction reduction = Reduction::kMean;
};
/// input where target is 1, max(margin - input, 0) where it is -1.
class HingeEmbeddingLoss : public Loss<HingeEmbeddingLossOptions> {
 public:
  using Loss::Loss;
  Tensor operator()(const Tensor& input, const Tensor& target) const {
    return hinge_embedding_loss(input, target, options().margin, options().reduction);
  }
};

struct MultiLabelSoftMarginLossOptions {
  Tensor weight = {};  // (C), a factor per class
  Reduction reduction = Reduction::kMean;
};
/// Binary cross-entropy of logits (N, C), averaged over classes.
class MultiLabelSoftMarginLoss : public Loss<MultiLabelSoftMarginLossOptions> {
 public:
  using Loss::Loss;
  Tensor operator()(const Tensor& input, const Tensor& target) const {
    const MultiLabelSoftMarginLossOptions o = options();
    return multilabel_soft_margin_loss(input, target, o.weight, o.reduction);
  }
};

struct MultiMarginLossOptions {
  int64_t p = 1;
  double margin = 1.0;
  Tensor weight = {};  // (C), a factor per class
  Reduction reduction = Reduction::kMean;
};
/// Margins between the class of the target and the others.
class MultiMarginLoss : public Loss<MultiMarginLossOptions> {
 public:
  using Loss::Loss;
  Tensor operator()(const Tensor& input, const Tensor& target) const {
    const MultiMarginLossOptions o = options();
    return multi_margin_loss(input, target, o.p, o.margin, o.weight, o.reduction);
  }
};

struct TripletMarginLossOptions {
  double margin = 1.0, p = 2.0, eps = 1e-6;
  bool swap = false;
  Reduction reduction = Reduction::kMean;
};
/// max(d(anchor, positive) - d(anchor, negative) + margin, 0), d the p-norm of the difference.
class TripletMarginLoss : public Loss<TripletMarginLossOptions> {
 public:
  using Loss::Loss;
  Tensor operator()(const Tensor& anchor, const Tensor& positive, const Tensor& negative) const {
    const TripletMarginLossOptions o = options();
    return triplet_margin_loss(anchor, positive, negative, o.margin, o.p, o.eps, o.swap,
                               o.reduction);
  }
};

struct TripletMarginWithDistanceLossOptions {
  /// None: pairwise_distance.
  std::function<Tensor(const Tensor&, const Tensor&)> distance_function = {};
  double margin = 1.0;
  bool swap = false;
  Reduction reduction = Reduction::kMean;
};
/// TripletMarginLoss for any distance. Throws ValueError unless the margin is positive.
class TripletMarginWithDistanceLoss : public Loss<TripletMarginWithDistanceLossOptions> {
 public:
  explicit TripletMarginWithDistanceLoss(TripletMarginWithDistanceLossOptions options = {});
  Tensor operator()(const Tensor& anchor, const Tensor& positive, const Tensor& negative) const;
};

struct PoissonNLLLossOptions {
  bool log_input = true, full = false;
  double eps = 1e-8;
  Reduction reduction = Reduction::kMean;
};
/// Negative logarithm of a Poisson probability.
class PoissonNLLLoss : public Loss<PoissonNLLLossOptions> {
 public:
  using Loss::Loss;
  Tensor operator()(const Tensor& input, const Tensor& target) const {
    const PoissonNLLLossOptions o = options();
    return poisson_nll_loss(input, target, o.log_input, o.full, o.eps, o.reduction);
  }
};

struct GaussianNLLLossOptions {
  bool full = false;
  double eps = 1e-6;
  Reduction reduction = Reduction::kMean;
};
/// Negative logarithm of a normal density of mean `input` and variance `var`.
class GaussianNLLLoss : public Loss<GaussianNLLLossOptions> {
 public:
  using Loss::Loss;
  Tensor operator()(const Tensor& input, const Tensor& target, const Tensor& var) const {
    const GaussianNLLLossOptions o = options();
    return gaussian_nll_loss(input, target, var, o.full, o.eps, o.reduction);
  }
};

}  // namespace ballast::nn
