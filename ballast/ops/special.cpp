#include "ballast/ops/special.h"

#include <cmath>
#include <limits>
#include <numbers>

#include "ballast/ops/compare.h"
#include "ballast/ops/create.h"
#include "ballast/ops/function.h"
#include "ballast/ops/gamma.h"
#include "ballast/ops/math.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

using Parameters = ops::FunctionParameters;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
const double kHalfRootPi = 0.5 / std::numbers::inv_sqrtpi;

/// A rational start (Giles 2010) and Halley's steps on erf, or on erfc in the tails.
double inverse_erf(double y) {
  if (!(std::abs(y) < 1)) return std::abs(y) == 1 ? y * kInfinity : kNan;
  const double w = -std::log1p(-y * y);
  double x;
  if (w < 5) {
    const double t = w - 2.5;
    x = y * (1.50140941 +
             t * (0.246640727 +
                  t * (-0.00417768164 +
                       t * (-0.00125372503 +
                            t * (0.000218580870 +
                                 t * (-4.39150654e-06 +
                                      t * (-3.5233877e-06 +
                                           t * (3.43273939e-07 + t * 2.81022636e-08))))))));
  } else {
    const double t = std::sqrt(w) - 3;
    x = y *
        (2.83297682 +
         t * (1.00167406 + t * (0.00943887047 +
                                t * (-0.0076224613 +
                                     t * (0.00573950773 +
                                          t * (-0.00367342844 +
                                               t * (0.00134934322 + t * (0.000100950558 -
                                                                         t * 0.000200214257))))))));
  }
  const double sign = y < 0 ? -1 : 1, outside = 1 - std::abs(y);
  for (int step = 0; step < 3; ++step) {
    const double error =
        std::abs(y) > 0.5 ? sign * (outside - std::erfc(std::abs(x))) : std::erf(x) - y;
    const double newton = error * kHalfRootPi * std::exp(x * x);
    x -= newton / (1 + x * newton);
  }
  return x;
}

/// exp(-|x|) I_n(x) for n = 0, 1: the power series up to 30, beyond it the asymptotic one
/// (Abramowitz & Stegun 9.6.10, 9.7.1).
double scaled_bessel(double x, int n) {
  const double size = std::abs(x), sign = n == 1 && x < 0 ? -1 : 1;
  if (std::isnan(x)) return x;
  if (size < 30) {
    const double quarter = size * size / 4;
    double term = n == 0 ? 1 : size / 2, sum = term;
    for (int k = 1; term > sum * 1e-17 && k < 500; ++k) {
      term *= quarter / (static_cast<double>(k) * (k + n));
      sum += term;
    }
    return sign * sum * std::exp(-size);
  }
  if (std::isinf(x)) return 0;
  double term = 1, sum = 1;
  for (int k = 1; k < 60; ++k) {
    const double odd = 2 * k - 1, next = -term * (4.0 * n - odd * odd) / (k * 8 * size);
    if (std::abs(next) > std::abs(term) || std::abs(next) < 1e-18) break;
    sum += term = next;
  }
  return sign * sum / std::sqrt(2 * std::numbers::pi * size);
}
double bessel(double x, int n) {
  const double scaled = scaled_bessel(x, n);
  return scaled == 0 && std::isinf(x) ? (n == 1 ? x : kInfinity) : scaled * std::exp(std::abs(x));
}
/// I_1(x)/x.
double bessel_ratio(double x) { return x == 0 ? 0.5 : bessel(x, 1) / x; }
double scaled_ratio(double x) { return x == 0 ? 0.5 : scaled_bessel(x, 1) / x; }

/// Sum of (q + k)^-s over k >= 0 for whole s > 1, by Euler and Maclaurin's formula from 12 terms
/// on.
double hurwitz_zeta(double s, double q) {
  if (q <= 0 && q == std::floor(q)) return kInfinity;
  if (std::isnan(q)) return q;
  if (q < 0) {
    // Terms of negative numbers are, but for the sign, those of a sum that begins above zero.
    const double steps = -std::floor(q), from = q + steps, back = 1 - from;
    const double sign = static_cast<int64_t>(s) % 2 == 0 ? 1 : -1;
    return hurwitz_zeta(s, from) + sign * (hurwitz_zeta(s, back) - hurwitz_zeta(s, back + steps));
  }
  double sum = 0;
  while (q < 12) sum += std::pow(q++, -s);
  const double power = std::pow(q, -s);
  sum += q * power / (s - 1) + power / 2;
  // B_2k/(2k)!
  static const double kBernoulli[] = {1.0 / 12,
                                      -1.0 / 720,
                                      1.0 / 30240,
                                      -1.0 / 1209600,
                                      1.0 / 47900160,
                                      -691.0 / 1307674368000,
                                      1.0 / 74724249600.0,
                                      -3617.0 / 10670622842880000};
  double factor = s * power / q;
  for (int k = 0; k < 8; ++k) {
    sum += kBernoulli[k] * factor;
    factor *= (s + 2 * k + 1) * (s + 2 * k + 2) / (q * q);
  }
  return sum;
}

}  // namespace

double ops::polygamma_at(int64_t n, double x) {
  const auto order = static_cast<double>(n);
  return (n % 2 ? 1 : -1) * std::tgamma(order + 1) * hurwitz_zeta(order + 1, x);
}

namespace {

struct Polygamma {
  static constexpr const char* kNames[] = {"polygamma", "polygamma_grad", "polygamma_grad2"};
  template <int K>
  static double derivative(double x, Parameters p) {
    return ops::polygamma_at(static_cast<int64_t>(p.a) + K, x);
  }
};

double normal_density(double x) {
  return std::exp(-x * x / 2) * std::numbers::inv_sqrtpi / std::numbers::sqrt2;
}
double normal_integral(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }

/// exp(x^2) erfc(x); for large x by its continued fraction (Abramowitz & Stegun 7.1.14).
double scaled_erfc(double x) {
  if (x < 10) return std::exp(x * x) * std::erfc(x);
  double f = 0;
  for (int k = 60; k > 0; --k) f = (k / 2.0) / (x + f);
  return std::numbers::inv_sqrtpi / (x + f);
}
double log_normal_integral(double x) {
  return x < -1 ? std::log(scaled_erfc(-x / std::numbers::sqrt2) / 2) - x * x / 2
                : std::log1p(-0.5 * std::erfc(x / std::numbers::sqrt2));
}
/// The derivative of log_normal_integral.
double hazard(double x) {
  return x < -1 ? std::sqrt(2 / std::numbers::pi) / scaled_erfc(-x / std::numbers::sqrt2)
                : normal_density(x) / normal_integral(x);
}
/// Newton's steps on the logarithm of the integral, where 2p - 1 would lose digits of small p.
double normal_quantile(double p) {
  if (!(p > 0 && p < 1)) return p == 0 ? -kInfinity : p == 1 ? kInfinity : kNan;
  if (p > 0.01) return std::numbers::sqrt2 * inverse_erf(2 * p - 1);
  const double wanted = std::log(p);
  double x = -std::sqrt(-2 * wanted);
  for (int step = 0; step < 20; ++step) {
    const double change = (log_normal_integral(x) - wanted) / hazard(x);
    x -= change;
    if (std::abs(change) < 1e-15 * std::abs(x)) break;
  }
  return x;
}

/// A function by formulas for its value and its first two derivatives, all of x.
#define BALLAST_FUNCTION(TYPE, NAME, VALUE, FIRST, SECOND)                       \
  struct TYPE {                                                                  \
    static constexpr const char* kNames[] = {NAME, NAME "_grad", NAME "_grad2"}; \
    template <int K>                                                             \
    static double derivative(double x, Parameters) {                             \
      return K == 0 ? (VALUE) : K == 1 ? (FIRST) : (SECOND);                     \
    }                                                                            \
  };

double inverse_erf_slope(double y) {
  const double x = inverse_erf(y);
  return kHalfRootPi * std::exp(x * x);
}
double quantile_slope(double p) { return 1 / normal_density(normal_quantile(p)); }
double sign_of(double x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }

BALLAST_FUNCTION(Erfinv, "erfinv", inverse_erf(x), inverse_erf_slope(x),
                 2 * inverse_erf(x) * inverse_erf_slope(x) * inverse_erf_slope(x))
BALLAST_FUNCTION(I0, "i0", bessel(x, 0), bessel(x, 1), bessel(x, 0) - bessel_ratio(x))
BALLAST_FUNCTION(I1, "i1", bessel(x, 1), bessel(x, 0) - bessel_ratio(x),
                 bessel(x, 1) - (x == 0 ? 0 : (bessel(x, 0) - 2 * bessel_ratio(x)) / x))
BALLAST_FUNCTION(I0e, "i0e", scaled_bessel(x, 0),
                 scaled_bessel(x, 1) - sign_of(x) * scaled_bessel(x, 0),
                 2 * scaled_bessel(x, 0) - scaled_ratio(x) - 2 * sign_of(x) * scaled_bessel(x, 1))
BALLAST_FUNCTION(I1e, "i1e", scaled_bessel(x, 1),
                 scaled_bessel(x, 0) - scaled_ratio(x) - sign_of(x) * scaled_bessel(x, 1), kNan)
BALLAST_FUNCTION(Ndtr, "ndtr", normal_integral(x), normal_density(x), -x* normal_density(x))
BALLAST_FUNCTION(LogNdtr, "log_ndtr", log_normal_integral(x), hazard(x),
                 -hazard(x) * (x + hazard(x)))
BALLAST_FUNCTION(Ndtri, "ndtri", normal_quantile(x), quantile_slope(x),
                 normal_quantile(x) * quantile_slope(x) * quantile_slope(x))
BALLAST_FUNCTION(Erfcx, "erfcx", scaled_erfc(x),
                 2 * x * scaled_erfc(x) - 2 * std::numbers::inv_sqrtpi,
                 (2 + 4 * x * x) * scaled_erfc(x) - 4 * x * std::numbers::inv_sqrtpi)
BALLAST_FUNCTION(Entr, "entr",
                 x > 0    ? -x * std::log(x)
                 : x == 0 ? 0
                 : x < 0  ? -kInfinity
                          : x,
                 x > 0    ? -std::log(x) - 1
                 : x == 0 ? kInfinity
                          : kNan,
                 -1 / x)
#undef BALLAST_FUNCTION

template <class F>
Tensor fraction(const Tensor& x, Parameters p = {}) {
  return ops::apply<F>(is_floating(x.dtype()) ? x : cast(x, DType::kFloat32), p);
}

/// P(a, x) or Q(a, x): the series for small x, else the continued fraction by Lentz (Press et al.,
/// 6.2).
double incomplete_gamma(double a, double x, bool upper) {
  if (!(x >= 0 && a >= 0)) return kNan;
  if (a == 0) return x == 0 ? kNan : upper ? 0 : 1;
  if (x == 0) return upper ? 1 : 0;
  if (std::isinf(a)) return std::isinf(x) ? kNan : upper ? 1 : 0;
  if (std::isinf(x)) return upper ? 0 : 1;
  const double scale = std::exp(a * std::log(x) - x - std::lgamma(a));
  constexpr int kTerms = 100000;
  if (x < a + 1) {
    double term = 1 / a, sum = term;
    for (int k = 1; k < kTerms && term > sum * 1e-17; ++k) sum += term *= x / (a + k);
    return upper ? 1 - scale * sum : scale * sum;
  }
  constexpr double kTiny = 1e-300;
  double b = x + 1 - a, c = 1 / kTiny, d = 1 / b, h = d;
  for (int k = 1; k < kTerms; ++k) {
    const double numerator = -k * (k - a);
    b += 2;
    d = numerator * d + b;
    d = 1 / (d == 0 ? kTiny : d);
    c = b + numerator / c;
    if (c == 0) c = kTiny;
    const double step = c * d;
    h *= step;
    if (std::abs(step - 1) < 1e-16) break;
  }
  return upper ? scale * h : 1 - scale * h;
}

struct Incomplete {
  int64_t upper;
};

class IgammaOp final : public Op {
 public:
  explicit IgammaOp(const char* name) : Op(name) {}
  void reference(const Call& c) const override {
    const bool upper = c.attributes.as<Incomplete>().upper != 0;
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      for (int64_t i = 0, n = c.out.shape.numel(); i < n; ++i)
        c.output<T>()[i] = static_cast<T>(incomplete_gamma(
            static_cast<double>(c.input<T>(0)[i]), static_cast<double>(c.input<T>(1)[i]), upper));
    });
  }
  Gradients gradient(const Backward& b) const override {
    check<NotImplementedError>(!b.needs(0), "{}: the derivative by 'self' is not implemented",
                               name());
    const Tensor a = b.input(0), x = b.input(1);
    const Tensor slope = exp((a - 1) * log(x) - x - lgamma(a));
    return {Tensor(), b.grad() * (b.attributes<Incomplete>().upper ? neg(slope) : slope)};
  }

  static Tensor call(const Tensor& a, const Tensor& x, bool upper) {
    static const IgammaOp lower_op("igamma"), upper_op("igammac");
    const DType wide = ops::result_type(a, x), t = is_floating(wide) ? wide : DType::kFloat32;
    const Shape shape = broadcast(a.shape(), x.shape());
    return record(upper ? upper_op : lower_op, shape, t,
                  {expand(cast(a, t), shape), expand(cast(x, t), shape)}, Incomplete{upper});
  }
};

class NextafterOp final : public Op {
 public:
  NextafterOp() : Op("nextafter") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      for (int64_t i = 0, n = c.out.shape.numel(); i < n; ++i)
        c.output<T>()[i] = std::nextafter(c.input<T>(0)[i], c.input<T>(1)[i]);
    });
  }
  Gradients gradient(const Backward& b) const override { return {b.grad(), zeros_like(b.grad())}; }
  uint32_t gradient_reads() const override { return 0; }
};

/// The exponent, int64, or the mantissa where the output is a fraction.
class FrexpOp final : public Op {
 public:
  FrexpOp() : Op("frexp") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.in[0].dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      for (int64_t i = 0, n = c.out.shape.numel(); i < n; ++i) {
        int exponent = 0;
        const T mantissa = std::frexp(c.input<T>(0)[i], &exponent);
        if (c.out.dtype == DType::kInt64)
          c.output<int64_t>()[i] = exponent;
        else
          c.output<T>()[i] = mantissa;
      }
    });
  }
  Gradients gradient(const Backward& b) const override {
    const Tensor exponent = cast(frexp(b.input(0).detach()).exponent, b.grad().dtype());
    return {b.grad() * exp2(neg(exponent))};
  }
  uint32_t gradient_reads() const override { return 1; }
};

}  // namespace

Tensor erfinv(const Tensor& y) { return fraction<Erfinv>(y); }
Tensor i0(const Tensor& x) { return fraction<I0>(x); }
Tensor i1(const Tensor& x) { return fraction<I1>(x); }
Tensor i0e(const Tensor& x) { return fraction<I0e>(x); }
Tensor i1e(const Tensor& x) { return fraction<I1e>(x); }
Tensor ndtr(const Tensor& x) { return fraction<Ndtr>(x); }
Tensor log_ndtr(const Tensor& x) { return fraction<LogNdtr>(x); }
Tensor ndtri(const Tensor& p) { return fraction<Ndtri>(p); }
Tensor entr(const Tensor& x) { return fraction<Entr>(x); }
Tensor erfcx(const Tensor& x) { return fraction<Erfcx>(x); }

Tensor polygamma(int64_t n, const Tensor& x) {
  check(n >= 0, "polygamma(n, x) does not support negative n.");
  if (n == 0) return digamma(x);
  return fraction<Polygamma>(x, {.a = static_cast<double>(n)});
}

Tensor igamma(const Tensor& a, const Tensor& x) { return IgammaOp::call(a, x, false); }
Tensor igammac(const Tensor& a, const Tensor& x) { return IgammaOp::call(a, x, true); }

Tensor mvlgamma(const Tensor& x, int64_t p) {
  check(p >= 1, "p has to be greater than or equal to 1");
  Tensor sum = lgamma(x);
  for (int64_t j = 1; j < p; ++j) sum = sum + lgamma(x - 0.5 * static_cast<double>(j));
  return sum + static_cast<double>(p * (p - 1)) / 4 * std::log(std::numbers::pi);
}

Tensor nextafter(const Tensor& a, const Tensor& b) {
  static const NextafterOp op;
  const DType t = ops::result_type(a, b);
  check<NotImplementedError>(is_floating(t), "\"nextafter_cpu\" not implemented for '{}'",
                             ops::scalar_type_name(t));
  const Shape shape = broadcast(a.shape(), b.shape());
  return record(op, shape, t, {expand(cast(a, t), shape), expand(cast(b, t), shape)});
}

Frexp frexp(const Tensor& x) {
  static const FrexpOp op;
  check(is_floating(x.dtype()), "torch.frexp() only supports floating-point dtypes");
  return {record(op, x.shape(), x.dtype(), {x}),
          cast(record(op, x.shape(), DType::kInt64, {x}), DType::kInt32)};
}

Tensor angle(const Tensor& x) {
  const Tensor y = is_floating(x.dtype()) ? x : cast(x, DType::kFloat32);
  return where(lt(y, 0), std::numbers::pi, where(isnan(y), y, y * 0.0));
}

}  // namespace ballast
