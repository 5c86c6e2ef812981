// Reading and writing at positions that are themselves values. Index tensors are int64; positions
// outside the dimension throw IndexError when evaluated.
#pragma once

#include "ballast/graph/tensor.h"

namespace ballast {

/// Positions index[0], index[1], ... of dimension `dim`; `index` is a vector (or a scalar). The
/// gradient of what is read twice is added up.
Tensor index_select(const Tensor& x, int64_t dim, const Tensor& index);
/// out[i][j][k] = x[index[i][j][k]][j][k] for dim 0, and so on; `index` has x's rank and outside
/// `dim` no larger sizes.
Tensor gather(const Tensor& x, int64_t dim, const Tensor& index);
/// x with src[i][j][k] added at [index[i][j][k]][j][k] for dim 0, and so on.
Tensor scatter_add(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src);
/// index_select's transpose: zeros of size `size` along `dim`, with slice k of x added at position
/// index[k] of it. Throws Error unless index is a vector of x's size there.
Tensor index_sum(const Tensor& x, int64_t dim, const Tensor& index, int64_t size);
/// x with alpha times slice k of `source` added at position index[k] of dimension `dim`.
Tensor index_add(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source,
                 double alpha = 1.0);
/// x with src[i][j][k] put at [index[i][j][k]][j][k] for dim 0, and so on; of several for one place
/// the last stays, and only it should be differentiated.
Tensor scatter(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src);
Tensor scatter(const Tensor& x, int64_t dim, const Tensor& index, double value);
/// int64, with a new last dimension of `num_classes` (one more than the largest label, where
/// negative): 1 at the label, else 0. Looks at the labels; throws PyTorch's errors for those
/// outside the range.
Tensor one_hot(const Tensor& labels, int64_t num_classes = -1);

}  // namespace ballast
