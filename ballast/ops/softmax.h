// Softmax and its logarithm. The largest element is taken out first, sums are in double: large
// inputs neither overflow nor lose digits.
#pragma once

#include "ballast/graph/tensor.h"

namespace ballast {

/// exp(x)/sum(exp(x)) along `dim`. Throws for integer types, IndexError for a dimension outside the
/// rank.
Tensor softmax(const Tensor& x, int64_t dim);
/// log(softmax(x)), computed as x - logsumexp(x).
Tensor log_softmax(const Tensor& x, int64_t dim);
/// log(sum(exp(x))) along `dim`; -infinity where the dimension is empty.
Tensor logsumexp(const Tensor& x, int64_t dim, bool keepdim = false);

/// The planner's names. logsumexp_op keeps the dimension it sums over, as size 1.
const Op& logsumexp_op();
/// x (N, C, ...) -> float64 (N, 2, ...): over the classes, the largest element and the logarithm of
/// the sum of exponentials relative to it. Their sum is the logsumexp; apart, they keep its digits
/// beside huge elements. NaN where the softmax is.
const Op& softmax_normalizer_op();
/// x -> y; (gradient of y, y) -> gradient of x
const Op& softmax_op();
const Op& log_softmax_op();
const Op& softmax_grad_op();
const Op& log_softmax_grad_op();
struct SoftmaxAttributes {
  int64_t dim;
};

}  // namespace ballast
