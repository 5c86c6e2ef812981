// Reductions over dimensions.
#pragma once

#include "ballast/graph/tensor.h"

namespace ballast {

/// Sum over `dims` (all, where empty); bool and integer tensors give int64. Float sums are
/// accumulated in double. Throws IndexError for a dimension outside the rank, Error for one named
/// twice.
Tensor sum(const Tensor& x, const std::vector<int64_t>& dims = {}, bool keepdim = false);
/// Arithmetic mean over `dims` (all, where empty). Throws for integer types, as PyTorch does.
Tensor mean(const Tensor& x, const std::vector<int64_t>& dims = {}, bool keepdim = false);

struct SumAttributes {
  uint64_t mask;  // bit d: dimension d is summed
};
const Op& sum_op();

}  // namespace ballast
