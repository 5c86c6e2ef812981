// Distances of two tensors as layers; see ops/loss_margin.h for the functions.
#pragma once

#include "ballast/nn/module.h"
#include "ballast/ops/loss_margin.h"

namespace ballast::nn {

/// Cosine of the angle between two tensors along `dim`.
class CosineSimilarity : public Module {
 public:
  explicit CosineSimilarity(int64_t dim = 1, double eps = 1e-8) : dim_(dim), eps_(eps) {}
  Tensor operator()(const Tensor& x, const Tensor& y) const {
    return cosine_similarity(x, y, dim_, eps_);
  }

 private:
  int64_t dim_;
  double eps_;
};

/// The p-norm of the difference along the last dimension.
class PairwiseDistance : public Module {
 public:
  explicit PairwiseDistance(double p = 2.0, double eps = 1e-6, bool keepdim = false)
      : p_(p), eps_(eps), keepdim_(keepdim) {}
  Tensor operator()(const Tensor& x, const Tensor& y) const {
    return pairwise_distance(x, y, p_, eps_, keepdim_);
  }

 private:
  double p_, eps_;
  bool keepdim_;
};

}  // namespace ballast::nn
