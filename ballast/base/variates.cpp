#include "ballast/base/variates.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ballast/base/error.h"

namespace ballast {
namespace {

double uniform(Generator& generator) {
  double u;
  ballast::uniform({&u, 1}, 0.0, 1.0, generator);
  return u;
}

double normal(Generator& generator) {
  double x;
  ballast::normal({&x, 1}, 0.0, 1.0, generator);
  return x;
}

double gamma_number(double shape, Generator& generator) {
  if (shape == 0.0 || std::isnan(shape)) return shape;
  double scale = 1.0;
  if (shape < 1.0) {
    scale = std::pow(1.0 - uniform(generator), 1.0 / shape);
    shape += 1.0;
  }
  const double d = shape - 1.0 / 3.0, c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    double x, y;
    do {
      x = normal(generator);
      y = 1.0 + c * x;
    } while (y <= 0.0);
    const double v = y * y * y, u = 1.0 - uniform(generator), squared = x * x;
    if (u < 1.0 - 0.0331 * squared * squared) return scale * d * v;
    if (std::log(u) < 0.5 * squared + d * (1.0 - v + std::log(v))) return scale * d * v;
  }
}

double poisson_small(double rate, Generator& generator) {
  const double end = std::exp(-rate);
  double count = 0.0, product = 1.0;
  for (;;) {
    product *= uniform(generator);
    if (product <= end) return count;
    count += 1.0;
  }
}

double poisson_large(double rate, Generator& generator) {
  const double log_rate = std::log(rate), b = 0.931 + 2.53 * std::sqrt(rate);
  const double a = -0.059 + 0.02483 * b, inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
  const double squeeze = 0.9277 - 3.6224 / (b - 2.0);
  for (;;) {
    const double u = uniform(generator) - 0.5, v = uniform(generator), us = 0.5 - std::abs(u);
    const double k = std::floor((2.0 * a / us + b) * u + rate + 0.43);
    if (us >= 0.07 && v <= squeeze) return k;
    if (k < 0.0 || (us < 0.013 && v > us)) continue;
    if (std::log(v) + std::log(inverse_alpha) - std::log(a / (us * us) + b) <=
        -rate + k * log_rate - std::lgamma(k + 1.0))
      return k;
  }
}

}  // namespace

void standard_gamma(std::span<double> shape, Generator& generator) {
  for (double x : shape) check(!(x < 0.0), "standard_gamma: expected shapes >= 0, got {}", x);
  constexpr double kLeast = std::numeric_limits<float>::min();
  for (double& x : shape) x = std::isnan(x) ? x : std::max(kLeast, gamma_number(x, generator));
}

void poisson(std::span<double> rate, Generator& generator) {
  for (double x : rate)
    check(x >= 0.0 && std::isfinite(x), "invalid Poisson rate, expected rate to be non-negative");
  for (double& x : rate) {
    if (x != 0.0) x = x < 10.0 ? poisson_small(x, generator) : poisson_large(x, generator);
  }
}

}  // namespace ballast
