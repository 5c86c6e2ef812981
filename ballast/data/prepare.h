// From a data set to what a network takes: the one place where this is decided, for the tool, the
// examples and the tests alike.
#pragma once

#include <optional>
#include <string>

#include "ballast/data/dataset.h"
#include "ballast/data/pca.h"
#include "ballast/models/factory.h"

namespace ballast::data {

/// Training and test samples of one data set.
struct SplitArrays {
  ArrayDataset train, test;
};

/// The digits with their stored split for "digits"; else the file (see `load_arrays`), a fifth of
/// its samples (rounded down, at least one) for the test, chosen by PyTorch's `randperm` with seed
/// 0. Throws FileError, also where there is only one sample.
SplitArrays load_split(const std::string& source);

/// Turns samples (N, ...) float32 into what a network takes:
///   kComponents  the first ten principal components of the training samples; samples of ten
///                numbers stay as they are
///   kVector      (N, F)
///   kImage       (N, C, H, W); of (N, H, W) and of (N, F) with F a square, one grey channel
///   kColour      as kImage, one channel repeated to three
class Preparation {
 public:
  /// Nothing is learned from `train` but the principal components. Throws ValueError where such
  /// samples cannot be made.
  static Preparation fit(models::Input kind, const io::Array& train);
  /// Continues with components found before.
  Preparation(models::Input kind, std::optional<Pca> pca) : kind_(kind), pca_(std::move(pca)) {}

  /// Throws ValueError where the samples do not fit.
  io::Array operator()(const io::Array& inputs) const;
  ArrayDataset operator()(const ArrayDataset& d) const { return {(*this)(d.inputs), d.labels}; }

  const std::optional<Pca>& pca() const { return pca_; }

 private:
  models::Input kind_;
  std::optional<Pca> pca_;
};

/// `load_split` prepared for the network called `model`.
SplitArrays prepared(const std::string& source, const std::string& model);

/// Shape of one of the samples (N, ...).
Shape sample_shape(const io::Array& inputs);

/// The samples at `positions`, in that order. Throws IndexError for one that is not there.
ArrayDataset select(const ArrayDataset& d, std::span<const int64_t> positions);

}  // namespace ballast::data
