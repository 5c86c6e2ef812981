// Losses of margins, distances and likelihoods. All take a reduction and throw PyTorch's errors
// where shapes do not fit.
#pragma once

#include "ballast/ops/loss.h"

namespace ballast {

/// x.y / (max(|x|, eps)*max(|y|, eps)) along `dim`; both broadcast.
Tensor cosine_similarity(const Tensor& x, const Tensor& y, int64_t dim = 1, double eps = 1e-8);
/// |x - y + eps|_p along the last dimension.
Tensor pairwise_distance(const Tensor& x, const Tensor& y, double p = 2.0, double eps = 1e-6,
                         bool keepdim = false);
/// (sum |x|^p)^(1/p) over `dims` (all, where empty), with p infinite the largest, p 0 the number of
/// elements that are not 0.
Tensor vector_norm(const Tensor& x, double p, const std::vector<int64_t>& dims = {},
                   bool keepdim = false);

/// 1 - cos(x, y) where target is 1, max(cos(x, y) - margin, 0) where it is -1.
Tensor cosine_embedding_loss(const Tensor& x, const Tensor& y, const Tensor& target,
                             double margin = 0.0, Reduction reduction = Reduction::kMean);
/// max(-target*(x - y) + margin, 0).
Tensor margin_ranking_loss(const Tensor& x, const Tensor& y, const Tensor& target,
                           double margin = 0.0, Reduction reduction = Reduction::kMean);
/// x where target is 1, max(margin - x, 0) where it is -1.
Tensor hinge_embedding_loss(const Tensor& x, const Tensor& target, double margin = 1.0,
                            Reduction reduction = Reduction::kMean);
/// log(1 + exp(-target*x)).
Tensor soft_margin_loss(const Tensor& x, const Tensor& target,
                        Reduction reduction = Reduction::kMean);
/// The mean over classes of binary cross-entropy of logits (N, C), each with its class's weight.
Tensor multilabel_soft_margin_loss(const Tensor& x, const Tensor& target, const Tensor& weight = {},
                                   Reduction reduction = Reduction::kMean);
/// sum over i != y of weight[y]*max(margin - x[y] + x[i], 0)^p / C; x (N, C) or (C), p 1 or 2.
Tensor multi_margin_loss(const Tensor& x, const Tensor& target, int64_t p = 1, double margin = 1.0,
                         const Tensor& weight = {}, Reduction reduction = Reduction::kMean);
/// sum over labels j and others i of max(1 - x[j] + x[i], 0) / C; a row of target holds labels up
/// to the first -1.
Tensor multilabel_margin_loss(const Tensor& x, const Tensor& target,
                              Reduction reduction = Reduction::kMean);
/// max(d(anchor, positive) - d(anchor, negative) + margin, 0) with pairwise_distance; with `swap`
/// d(positive, negative) counts where it is smaller.
Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                           double margin = 1.0, double p = 2.0, double eps = 1e-6,
                           bool swap = false, Reduction reduction = Reduction::kMean);
/// (log(max(var, eps)) + (x - target)^2/max(var, eps))/2, with `full` and the constant. var has x's
/// shape, or 1 as one of its sizes, or lacks the last dimension.
Tensor gaussian_nll_loss(const Tensor& x, const Tensor& target, const Tensor& var,
                         bool full = false, double eps = 1e-6,
                         Reduction reduction = Reduction::kMean);
/// exp(x) - target*x where x is a logarithm (`log_input`), else x - target*log(x + eps); `full`
/// adds Stirling's approximation of log(target!) where target > 1.
Tensor poisson_nll_loss(const Tensor& x, const Tensor& target, bool log_input = true,
                        bool full = false, double eps = 1e-8,
                        Reduction reduction = Reduction::kMean);

}  // namespace ballast
