// Distances within one set of points.
#pragma once

#include "ballast/graph/tensor.h"

namespace ballast {

/// The distances of all pairs of rows i < j of x (N, D) in the p-norm: (N*(N-1)/2), row by row.
Tensor pdist(const Tensor& x, double p = 2.0);

}  // namespace ballast
