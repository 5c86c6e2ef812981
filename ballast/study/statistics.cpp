#include "ballast/study/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ballast/base/error.h"
#include "ballast/base/random.h"

namespace ballast::study {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kUpper = 0.975;
constexpr int64_t kResamples = 1000;

/// The continued fraction of the incomplete beta function (Abramowitz & Stegun 26.5.8), by Lentz's
/// method.
double beta_fraction(double x, double a, double b) {
  constexpr double kTiny = 1e-300;
  const auto away = [](double v) { return std::abs(v) < kTiny ? kTiny : v; };
  double c = 1.0, d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0)), result = d;
  for (int m = 1; m < 300; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    for (const double numerator : {even, odd}) {
      d = 1.0 / away(1.0 + numerator * d);
      c = away(1.0 + numerator / c);
      result *= d * c;
    }
    if (std::abs(d * c - 1.0) < 1e-15) break;
  }
  return result;
}

/// The regularized incomplete beta function I_x(a, b).
double incomplete_beta(double x, double a, double b) {
  if (x <= 0.0) return 0.0;
  if (x >= 1.0) return 1.0;
  const double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) +
                                a * std::log(x) + b * std::log1p(-x));
  if (x < (a + 1.0) / (a + b + 2.0)) return front * beta_fraction(x, a, b) / a;
  return 1.0 - front * beta_fraction(1.0 - x, b, a) / b;
}

double student_distribution(double t, double degrees) {
  const double inner = incomplete_beta(t * t / (degrees + t * t), 0.5, 0.5 * degrees);
  return 0.5 + std::copysign(0.5 * inner, t);
}

void check_pairs(size_t a, size_t b) {
  check<ValueError>(a == b && a > 0, "runs are compared in pairs, got {} and {}", a, b);
}

Estimate exponentiated(const Estimate& e) {
  return {std::exp(e.mean), std::exp(e.low), std::exp(e.high), e.n};
}

std::vector<double> logarithms(std::span<const double> values) {
  std::vector<double> out;
  for (const double v : values) {
    check<ValueError>(v > 0.0, "a geometric mean needs positive values, got {}", v);
    out.push_back(std::log(v));
  }
  return out;
}

/// For each sample the mean over the seeds of a - b.
std::vector<double> by_sample(const Correct& a, const Correct& b) {
  std::vector<double> out(a.front().size());
  for (size_t seed = 0; seed < a.size(); ++seed) {
    check_pairs(a[seed].size(), b[seed].size());
    check_pairs(a[seed].size(), out.size());
    for (size_t i = 0; i < out.size(); ++i) out[i] += a[seed][i] - b[seed][i];
  }
  for (double& v : out) v /= static_cast<double>(a.size());
  return out;
}

/// Means of resamples, sorted.
std::vector<double> resampled_means(const std::vector<double>& values, uint64_t seed) {
  Generator generator(seed);
  std::vector<double> means;
  for (int64_t r = 0; r < kResamples; ++r) {
    double sum = 0.0;
    for (size_t i = 0; i < values.size(); ++i) sum += values[generator.random32() % values.size()];
    means.push_back(sum / static_cast<double>(values.size()));
  }
  std::sort(means.begin(), means.end());
  return means;
}

}  // namespace

double student_quantile(double p, double degrees) {
  check<ValueError>(p > 0.0 && p < 1.0, "a quantile's probability is between 0 and 1, got {}", p);
  check<ValueError>(degrees > 0.0, "degrees of freedom must be positive, got {}", degrees);
  double low = -1.0, high = 1.0;
  while (student_distribution(low, degrees) > p) low *= 2.0;
  while (student_distribution(high, degrees) < p) high *= 2.0;
  for (int i = 0; i < 100; ++i) {
    const double middle = 0.5 * (low + high);
    (student_distribution(middle, degrees) < p ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

Estimate mean_interval(std::span<const double> values) {
  check<ValueError>(!values.empty(), "a mean needs at least one value");
  const auto n = static_cast<double>(values.size());
  double sum = 0.0, squares = 0.0;
  for (const double v : values) sum += v;
  const double mean = sum / n;
  for (const double v : values) squares += (v - mean) * (v - mean);
  const auto count = static_cast<int64_t>(values.size());
  if (count < 2 || !std::isfinite(mean)) return {mean, kNan, kNan, count};
  const double half = student_quantile(kUpper, n - 1.0) * std::sqrt(squares / (n - 1.0) / n);
  return {mean, mean - half, mean + half, count};
}

Estimate paired_difference(std::span<const double> a, std::span<const double> b) {
  check_pairs(a.size(), b.size());
  std::vector<double> differences;
  for (size_t i = 0; i < a.size(); ++i) differences.push_back(a[i] - b[i]);
  return mean_interval(differences);
}

Estimate accuracy_difference(const Correct& a, const Correct& b, uint64_t seed) {
  check_pairs(a.size(), b.size());
  check_pairs(a.front().size(), b.front().size());
  const std::vector<double> samples = by_sample(a, b);
  std::vector<double> accuracies_a, accuracies_b;
  for (size_t s = 0; s < a.size(); ++s) {
    accuracies_a.push_back(mean_interval(a[s]).mean);
    accuracies_b.push_back(mean_interval(b[s]).mean);
  }
  Estimate e = paired_difference(accuracies_a, accuracies_b);
  if (e.n < 2) return e;
  const std::vector<double> means = resampled_means(samples, seed);
  const auto tail = static_cast<size_t>((1.0 - kUpper) * kResamples);
  e.low = std::min(e.low, means[tail]);
  e.high = std::max(e.high, means[means.size() - 1 - tail]);
  return e;
}

Estimate geometric_interval(std::span<const double> values) {
  return exponentiated(mean_interval(logarithms(values)));
}

Estimate paired_ratio(std::span<const double> a, std::span<const double> b) {
  return exponentiated(paired_difference(logarithms(a), logarithms(b)));
}

}  // namespace ballast::study
