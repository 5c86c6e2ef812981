// Reductions made of others: spread, norms, counting; and running sums.
#pragma once

#include "ballast/graph/tensor.h"

namespace ballast {

/// Variance over `dims` (all, where empty): centred squares over max(n - 1, 0), or over n unless
/// `unbiased`. NaN where that is 0/0. Throws for integer types.
Tensor var(const Tensor& x, const std::vector<int64_t>& dims = {}, bool unbiased = true,
           bool keepdim = false);
/// Its square root; the derivative at 0 is 0.
Tensor std(const Tensor& x, const std::vector<int64_t>& dims = {}, bool unbiased = true,
           bool keepdim = false);
/// The 2-norm sqrt(sum(x^2)); the derivative at 0 is 0. Throws for integer types.
Tensor norm(const Tensor& x, const std::vector<int64_t>& dims = {}, bool keepdim = false);

/// Whether all (any) elements are not zero: of the whole tensor, or over `dims`. Bool; true (false)
/// for no elements.
Tensor all(const Tensor& x, const std::vector<int64_t>& dims = {}, bool keepdim = false);
Tensor any(const Tensor& x, const std::vector<int64_t>& dims = {}, bool keepdim = false);
/// How many elements are not zero, int64.
Tensor count_nonzero(const Tensor& x, const std::vector<int64_t>& dims = {});

/// Running sums along `dim`, accumulated in double; bool and integer tensors give int64.
Tensor cumsum(const Tensor& x, int64_t dim);

}  // namespace ballast
