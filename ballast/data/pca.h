// Principal components (K. Pearson, "On lines and planes of closest fit to systems of points in
// space", 1901).
#pragma once

#include <vector>

#include "ballast/io/array.h"

namespace ballast::data {

/// The directions in which samples vary most.
struct Pca {
  /// Finds the first `count` components of `inputs` (N, ...) float32, every sample taken as a
  /// vector of F numbers: the eigenvectors of their covariance, largest eigenvalue first, each with
  /// the sign that makes its element of largest magnitude positive (scikit-learn's rule). In double
  /// by Jacobi's rotations in a fixed order: the same samples give the same bits. Throws ValueError
  /// unless there are at least two samples and 1 <= count <= F.
  static Pca fit(const io::Array& inputs, int64_t count);

  /// The samples' coordinates (N, count) float32: (x - mean) . component. Throws ValueError where
  /// the samples have not the size of those it was fitted to.
  io::Array transform(const io::Array& inputs) const;

  int64_t features() const { return static_cast<int64_t>(mean.size()); }
  int64_t count() const { return static_cast<int64_t>(variance.size()); }

  std::vector<double> mean;        ///< (F)
  std::vector<double> components;  ///< (count, F), rows of length 1
  std::vector<double> variance;    ///< (count): of the coordinates, unbiased
};

}  // namespace ballast::data
