// Operations that reorder, join and take apart tensors. All have gradients; dimensions may be
// negative and throw PyTorch's IndexError outside the rank.
#pragma once

#include <span>
#include <vector>

#include "ballast/graph/tensor.h"

namespace ballast {

/// Dimension i of the result is dimension dims[i] of x. Throws Error unless `dims` is a
/// permutation.
Tensor permute(const Tensor& x, const std::vector<int64_t>& dims);
/// x with two dimensions exchanged.
Tensor transpose(const Tensor& x, int64_t dim0, int64_t dim1);
/// The transposed matrix (of rank 0 and 1: x). Throws for higher ranks.
Tensor t(const Tensor& x);
/// x with dimension `source` moved to `destination`, the others in order.
Tensor movedim(const Tensor& x, int64_t source, int64_t destination);

/// x without all its dimensions of size 1, or without dimension `dim` if its size is 1.
Tensor squeeze(const Tensor& x);
Tensor squeeze(const Tensor& x, int64_t dim);
/// x with a new dimension of size 1 at `dim`.
Tensor unsqueeze(const Tensor& x, int64_t dim);

/// The tensors one after the other along `dim`, in the latest of their types; other sizes must
/// agree (tensors of shape [0] are skipped). Throws PyTorch's errors.
Tensor cat(std::span<const Tensor> tensors, int64_t dim = 0);
Tensor cat(std::initializer_list<Tensor> tensors, int64_t dim = 0);
/// Tensors of one shape along a new dimension.
Tensor stack(std::span<const Tensor> tensors, int64_t dim = 0);
Tensor stack(std::initializer_list<Tensor> tensors, int64_t dim = 0);

/// Pieces of size `size` along `dim`, the last one smaller where it does not divide.
std::vector<Tensor> split(const Tensor& x, int64_t size, int64_t dim = 0);
/// Pieces of the given sizes, which must sum to the dimension's.
std::vector<Tensor> split(const Tensor& x, const std::vector<int64_t>& sizes, int64_t dim = 0);
/// At most `chunks` pieces of equal size, the last one perhaps smaller.
std::vector<Tensor> chunk(const Tensor& x, int64_t chunks, int64_t dim = 0);
/// Position `index` of dimension `dim`, which goes. Throws IndexError outside the dimension.
Tensor select(const Tensor& x, int64_t dim, int64_t index);
/// Positions start ... start + length - 1 of dimension `dim`. Throws Error outside the dimension.
Tensor narrow(const Tensor& x, int64_t dim, int64_t start, int64_t length);

/// x reversed along `dims`.
Tensor flip(const Tensor& x, const std::vector<int64_t>& dims);
/// x repeated `repeats[i]` times along dimension i; more repeats than dimensions add leading ones.
Tensor repeat(const Tensor& x, const std::vector<int64_t>& repeats);
/// The lower (upper) triangle of the last two dimensions: what lies on or below (above) the
/// `diagonal`-th diagonal; zeros elsewhere.
Tensor tril(const Tensor& x, int64_t diagonal = 0);
Tensor triu(const Tensor& x, int64_t diagonal = 0);

}  // namespace ballast
