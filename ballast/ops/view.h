// Views: tensors that show elements of another one, and what writing to them means.
//
// `reshape`, `permute`, `slice` and what is made of them give views where PyTorch's do: writing to
// a view changes its base, writing to a base changes its views.
#pragma once

#include <array>
#include <optional>
#include <span>

#include "ballast/graph/tensor.h"

namespace ballast {

/// A view of the row-major elements of x, or of what x is a view of: element (i, j, ...) is the one
/// at `offset` + i*strides[0] + j*strides[1] + ... (without `offset`, from the first one of x).
/// Throws Error where one would lie outside.
Tensor as_strided(const Tensor& x, const Shape& shape, const std::vector<int64_t>& strides,
                  std::optional<int64_t> offset = {});
/// A view of the windows of `size` elements, `step` apart, along a dimension, in a new last one.
Tensor unfold(const Tensor& x, int64_t dim, int64_t size, int64_t step);

/// Distances between neighbours along each dimension, in elements of the base where x is a view.
std::vector<int64_t> strides(const Tensor& x);
bool is_contiguous(const Tensor& x);
/// x itself, or a copy where it is a view whose elements are not one after the other.
Tensor contiguous(const Tensor& x);
/// The same elements in a tensor of its own; recorded by autograd.
Tensor clone(const Tensor& x);

/// x's elements become those of `value`, which was computed from x, broadcast to x's shape and
/// converted to its type, as by every in-place operation of PyTorch: recorded where gradients are
/// on and either needs them. Throws PyTorch's error for a leaf that requires a gradient (or a view
/// of one), for a shape that does not fit and for views whose elements share memory.
void write(const Tensor& x, const Tensor& value);
/// The same of a value that has nothing to do with x, as by `copy_`: what x was computed from gets
/// zeros for its gradient.
void overwrite(const Tensor& x, const Tensor& value);

namespace ops {

/// `out`, made of x, as the view of it that `view` describes; offset and strides count in x's
/// elements.
Tensor as_view(Tensor out, const Tensor& x, View view);
/// Distances between neighbours along each dimension in the memory that x shows.
std::array<int64_t, Shape::kMaxRank> memory_strides(const Tensor& x);
/// The result of an operation that gives new tensors, also where it is one of those it was made
/// of, or a view of one: then a copy, which costs nothing until somebody writes.
Tensor fresh(const Tensor& out, std::span<const Tensor> of);
/// The views of x that the operations of the same name make.
Tensor reshaped(Tensor out, const Tensor& x);
Tensor permuted(Tensor out, const Tensor& x, std::span<const int> dims);
Tensor sliced(Tensor out, const Tensor& x, int dim, int64_t start, int64_t step);
Tensor expanded(Tensor out, const Tensor& x);
Tensor detached(Tensor out, const Tensor& x);
/// The memory of x, or of what x is a view of, row-major: from now on others may write to it, as
/// long as they hold it. Values that lie in the same memory, or that a recorded operation will
/// read, keep what they have; x moves to memory of its own.
Ref<Buffer> lend(const Tensor& x);
/// Writes to the memory of x itself, which is no view.
void write_memory(const Tensor& x, const Tensor& value);
/// Whether x can be viewed under `shape`, of as many elements, without a copy.
bool viewable(const Tensor& x, const Shape& shape);
/// Throws PyTorch's error unless x can be viewed under `shape` without a copy.
void check_viewable(const Tensor& x, const Shape& shape);

}  // namespace ops
}  // namespace ballast
