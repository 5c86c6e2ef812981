// Functions of numbers, element by element, beyond pointwise.h; rounding and remainders. Functions
// that have fractions as values turn integers into float32 first.
#pragma once

#include "ballast/graph/tensor.h"
#include "ballast/ops/pointwise.h"

namespace ballast {

Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
Tensor tan(const Tensor& x);
Tensor asin(const Tensor& x);
Tensor acos(const Tensor& x);
Tensor atan(const Tensor& x);
Tensor sinh(const Tensor& x);
Tensor cosh(const Tensor& x);
Tensor asinh(const Tensor& x);
Tensor acosh(const Tensor& x);
Tensor atanh(const Tensor& x);
/// 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x, and 1 minus that.
Tensor erf(const Tensor& x);
Tensor erfc(const Tensor& x);
/// exp(x) - 1 and log(1 + x), exact near 0.
Tensor expm1(const Tensor& x);
Tensor log1p(const Tensor& x);
Tensor exp2(const Tensor& x);
Tensor log2(const Tensor& x);
Tensor log10(const Tensor& x);
/// log of the gamma function's absolute value, and its derivative.
Tensor lgamma(const Tensor& x);
Tensor digamma(const Tensor& x);

/// The nearest whole number below, above, in either direction (halves to the even one), towards 0.
/// Derivative 0; integers stay.
Tensor floor(const Tensor& x);
Tensor ceil(const Tensor& x);
Tensor round(const Tensor& x);
Tensor trunc(const Tensor& x);
/// x - trunc(x)
Tensor frac(const Tensor& x);
/// -1, 0 or 1 with x's sign (NaN stays); derivative 0.
Tensor sign(const Tensor& x);

/// floor(a/b) in the later of both types. Integers: throws PyTorch's ZeroDivisionError, worded as
/// an Error, at evaluation where b is 0.
Tensor floor_divide(const Tensor& a, const Tensor& b);
/// a - b*floor(a/b), with b's sign; and a - b*trunc(a/b), with a's.
Tensor remainder(const Tensor& a, const Tensor& b);
Tensor fmod(const Tensor& a, const Tensor& b);
/// sqrt(a^2 + b^2) without overflow.
Tensor hypot(const Tensor& a, const Tensor& b);
/// The angle of the point (b, a).
Tensor atan2(const Tensor& a, const Tensor& b);
/// a to the power b, element by element.
Tensor pow(const Tensor& a, const Tensor& b);
/// log(exp(a) + exp(b)) without overflow.
Tensor logaddexp(const Tensor& a, const Tensor& b);
/// start + weight*(end - start).
Tensor lerp(const Tensor& start, const Tensor& end, const Tensor& weight);
/// Elements that are NaN or infinite replaced.
Tensor nan_to_num(const Tensor& x, double nan, double positive, double negative);

/// Logic of bits for bool and whole numbers; throws for floating-point types.
Tensor bitwise_and(const Tensor& a, const Tensor& b);
Tensor bitwise_or(const Tensor& a, const Tensor& b);
Tensor bitwise_xor(const Tensor& a, const Tensor& b);
Tensor bitwise_not(const Tensor& x);
/// Whole numbers shifted by b bits; beyond their width, and for negative b, nothing of them is
/// left: 0, or -1 where a negative number is shifted right.
Tensor bitwise_left_shift(const Tensor& a, const Tensor& b);
Tensor bitwise_right_shift(const Tensor& a, const Tensor& b);

/// The product over all elements, or over dimension `dim`; bool and integer tensors give int64.
Tensor prod(const Tensor& x);
Tensor prod(const Tensor& x, int64_t dim, bool keepdim = false);
/// Running products along `dim`.
Tensor cumprod(const Tensor& x, int64_t dim);

}  // namespace ballast
