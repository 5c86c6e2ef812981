// Comparisons, logic and choosing between values. Comparing functions broadcast and give bool
// tensors; no gradient flows through them. `==` is not overloaded: of two handles it would read as
// identity.
#pragma once

#include "ballast/graph/tensor.h"
#include "ballast/ops/pointwise.h"

namespace ballast {

/// a == b, a != b, a < b, a <= b, a > b, a >= b, element by element in the later of both types.
/// Comparisons with NaN are false, except `ne`. Shapes that do not broadcast throw PyTorch's error.
Tensor eq(const Tensor& a, const Tensor& b);
Tensor ne(const Tensor& a, const Tensor& b);
Tensor lt(const Tensor& a, const Tensor& b);
Tensor le(const Tensor& a, const Tensor& b);
Tensor gt(const Tensor& a, const Tensor& b);
Tensor ge(const Tensor& a, const Tensor& b);
inline Tensor eq(const Tensor& a, Scalar b) { return eq(a, b.beside(a)); }
inline Tensor ne(const Tensor& a, Scalar b) { return ne(a, b.beside(a)); }
inline Tensor lt(const Tensor& a, Scalar b) { return lt(a, b.beside(a)); }
inline Tensor le(const Tensor& a, Scalar b) { return le(a, b.beside(a)); }
inline Tensor gt(const Tensor& a, Scalar b) { return gt(a, b.beside(a)); }
inline Tensor ge(const Tensor& a, Scalar b) { return ge(a, b.beside(a)); }

/// Logic on any type: what is not zero (NaN included) is true.
Tensor logical_not(const Tensor& x);
Tensor logical_and(const Tensor& a, const Tensor& b);
Tensor logical_or(const Tensor& a, const Tensor& b);
Tensor logical_xor(const Tensor& a, const Tensor& b);

Tensor isnan(const Tensor& x);
Tensor isinf(const Tensor& x);
/// Neither infinite nor NaN.
Tensor isfinite(const Tensor& x);

/// a where `condition` (bool, broadcast with both) holds, else b. The gradient reaches the chosen
/// element only. Throws PyTorch's error for a condition that is not bool.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
inline Tensor where(const Tensor& condition, const Tensor& a, Scalar b) {
  return where(condition, a, b.beside(a));
}
inline Tensor where(const Tensor& condition, Scalar a, const Tensor& b) {
  return where(condition, a.beside(b), b);
}
/// x with `value` (in x's type) where `mask` holds.
Tensor masked_fill(const Tensor& x, const Tensor& mask, Scalar value);

}  // namespace ballast
