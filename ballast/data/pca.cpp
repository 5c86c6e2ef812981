#include "ballast/data/pca.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ballast::data {
namespace {

/// A symmetric n x n matrix `a`, row-major, becomes diagonal; the rows of `v` are its eigenvectors.
/// Jacobi's cyclic method: every rotation makes one element zero (Golub & Van Loan, "Matrix
/// Computations", 4th ed., section 8.5).
void diagonalize(std::vector<double>& a, std::vector<double>& v, int64_t n) {
  v.assign(n * n, 0.0);
  for (int64_t i = 0; i < n; ++i) v[i * n + i] = 1.0;
  const double total = std::inner_product(a.begin(), a.end(), a.begin(), 0.0);
  // Convergence is quadratic: some ten rounds suffice for any size; the bound only guards.
  for (int round = 0; round < 64; ++round) {
    double off = 0.0;
    for (int64_t p = 0; p < n; ++p)
      for (int64_t q = p + 1; q < n; ++q) off += a[p * n + q] * a[p * n + q];
    if (off <= 1e-32 * total) return;
    for (int64_t p = 0; p < n; ++p)
      for (int64_t q = p + 1; q < n; ++q) {
        const double apq = a[p * n + q];
        if (apq == 0.0) continue;
        const double theta = (a[q * n + q] - a[p * n + p]) / (2.0 * apq);
        const double t =
            std::copysign(1.0, theta) / (std::abs(theta) + std::sqrt(theta * theta + 1.0));
        const double c = 1.0 / std::sqrt(t * t + 1.0), s = t * c;
        auto rotate = [&](double& x, double& y) {
          const double old = x;
          x = c * old - s * y;
          y = s * old + c * y;
        };
        for (int64_t k = 0; k < n; ++k) rotate(a[k * n + p], a[k * n + q]);
        for (int64_t k = 0; k < n; ++k) rotate(a[p * n + k], a[q * n + k]);
        for (int64_t k = 0; k < n; ++k) rotate(v[p * n + k], v[q * n + k]);
      }
  }
}

std::vector<double> covariance(std::span<const float> x, const std::vector<double>& mean,
                               int64_t samples) {
  const int64_t f = mean.size();
  std::vector<double> out(f * f, 0.0), centred(f);
  for (int64_t i = 0; i < samples; ++i) {
    for (int64_t j = 0; j < f; ++j) centred[j] = x[i * f + j] - mean[j];
    for (int64_t j = 0; j < f; ++j)
      for (int64_t k = j; k < f; ++k) out[j * f + k] += centred[j] * centred[k];
  }
  for (int64_t j = 0; j < f; ++j)
    for (int64_t k = j; k < f; ++k)
      out[k * f + j] = out[j * f + k] /= static_cast<double>(samples - 1);
  return out;
}

}  // namespace

Pca Pca::fit(const io::Array& inputs, int64_t count) {
  const int64_t samples = inputs.shape.rank() > 0 ? inputs.shape[0] : 0;
  check<ValueError>(samples >= 2, "principal components need at least two samples, got shape {}",
                    inputs.shape);
  const int64_t f = inputs.numel() / samples;
  check<ValueError>(count >= 1 && count <= f,
                    "{} principal components were asked of samples of {} numbers", count, f);
  const auto x = inputs.as<float>();
  Pca out;
  out.mean.assign(f, 0.0);
  for (int64_t i = 0; i < samples; ++i)
    for (int64_t j = 0; j < f; ++j) out.mean[j] += x[i * f + j];
  for (double& m : out.mean) m /= static_cast<double>(samples);

  std::vector<double> a = covariance(x, out.mean, samples), vectors;
  diagonalize(a, vectors, f);
  std::vector<int64_t> order(f);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t i, int64_t j) { return a[i * f + i] > a[j * f + j]; });
  for (int64_t c = 0; c < count; ++c) {
    const double* v = &vectors[order[c] * f];
    const double largest =
        *std::max_element(v, v + f, [](double s, double t) { return std::abs(s) < std::abs(t); });
    for (int64_t j = 0; j < f; ++j) out.components.push_back(largest < 0 ? -v[j] : v[j]);
    out.variance.push_back(a[order[c] * f + order[c]]);
  }
  return out;
}

io::Array Pca::transform(const io::Array& inputs) const {
  const int64_t samples = inputs.shape.rank() > 0 ? inputs.shape[0] : 0, f = features();
  check<ValueError>(inputs.numel() == samples * f,
                    "principal components of {} numbers were asked of samples of shape {}", f,
                    inputs.shape);
  const auto x = inputs.as<float>();
  io::Array out = io::Array::empty(DType::kFloat32, {samples, count()});
  float* to = out.as<float>().data();
  for (int64_t i = 0; i < samples; ++i)
    for (int64_t c = 0; c < count(); ++c) {
      double sum = 0.0;
      for (int64_t j = 0; j < f; ++j) sum += (x[i * f + j] - mean[j]) * components[c * f + j];
      *to++ = static_cast<float>(sum);
    }
  return out;
}

}  // namespace ballast::data
