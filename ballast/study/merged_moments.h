// Moments of data that come in parts.
#pragma once

#include <vector>

#include "ballast/graph/tensor.h"

namespace ballast::study {

/// Mean and centred squares of each channel of all values seen, merged in double (Chan, Golub &
/// LeVeque 1979): what it holds does not grow with the data.
struct MergedMoments {
  double count = 0;  // values per channel
  std::vector<double> mean, squares;

  /// Takes in `n` values per channel with these moments (3, C).
  void merge(const Tensor& moments, double n);
  /// Moments (3, C): mean, biased variance and standard deviation.
  Tensor moments(DType dtype) const;
};

}  // namespace ballast::study
