#include "ballast/ops/activation.h"

#include <cmath>
#include <limits>
#include <numbers>

#include "ballast/ops/function.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

using ops::apply;
using Parameters = ops::FunctionParameters;

// In the place of a bound: compares with nothing.
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// Functions: `derivative<K>(x, p)` for K = 0 (the function itself), 1 and 2.

/// min(max(x, a), b), with derivative 0 at the ends and at NaN; a bound that is NaN is none.
struct Clamp {
  static constexpr const char* kNames[] = {"clamp", "clamp_grad", "clamp_grad2"};
  static constexpr Pointwise kCodes[] = {Pointwise::kClamp, Pointwise::kClampGrad,
                                         Pointwise::kNone};
  template <int K>
  static double derivative(double x, Parameters p) {
    if (K > 0) return K == 2 || x <= p.a || x >= p.b || std::isnan(x) ? 0 : 1;
    const double y = x < p.a ? p.a : x;
    return y > p.b ? p.b : y;
  }
};

struct LeakyRelu {
  static constexpr const char* kNames[] = {"leaky_relu", "leaky_relu_grad", "leaky_relu_grad2"};
  static constexpr Pointwise kCodes[] = {Pointwise::kLeakyRelu, Pointwise::kLeakyReluGrad,
                                         Pointwise::kNone};
  template <int K>
  static double derivative(double x, Parameters p) {
    if (K == 2) return 0;
    const double slope = x > 0 ? 1 : p.a;
    return K == 0 ? x * slope : slope;
  }
};

struct Elu {
  static constexpr const char* kNames[] = {"elu", "elu_grad", "elu_grad2"};
  template <int K>
  static double derivative(double x, Parameters p) {
    if (x > 0) return K == 0 ? x : K == 1 ? 1 : 0;
    return p.a * (K == 0 ? std::expm1(x) : std::exp(x));
  }
};

struct Hardsigmoid {
  static constexpr const char* kNames[] = {"hardsigmoid", "hardsigmoid_grad", "hardsigmoid_grad2"};
  template <int K>
  static double derivative(double x, Parameters) {
    if (K == 0) return x <= -3 ? 0 : x >= 3 ? 1 : x / 6 + 0.5;
    return K == 1 && x > -3 && x < 3 ? 1.0 / 6 : 0;
  }
};

struct Hardswish {
  static constexpr const char* kNames[] = {"hardswish", "hardswish_grad", "hardswish_grad2"};
  template <int K>
  static double derivative(double x, Parameters) {
    if (x <= -3) return 0;
    if (x >= 3) return K == 0 ? x : K == 1 ? 1 : 0;
    return K == 0 ? x * (x + 3) / 6 : K == 1 ? x / 3 + 0.5 : 1.0 / 3;
  }
};

/// log(1 + exp(a*x))/a up to a*x = b.
struct Softplus {
  static constexpr const char* kNames[] = {"softplus", "softplus_grad", "softplus_grad2"};
  template <int K>
  static double derivative(double x, Parameters p) {
    const double z = x * p.a;
    if (z > p.b) return K == 0 ? x : K == 1 ? 1 : 0;
    if (K == 0) return std::log1p(std::exp(z)) / p.a;
    const double s = 1 / (1 + std::exp(-z));
    return K == 1 ? s : p.a * s * (1 - s);
  }
};

struct Gelu {
  static constexpr const char* kNames[] = {"gelu", "gelu_grad", "gelu_grad2"};
  template <int K>
  static double derivative(double x, Parameters) {
    const double below = 0.5 * std::erfc(-x * std::numbers::sqrt2 / 2);
    if (K == 0) return x * below;
    const double density = std::exp(-0.5 * x * x) / std::sqrt(2 * std::numbers::pi);
    return K == 1 ? below + x * density : (2 - x * x) * density;
  }
};

/// x to the power a.
struct Power {
  static constexpr const char* kNames[] = {"pow", "pow_grad", "pow_grad2"};
  template <int K>
  static double derivative(double x, Parameters p) {
    if (K == 0) return std::pow(x, p.a);
    const double factor = K == 1 ? p.a : p.a * (p.a - 1);
    return factor == 0 ? 0 : factor * std::pow(x, p.a - K);
  }
};

/// Whole powers of whole numbers, by squaring.
Tensor integer_power(const Tensor& x, int64_t exponent) {
  check(exponent >= 0, "Integers to negative integer powers are not allowed.");
  Tensor base = x.dtype() == DType::kBool ? cast(x, DType::kInt64) : x;
  Tensor result = expand(cast(Scalar(1).beside(base), base.dtype()), base.shape());
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) result = result * base;
    if (exponent > 1) base = square(base);
  }
  return result;
}

}  // namespace

Tensor hardtanh(const Tensor& x, double low, double high) {
  check<ValueError>(low <= high, "min_val cannot be greater than max_val, got {} and {}", low,
                    high);
  if (!is_floating(x.dtype())) {
    check<NotImplementedError>(x.dtype() != DType::kBool,
                               "\"hardtanh\" not implemented for 'Bool'");
    return clamp(x, Scalar(static_cast<int64_t>(low)), Scalar(static_cast<int64_t>(high)));
  }
  return apply<Clamp>(x, {low, high});
}
Tensor relu6(const Tensor& x) { return hardtanh(x, 0, 6); }
Tensor leaky_relu(const Tensor& x, double negative_slope) {
  return apply<LeakyRelu>(x, {negative_slope, 0});
}
Tensor elu(const Tensor& x, double alpha) { return apply<Elu>(x, {alpha, 0}); }
Tensor hardsigmoid(const Tensor& x) { return apply<Hardsigmoid>(x); }
Tensor hardswish(const Tensor& x) { return apply<Hardswish>(x); }
Tensor softplus(const Tensor& x, double beta, double threshold) {
  return apply<Softplus>(x, {beta, threshold});
}

// Chains of vector instructions, which the planner can fuse.
Tensor silu(const Tensor& x) {
  check(is_floating(x.dtype()), "silu: expected a floating-point tensor, got {}",
        name_of(x.dtype()));
  if (is_half(x.dtype())) return cast(silu(ops::widened(x)), x.dtype());
  return x * sigmoid(x);
}

Tensor gelu(const Tensor& x, GeluApproximation approximation) {
  if (approximation == GeluApproximation::kNone) return apply<Gelu>(x);
  check(is_floating(x.dtype()), "gelu: expected a floating-point tensor, got {}",
        name_of(x.dtype()));
  if (is_half(x.dtype())) return cast(gelu(ops::widened(x), approximation), x.dtype());
  const double scale = std::sqrt(2 / std::numbers::pi);
  return (x * 0.5) * (tanh((x + (square(x) * x) * 0.044715) * scale) + 1.0);
}

Tensor pow(const Tensor& x, Scalar exponent) {
  if (is_half(x.dtype())) return cast(pow(ops::widened(x), exponent), x.dtype());
  const double p = exponent.value();
  if (!is_floating(x.dtype())) {
    if (exponent.integral()) return integer_power(x, static_cast<int64_t>(p));
    return pow(cast(x, DType::kFloat32), exponent);
  }
  if (p == 2) return square(x);
  if (p == 0.5) return sqrt(x);
  return apply<Power>(x, {p, 0});
}

Tensor clamp(const Tensor& x, std::optional<Scalar> min, std::optional<Scalar> max) {
  check(min || max, "torch.clamp: At least one of 'min' or 'max' must not be None");
  if (is_floating(x.dtype())) {
    const double low = min ? min->value() : kNone, high = max ? max->value() : kNone;
    if ((min && std::isnan(low)) || (max && std::isnan(high))) return x * 0.0 + kNone;
    return apply<Clamp>(x, {low, high});
  }
  Tensor y = x;
  if (min) y = maximum(y, min->beside(y));
  if (max) y = minimum(y, max->beside(y));
  return y;
}

}  // namespace ballast
