// Reductions of elements that share a position, and of order: what lies at indices, in bins, in the
// middle, most often.
#pragma once

#include <optional>
#include <vector>

#include "ballast/graph/tensor.h"
#include "ballast/ops/extremes.h"
#include "ballast/ops/linear_algebra.h"

namespace ballast {

/// How elements for one place become one. Of `kAmax` and `kAmin` equal ones share the gradient.
enum class ReduceAt : uint8_t { kSum, kProd, kMean, kAmax, kAmin };
/// "sum", "prod", "mean", "amax", "amin"; throws PyTorch's error, in the name of `who`, for others.
ReduceAt reduce_at_named(const char* who, const std::string& name);

/// x with x[i][j][k] and all src[p][j][k] for which index[p][j][k] is i reduced to one, for dim 0,
/// and so on; without x's own where not `include_self`. Positions are checked when evaluated.
Tensor scatter_reduce(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src,
                      ReduceAt reduce, bool include_self = true);
/// The same with slices of `source` at positions index[0], index[1], ... of dimension `dim`.
Tensor index_reduce(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source,
                    ReduceAt reduce, bool include_self = true);
/// x with elements of `source` put (added where `accumulate`) at positions of the flattened tensor.
/// Positions may be negative.
Tensor put(const Tensor& x, const Tensor& index, const Tensor& source, bool accumulate = false);

/// The different slices along `dim`, in order (where `consecutive`: the first of equal neighbours),
/// which of them each slice is, and how often each occurs. Looks at the values.
Unique unique_slices(const Tensor& x, int64_t dim, bool consecutive = false);

/// The value that occurs most often along `dim`, the least of several, and its last position.
Indexed mode(const Tensor& x, int64_t dim = -1, bool keepdim = false);
/// `median` of the elements that are not NaN; NaN where there are none.
Indexed nanmedian(const Tensor& x, int64_t dim, bool keepdim = false);
Tensor nanmedian(const Tensor& x);

/// How `quantile` chooses between two neighbours.
enum class Between : uint8_t { kLinear, kLower, kHigher, kMidpoint, kNearest };
/// The values below which fractions q (a number or a vector, in a dimension in front) of the
/// elements lie, over `dim` or all; NaN counts for nothing where `ignore_nan`, else for the result.
/// Throws for fractions outside [0, 1].
Tensor quantile(const Tensor& x, const Tensor& q, std::optional<int64_t> dim = {},
                bool keepdim = false, Between between = Between::kLinear, bool ignore_nan = false);

/// How many rows of x (N, D), or what sum of `weight` (N), fall into each box of a grid whose edges
/// are given per column, ascending (the last box of each column is closed); divided by the box's
/// volume and the total where `density`. Looks at the values.
Tensor histogram(const Tensor& x, const std::vector<Tensor>& edges, const Tensor& weight = {},
                 bool density = false);

/// log(sum of exp) of the elements so far along `dim`, without overflow.
Tensor logcumsumexp(const Tensor& x, int64_t dim);
/// The largest (least) element so far along `dim`, and its last position. NaN wins.
Indexed cummax(const Tensor& x, int64_t dim);
Indexed cummin(const Tensor& x, int64_t dim);

}  // namespace ballast
