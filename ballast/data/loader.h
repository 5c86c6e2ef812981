// Batches of a data set, in PyTorch's order for the same seed.
#pragma once

#include <iterator>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ballast/base/random.h"
#include "ballast/data/dataset.h"
#include "ballast/data/digits.h"
#include "ballast/graph/tensor.h"

namespace ballast::data {

/// Some samples with their labels: `auto [x, y] = batch`.
struct Batch {
  Tensor x, y;
};

/// Samples x (N, ...) with labels y (N, ...).
class TensorDataset {
 public:
  /// Throws ValueError "Size mismatch between tensors" unless both have as many rows.
  TensorDataset(const Tensor& x, const Tensor& y);
  /// The arrays' memory is shared, not copied.
  explicit TensorDataset(const ArrayDataset& arrays);

  int64_t size() const { return x_.size(0); }
  const Tensor& x() const { return x_; }
  const Tensor& y() const { return y_; }
  /// Copies of the rows with these indices. Throws IndexError for one outside [0, N).
  Batch rows(std::span<const int64_t> indices) const;

 private:
  Tensor x_, y_;
};

/// The handwritten digits as tensors; see `digits_arrays`.
TensorDataset digits(Split split = Split::kAll);

struct LoaderOptions {
  int64_t batch_size = 1;
  bool shuffle = false;
  bool drop_last = false;          // leave out the last batch if it is smaller
  Generator* generator = nullptr;  // must outlive the loader; null: the default generator
};

/// Batches of a data set, a pass (epoch) for each `begin()`. As PyTorch's `DataLoader` without
/// workers: the same batches for the same seed, and the generator is left in the same state.
///   for (auto [x, y] : loader) ...
class Loader {
 public:
  /// Throws ValueError unless the batch size is positive.
  explicit Loader(TensorDataset dataset, LoaderOptions options = {});

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Batch;
    using difference_type = std::ptrdiff_t;
    using pointer = const Batch*;
    using reference = const Batch&;

    Iterator() = default;
    reference operator*() const { return batch_; }
    pointer operator->() const { return &batch_; }
    Iterator& operator++();
    bool operator==(std::default_sentinel_t) const { return !loader_; }

   private:
    friend class Loader;
    explicit Iterator(Loader* loader) : loader_(loader) { ++*this; }
    Loader* loader_ = nullptr;
    Batch batch_;
  };

  /// Starts an epoch, or goes on with the one that `load_state_dict` restored.
  Iterator begin();
  std::default_sentinel_t end() const { return {}; }

  /// Batches of an epoch.
  int64_t num_batches() const;
  const TensorDataset& dataset() const { return dataset_; }
  const LoaderOptions& options() const { return options_; }
  /// Epochs begun so far.
  int64_t epoch() const { return epoch_; }

  /// Where the loader is: "epoch", "next" (the batch to come), "order" (of the present epoch) and
  /// "generator" (where it has its own).
  std::vector<std::pair<std::string, Tensor>> state_dict() const;
  /// The next `begin()` continues there. Throws Error, before anything is changed, where names are
  /// missing or the data set has another size.
  void load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state);

 private:
  bool next(Batch& batch);

  TensorDataset dataset_;
  LoaderOptions options_;
  std::vector<int64_t> order_;  // of the present epoch; empty where it is 0, 1, ...
  int64_t epoch_ = 0, next_ = 0;
  bool ended_ = true;      // the present epoch
  bool restored_ = false;  // begin() goes on
};

}  // namespace ballast::data
