// Rows of a table, looked up by number, and sums over bags of them.
#pragma once

#include <optional>

#include "ballast/graph/tensor.h"

namespace ballast {

struct EmbeddingOptions {
  std::optional<int64_t> padding_idx = {};  // a row whose gradient is 0
  /// Rows looked up whose `norm_type`-norm is larger are shrunk to it, in place, before.
  std::optional<double> max_norm = {};
  double norm_type = 2.0;
  bool scale_grad_by_freq = false;  // gradients are divided by how often a row occurs
};

/// As PyTorch's `F.embedding`: whole numbers (...) become rows (..., columns) of weight (rows,
/// columns). Throws IndexError at evaluation for numbers outside the table, ValueError for a
/// padding_idx outside it.
Tensor embedding(const Tensor& indices, const Tensor& weight, const EmbeddingOptions& options = {});

enum class BagMode : uint8_t { kSum, kMean, kMax };
struct EmbeddingBagOptions {
  BagMode mode = BagMode::kMean;
  Tensor per_sample_weights = {};    // factors of the rows, shaped as the indices; kSum only
  bool include_last_offset = false;  // the last offset is the end of the last bag
  EmbeddingOptions rows = {};        // rows of padding_idx are left out
};

/// As PyTorch's `F.embedding_bag`: the sums, means or largest elements of bags of rows, (bags,
/// columns). Bags are the rows of indices (bags, n), or begin at `offsets` of indices (n). Looks at
/// indices and offsets. Throws ValueError where shapes do not fit, NotImplementedError for
/// weights with another mode.
Tensor embedding_bag(const Tensor& indices, const Tensor& weight, const Tensor& offsets = {},
                     const EmbeddingBagOptions& options = {});

}  // namespace ballast
