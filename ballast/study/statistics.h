// Means with confidence intervals, and differences between runs that share their seeds.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ballast::study {

/// A mean with its 95 % confidence interval, of `n` values. Of one value, or of values that are not
/// all finite, the bounds are NaN.
struct Estimate {
  double mean, low, high;
  int64_t n;
};

/// The t with P(T <= t) = p for Student's distribution with `degrees` degrees of freedom (Student,
/// "The probable error of a mean", 1908). Throws ValueError unless 0 < p < 1 and degrees > 0.
double student_quantile(double p, double degrees);

/// mean -+ t*s/sqrt(n), s the unbiased standard deviation and t Student's 97.5 % quantile. Throws
/// ValueError without values.
Estimate mean_interval(std::span<const double> values);

/// That of a[i] - b[i]: runs i of both share a seed. Throws ValueError unless there are as many.
Estimate paired_difference(std::span<const double> a, std::span<const double> b);

/// How many of the test samples each run answered right: a row per seed, 1 or 0 for each sample.
using Correct = std::vector<std::vector<double>>;

/// The difference of two accuracies, as a fraction. Two things are random: the seed, and which
/// samples the test set happens to hold. For the first, Student's interval over the seeds; for the
/// second, the percentiles of 1000 bootstrap resamples of the test samples (Efron 1979), whose
/// generator is seeded by `seed`, each with its mean over the seeds. The interval is the hull of
/// both. Throws ValueError unless the two have the same, not empty, size.
Estimate accuracy_difference(const Correct& a, const Correct& b, uint64_t seed = 0);

/// Geometric mean and interval: that of the logarithms, exponentiated. Throws ValueError for values
/// that are not positive.
Estimate geometric_interval(std::span<const double> values);
/// That of a[i]/b[i].
Estimate paired_ratio(std::span<const double> a, std::span<const double> b);

}  // namespace ballast::study
