#include "ballast/study/merged_moments.h"

#include <cmath>

#include "ballast/ops/batch_statistics.h"
#include "ballast/ops/pointwise.h"

namespace ballast::study {

void MergedMoments::merge(const Tensor& moments, double n) {
  if (n == 0) return;
  const Tensor wide = moments.detach().to(DType::kFloat64);
  const auto values = wide.data<double>();
  const size_t channels = values.size() / kMomentRows;
  mean.resize(channels);
  squares.resize(channels);
  const double total = count + n;
  for (size_t c = 0; c < channels; ++c) {
    const double delta = values[c] - mean[c];
    mean[c] += delta * (n / total);
    squares[c] += values[channels + c] * n + delta * delta * (count * n / total);
  }
  count = total;
}

Tensor MergedMoments::moments(DType dtype) const {
  std::vector<double> out(mean);
  for (double s : squares) out.push_back(s / count);
  for (double s : squares) out.push_back(std::sqrt(s / count));
  return Tensor::from(out, {kMomentRows, static_cast<int64_t>(mean.size())}).to(dtype);
}

}  // namespace ballast::study
