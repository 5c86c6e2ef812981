// Element-by-element arithmetic with NumPy's broadcasting.
#pragma once

#include <concepts>

#include "ballast/graph/tensor.h"

namespace ballast {

/// A number that meets a tensor: it takes the tensor's type (an integer tensor and a fractional
/// number give float32), as in PyTorch.
class Scalar {
 public:
  template <std::integral T>
  Scalar(T v)  // NOLINT
      : value_(static_cast<double>(v)), integral_(true), boolean_(std::same_as<T, bool>) {}
  template <std::floating_point T>
  Scalar(T v) : value_(v), integral_(false) {}  // NOLINT

  double value() const { return value_; }
  bool integral() const { return integral_; }
  /// True or False, which does not turn bool tensors into whole numbers.
  bool boolean() const { return boolean_; }
  /// A rank-0 tensor to be combined with `other`.
  Tensor beside(const Tensor& other) const;

 private:
  double value_;
  bool integral_, boolean_ = false;
};

/// Both operands broadcast; the result has the later of both types (see DType). Shapes that do not
/// broadcast throw PyTorch's error.
Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
/// True division: integer operands give float32.
Tensor div(const Tensor& a, const Tensor& b);
/// Elementwise larger and smaller; NaN wins; a tie's gradient is halved between both.
Tensor maximum(const Tensor& a, const Tensor& b);
Tensor minimum(const Tensor& a, const Tensor& b);

inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }
inline Tensor operator+(const Tensor& a, Scalar b) { return add(a, b.beside(a)); }
inline Tensor operator-(const Tensor& a, Scalar b) { return sub(a, b.beside(a)); }
inline Tensor operator*(const Tensor& a, Scalar b) { return mul(a, b.beside(a)); }
inline Tensor operator/(const Tensor& a, Scalar b) { return div(a, b.beside(a)); }
inline Tensor operator+(Scalar a, const Tensor& b) { return add(a.beside(b), b); }
inline Tensor operator-(Scalar a, const Tensor& b) { return sub(a.beside(b), b); }
inline Tensor operator*(Scalar a, const Tensor& b) { return mul(a.beside(b), b); }
inline Tensor operator/(Scalar a, const Tensor& b) { return div(a.beside(b), b); }

Tensor neg(const Tensor& x);
Tensor abs(const Tensor& x);
Tensor square(const Tensor& x);
/// The following take floating-point tensors (integers are converted to float32 first).
Tensor sqrt(const Tensor& x);
Tensor rsqrt(const Tensor& x);
Tensor reciprocal(const Tensor& x);
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor tanh(const Tensor& x);
/// 1/(1 + exp(-x))
Tensor sigmoid(const Tensor& x);
/// max(x, 0)
Tensor relu(const Tensor& x);
inline Tensor operator-(const Tensor& x) { return neg(x); }

}  // namespace ballast
