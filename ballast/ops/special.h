// Special functions beyond math.h. Integers become float32 first.
#pragma once

#include "ballast/graph/tensor.h"

namespace ballast {

/// The x with erf(x) = y.
Tensor erfinv(const Tensor& y);
/// Modified Bessel functions of the first kind of order 0 and 1, and these times exp(-|x|).
Tensor i0(const Tensor& x);
Tensor i1(const Tensor& x);
Tensor i0e(const Tensor& x);
Tensor i1e(const Tensor& x);
/// Derivative n of digamma, n >= 0.
Tensor polygamma(int64_t n, const Tensor& x);
/// The regularized lower (upper) incomplete gamma function P(a, x) (Q = 1 - P); differentiable by
/// x.
Tensor igamma(const Tensor& a, const Tensor& x);
Tensor igammac(const Tensor& a, const Tensor& x);
/// log of the multivariate gamma function of dimension p >= 1.
Tensor mvlgamma(const Tensor& x, int64_t p);
/// The standard normal distribution's integral up to x, its logarithm, and the x for an integral.
Tensor ndtr(const Tensor& x);
Tensor log_ndtr(const Tensor& x);
Tensor ndtri(const Tensor& p);
/// -x log(x), 0 at 0, minus infinity below.
Tensor entr(const Tensor& x);
/// exp(x^2) erfc(x).
Tensor erfcx(const Tensor& x);
/// The next number of the type from a towards b.
Tensor nextafter(const Tensor& a, const Tensor& b);
/// x = mantissa * 2^exponent (int32) with 0.5 <= |mantissa| < 1.
struct Frexp {
  Tensor mantissa, exponent;
};
Frexp frexp(const Tensor& x);
/// 0 for positive numbers, pi for negative ones, NaN for NaN.
Tensor angle(const Tensor& x);

}  // namespace ballast
