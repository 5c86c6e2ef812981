#include "ballast/ops/math.h"

#include <cmath>
#include <limits>
#include <numbers>

#include "ballast/ops/compare.h"
#include "ballast/ops/create.h"
#include "ballast/ops/function.h"
#include "ballast/ops/gamma.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"
#include "ballast/ops/view.h"

namespace ballast {
namespace {

using Parameters = ops::FunctionParameters;

/// A function by formulas for its value and its first two derivatives, all of x.
#define BALLAST_FUNCTION(TYPE, NAME, VALUE, FIRST, SECOND)                       \
  struct TYPE {                                                                  \
    static constexpr const char* kNames[] = {NAME, NAME "_grad", NAME "_grad2"}; \
    template <int K>                                                             \
    static double derivative(double x, Parameters) {                             \
      return K == 0 ? (VALUE) : K == 1 ? (FIRST) : (SECOND);                     \
    }                                                                            \
  };

double cube(double x) { return x * x * x; }
const double kTwoOverRootPi = 2 * std::numbers::inv_sqrtpi;

BALLAST_FUNCTION(Sin, "sin", std::sin(x), std::cos(x), -std::sin(x))
BALLAST_FUNCTION(Cos, "cos", std::cos(x), -std::sin(x), -std::cos(x))
BALLAST_FUNCTION(Tan, "tan", std::tan(x), 1 + std::tan(x) * std::tan(x),
                 2 * std::tan(x) * (1 + std::tan(x) * std::tan(x)))
BALLAST_FUNCTION(Asin, "asin", std::asin(x), 1 / std::sqrt(1 - x * x),
                 x / cube(std::sqrt(1 - x * x)))
BALLAST_FUNCTION(Acos, "acos", std::acos(x), -1 / std::sqrt(1 - x * x),
                 -x / cube(std::sqrt(1 - x * x)))
BALLAST_FUNCTION(Atan, "atan", std::atan(x), 1 / (1 + x * x), -2 * x / ((1 + x * x) * (1 + x * x)))
BALLAST_FUNCTION(Sinh, "sinh", std::sinh(x), std::cosh(x), std::sinh(x))
BALLAST_FUNCTION(Cosh, "cosh", std::cosh(x), std::sinh(x), std::cosh(x))
BALLAST_FUNCTION(Asinh, "asinh", std::asinh(x), 1 / std::sqrt(x * x + 1),
                 -x / cube(std::sqrt(x * x + 1)))
BALLAST_FUNCTION(Acosh, "acosh", std::acosh(x), 1 / std::sqrt(x * x - 1),
                 -x / cube(std::sqrt(x * x - 1)))
BALLAST_FUNCTION(Atanh, "atanh", std::atanh(x), 1 / (1 - x * x),
                 2 * x / ((1 - x * x) * (1 - x * x)))
BALLAST_FUNCTION(Erf, "erf", std::erf(x), kTwoOverRootPi* std::exp(-x* x),
                 -2 * x * kTwoOverRootPi * std::exp(-x * x))
BALLAST_FUNCTION(Erfc, "erfc", std::erfc(x), -kTwoOverRootPi* std::exp(-x* x),
                 2 * x * kTwoOverRootPi * std::exp(-x * x))
BALLAST_FUNCTION(Expm1, "expm1", std::expm1(x), std::exp(x), std::exp(x))
BALLAST_FUNCTION(Log1p, "log1p", std::log1p(x), 1 / (1 + x), -1 / ((1 + x) * (1 + x)))
BALLAST_FUNCTION(Exp2, "exp2", std::exp2(x), std::numbers::ln2* std::exp2(x),
                 std::numbers::ln2* std::numbers::ln2* std::exp2(x))
BALLAST_FUNCTION(Log2, "log2", std::log2(x), 1 / (std::numbers::ln2 * x),
                 -1 / (std::numbers::ln2 * x * x))
BALLAST_FUNCTION(Log10, "log10", std::log10(x), 1 / (std::numbers::ln10 * x),
                 -1 / (std::numbers::ln10 * x * x))
BALLAST_FUNCTION(Floor, "floor", std::floor(x), 0, 0)
BALLAST_FUNCTION(Ceil, "ceil", std::ceil(x), 0, 0)
BALLAST_FUNCTION(Round, "round", std::nearbyint(x), 0, 0)
BALLAST_FUNCTION(Trunc, "trunc", std::trunc(x), 0, 0)
BALLAST_FUNCTION(Sign, "sign", x > 0 ? 1 : x < 0 ? -1 : x, 0, 0)

/// psi and psi' by recurrence up to where the asymptotic series (Abramowitz & Stegun 6.3.18,
/// 6.4.12) is exact to the last digits; below 0 by reflection.
double psi(double x) {
  if (x == 0) return std::copysign(std::numeric_limits<double>::infinity(), -x);
  if (x < 0) {
    if (x == std::floor(x)) return std::numeric_limits<double>::quiet_NaN();
    return psi(1 - x) - std::numbers::pi / std::tan(std::numbers::pi * x);
  }
  double sum = 0;
  for (; x < 12; ++x) sum -= 1 / x;
  const double z = 1 / (x * x);
  return sum + std::log(x) - 0.5 / x -
         z * (1.0 / 12 - z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240 - z / 132))));
}
double trigamma(double x) {
  if (x < 0.5) {
    const double s = std::sin(std::numbers::pi * x);
    return std::numbers::pi * std::numbers::pi / (s * s) - trigamma(1 - x);
  }
  double sum = 0;
  for (; x < 12; ++x) sum += 1 / (x * x);
  const double z = 1 / (x * x);
  return sum + 1 / x + z / 2 +
         z / x * (1.0 / 6 - z * (1.0 / 30 - z * (1.0 / 42 - z * (1.0 / 30 - z * 5 / 66))));
}
BALLAST_FUNCTION(Lgamma, "lgamma", std::lgamma(x), psi(x), trigamma(x))
BALLAST_FUNCTION(Digamma, "digamma", psi(x), trigamma(x), ops::polygamma_at(2, x))
#undef BALLAST_FUNCTION

template <class F>
Tensor fraction(const Tensor& x) {
  return ops::apply<F>(is_floating(x.dtype()) ? x : cast(x, DType::kFloat32));
}
template <class F>
Tensor whole(const Tensor& x) {
  return is_floating(x.dtype()) ? ops::apply<F>(x) : clone(x);
}

/// An operation on two tensors of one type and shape, without gradient rule of its own.
template <class F>
class BinaryOp final : public Op {
  static constexpr uint32_t kChecks = requires { F::kDivides; }
  ? 1u << 1 : 0;

 public:
  BinaryOp() : Op(F::kName, kChecks) {}
  bool elementwise() const override { return true; }
  void check_values(const CheckCall& c) const override {
    if (is_floating(c.dtype)) return;
    dispatch(c.dtype, [&](auto zero) {
      bool wrong = false;
      for (auto b : c.known[1].as<decltype(zero)>()) wrong |= b == 0;
      check(!wrong, "ZeroDivisionError");
    });
  }
  void reference(const Call& c) const override {
    dispatch(c.out.dtype, [&](auto zero) {
      using T = decltype(zero);
      const T *a = c.input<T>(0), *b = c.input<T>(1);
      T* out = c.output<T>();
      in_slices(c.out.shape.numel(), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) out[i] = static_cast<T>(F::apply(a[i], b[i]));
      });
    });
  }
  Gradients gradient(const Backward& b) const override { return F::gradient(b); }

  static Tensor call(const Tensor& a, const Tensor& b, DType t) {
    static const BinaryOp op;
    const Shape shape = broadcast(a.shape(), b.shape());
    return record(op, shape, t, {expand(a.to(t), shape), expand(b.to(t), shape)});
  }
};

Gradients no_gradient(const Backward&) { return {Tensor(), Tensor()}; }

struct FloorDivide {
  static constexpr bool kDivides = true;  // whole numbers by 0: an error
  static constexpr const char* kName = "floor_divide";
  template <class T>
  static T apply(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) {
      // From the exact rest, as Python: 1 / 0.1 is rounded up to 10.
      if (b == 0) return a / b;
      const T rest = std::fmod(a, b);
      T quotient = (a - rest) / b;
      if (rest != 0 && (rest < 0) != (b < 0)) quotient -= 1;
      if (quotient == 0) return std::copysign(T{0}, a / b);
      const T down = std::floor(quotient);
      return quotient - down > T(0.5) ? down + 1 : down;
    } else {
      return Division<int64_t>(a, b).floor();
    }
  }
  static Gradients gradient(const Backward& b) { return no_gradient(b); }
};

template <bool Truncated>
struct Modulo {
  static constexpr bool kDivides = true;
  static constexpr const char* kName = Truncated ? "fmod" : "remainder";
  template <class T>
  static T apply(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) {
      const T r = std::fmod(a, b);
      return !Truncated && r != 0 && (r < 0) != (b < 0) ? r + b : r;
    } else {
      const Division<int64_t> d(a, b);
      return static_cast<T>(Truncated ? d.rest : d.modulo());
    }
  }
  static Gradients gradient(const Backward& b) {
    const Tensor x = b.input(0), y = b.input(1);
    Gradients g{b.grad(), Tensor()};
    if (b.needs(1)) g[1] = neg(b.grad() * (Truncated ? trunc(x / y) : floor_divide(x, y)));
    return g;
  }
};

/// sqrt(a^2 + b^2), where no square overflows.
struct Hypot {
  static constexpr const char* kName = "hypot";
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(std::hypot(static_cast<double>(a), static_cast<double>(b)));
  }
  static Gradients gradient(const Backward& b) {
    const Tensor y = b.output();
    return {b.grad() * (b.input(0) / y), b.grad() * (b.input(1) / y)};
  }
};

struct Atan2 {
  static constexpr const char* kName = "atan2";
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(std::atan2(static_cast<double>(a), static_cast<double>(b)));
  }
  static Gradients gradient(const Backward& b) {
    const Tensor y = b.input(0), x = b.input(1), scaled = b.grad() / (square(x) + square(y));
    return {scaled * x, neg(scaled * y)};
  }
};

struct Power {
  static constexpr const char* kName = "pow_tensor";
  template <class T>
  static T apply(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) {
      return static_cast<T>(std::pow(static_cast<double>(a), static_cast<double>(b)));
    } else {
      int64_t result = 1, base = a;
      const int64_t exponent = b;
      if (exponent < 0)
        return static_cast<T>(base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0);
      for (int64_t n = exponent; n > 0; n >>= 1, base = wrapping_mul(base, base))
        if (n & 1) result = wrapping_mul(result, base);
      return static_cast<T>(result);
    }
  }
  static Gradients gradient(const Backward& b) {
    const Tensor x = b.input(0), p = b.input(1);
    Gradients g{Tensor(), Tensor()};
    const Tensor zero = zeros_like(x);
    if (b.needs(0)) g[0] = where(eq(p, 0), zero, b.grad() * (p * pow(x, p - 1)));
    // The power of 0 does not move with a positive exponent.
    if (b.needs(1))
      g[1] = b.grad() * where(logical_and(eq(x, 0), ge(p, 0)), zero, b.output() * log(x));
    return g;
  }
};

template <class F>
struct Bits {
  static constexpr const char* kName = F::kName;
  template <class T>
  static T apply(T a, T b) {
    if constexpr (std::is_floating_point_v<T>)
      return a;  // refused by the functions below
    else
      return static_cast<T>(F::bits(static_cast<int64_t>(a), static_cast<int64_t>(b)));
  }
  static Gradients gradient(const Backward& b) { return no_gradient(b); }
};
struct And {
  static constexpr const char* kName = "bitwise_and";
  static int64_t bits(int64_t a, int64_t b) { return a & b; }
};
struct Or {
  static constexpr const char* kName = "bitwise_or";
  static int64_t bits(int64_t a, int64_t b) { return a | b; }
};
struct Xor {
  static constexpr const char* kName = "bitwise_xor";
  static int64_t bits(int64_t a, int64_t b) { return a ^ b; }
};

template <bool Left>
struct Shift {
  static constexpr const char* kName = Left ? "lshift" : "rshift";
  template <class T>
  static T apply(T a, T b) {
    if constexpr (std::is_floating_point_v<T> || std::is_same_v<T, bool>)
      return a;  // refused by shift()
    else
      return Left ? shifted_left(a, b) : shifted_right(a, b);
  }
  static Gradients gradient(const Backward& b) { return no_gradient(b); }
};

template <bool Left>
Tensor shift(const Tensor& a, const Tensor& b) {
  const DType t = ops::result_type(a, b);
  check<NotImplementedError>(!is_floating(t) && t != DType::kBool,
                             "\"{}_cpu\" not implemented for '{}'", Shift<Left>::kName,
                             ops::scalar_type_name(t));
  return BinaryOp<Shift<Left>>::call(a, b, t);
}

template <class F>
Tensor bits(const Tensor& a, const Tensor& b) {
  const DType t = ops::result_type(a, b);
  check<NotImplementedError>(!is_floating(t), "\"{}_cpu\" not implemented for '{}'", F::kName,
                             ops::scalar_type_name(t));
  return BinaryOp<Bits<F>>::call(a, b, t);
}

DType floating_result(const Tensor& a, const Tensor& b) {
  const DType t = ops::result_type(a, b);
  return is_floating(t) ? t : DType::kFloat32;
}

}  // namespace

Tensor sin(const Tensor& x) { return fraction<Sin>(x); }
Tensor cos(const Tensor& x) { return fraction<Cos>(x); }
Tensor tan(const Tensor& x) { return fraction<Tan>(x); }
Tensor asin(const Tensor& x) { return fraction<Asin>(x); }
Tensor acos(const Tensor& x) { return fraction<Acos>(x); }
Tensor atan(const Tensor& x) { return fraction<Atan>(x); }
Tensor sinh(const Tensor& x) { return fraction<Sinh>(x); }
Tensor cosh(const Tensor& x) { return fraction<Cosh>(x); }
Tensor asinh(const Tensor& x) { return fraction<Asinh>(x); }
Tensor acosh(const Tensor& x) { return fraction<Acosh>(x); }
Tensor atanh(const Tensor& x) { return fraction<Atanh>(x); }
Tensor erf(const Tensor& x) { return fraction<Erf>(x); }
Tensor erfc(const Tensor& x) { return fraction<Erfc>(x); }
Tensor expm1(const Tensor& x) { return fraction<Expm1>(x); }
Tensor log1p(const Tensor& x) { return fraction<Log1p>(x); }
Tensor exp2(const Tensor& x) { return fraction<Exp2>(x); }
Tensor log2(const Tensor& x) { return fraction<Log2>(x); }
Tensor log10(const Tensor& x) { return fraction<Log10>(x); }
Tensor lgamma(const Tensor& x) { return fraction<Lgamma>(x); }
Tensor digamma(const Tensor& x) { return fraction<Digamma>(x); }
Tensor floor(const Tensor& x) { return whole<Floor>(x); }
Tensor ceil(const Tensor& x) { return whole<Ceil>(x); }
Tensor round(const Tensor& x) { return whole<Round>(x); }
Tensor trunc(const Tensor& x) { return whole<Trunc>(x); }
Tensor frac(const Tensor& x) { return x - trunc(x); }

Tensor sign(const Tensor& x) {
  if (is_floating(x.dtype())) return ops::apply<Sign>(x);
  return (gt(x, 0).to(DType::kInt64) - lt(x, 0).to(DType::kInt64)).to(x.dtype());
}

Tensor floor_divide(const Tensor& a, const Tensor& b) {
  return BinaryOp<FloorDivide>::call(a, b, ops::result_type(a, b));
}
Tensor remainder(const Tensor& a, const Tensor& b) {
  return BinaryOp<Modulo<false>>::call(a, b, ops::result_type(a, b));
}
Tensor fmod(const Tensor& a, const Tensor& b) {
  return BinaryOp<Modulo<true>>::call(a, b, ops::result_type(a, b));
}
Tensor atan2(const Tensor& a, const Tensor& b) {
  return BinaryOp<Atan2>::call(a, b, floating_result(a, b));
}
Tensor hypot(const Tensor& a, const Tensor& b) {
  return BinaryOp<Hypot>::call(a, b, floating_result(a, b));
}
Tensor pow(const Tensor& a, const Tensor& b) {
  return BinaryOp<Power>::call(a, b, ops::result_type(a, b));
}

Tensor logaddexp(const Tensor& a, const Tensor& b) {
  if (is_half(ops::result_type(a, b)))
    return cast(logaddexp(ops::widened(a), ops::widened(b)), ops::result_type(a, b));
  const Tensor larger = maximum(a, b);
  const Tensor away = neg(abs(a - b));
  // Equal infinities have no distance.
  const Tensor equal = eq(a, b);
  return larger + log1p(exp(where(equal, zeros_like(away), away)));
}

Tensor lerp(const Tensor& start, const Tensor& end, const Tensor& weight) {
  if (is_half(ops::result_type(start, end)))
    return cast(lerp(ops::widened(start), ops::widened(end), ops::widened(weight)),
                ops::result_type(start, end));
  check(end.dtype() == start.dtype(), "lerp: expected dtype {} for `end` but got dtype {}",
        name_of(start.dtype()), name_of(end.dtype()));
  return start + weight * (end - start);
}

Tensor nan_to_num(const Tensor& x, double nan, double positive, double negative) {
  if (!is_floating(x.dtype())) return clone(x);
  const double infinity = std::numeric_limits<double>::infinity();
  return masked_fill(masked_fill(masked_fill(x, isnan(x), nan), eq(x, infinity), positive),
                     eq(x, -infinity), negative);
}

Tensor bitwise_and(const Tensor& a, const Tensor& b) { return bits<And>(a, b); }
Tensor bitwise_or(const Tensor& a, const Tensor& b) { return bits<Or>(a, b); }
Tensor bitwise_xor(const Tensor& a, const Tensor& b) { return bits<Xor>(a, b); }
Tensor bitwise_left_shift(const Tensor& a, const Tensor& b) { return shift<true>(a, b); }
Tensor bitwise_right_shift(const Tensor& a, const Tensor& b) { return shift<false>(a, b); }
Tensor bitwise_not(const Tensor& x) {
  if (x.dtype() == DType::kBool) return logical_not(x);
  return bitwise_xor(x, cast(Scalar(x.dtype() == DType::kUint8 ? 255 : -1).beside(x), x.dtype()));
}

Tensor prod(const Tensor& x) { return prod(reshape(x, Shape{x.numel()}), 0); }

Tensor prod(const Tensor& x, int64_t dim, bool keepdim) {
  if (is_half(x.dtype())) return cast(prod(ops::widened(x), dim, keepdim), x.dtype());
  const int at = x.shape().normalize(dim);
  const Tensor y = is_floating(x.dtype()) ? x : cast(x, DType::kInt64);
  if (x.dim() == 0) return ops::fresh(y, {&x, 1});
  if (x.shape()[at] == 0) return sum(y, {at}, keepdim) + Scalar(1);
  // Halves are multiplied until one element is left: as many operations as the size has digits,
  // and gradients that divide by nothing.
  Tensor p = y;
  for (int64_t n = p.size(at); n > 1; n = p.size(at)) {
    const Tensor pairs = narrow(p, at, 0, n / 2) * narrow(p, at, n / 2, n / 2);
    p = n % 2 ? cat({pairs, narrow(p, at, n - 1, 1)}, at) : pairs;
  }
  return ops::fresh(keepdim ? p : squeeze(p, at), {&x, 1});
}

Tensor cumprod(const Tensor& x, int64_t dim) {
  if (is_half(x.dtype())) return cast(cumprod(ops::widened(x), dim), x.dtype());
  const int at = x.shape().normalize(dim);
  Tensor p = is_floating(x.dtype()) ? x : cast(x, DType::kInt64);
  if (x.dim() == 0) return ops::fresh(p, {&x, 1});
  // Products of 2, 4, 8, ... neighbours (Hillis & Steele 1986).
  const int64_t n = x.size(at);
  for (int64_t step = 1; step < n; step *= 2)
    p = cat({narrow(p, at, 0, step), narrow(p, at, step, n - step) * narrow(p, at, 0, n - step)},
            at);
  return ops::fresh(p, {&x, 1});
}

}  // namespace ballast
