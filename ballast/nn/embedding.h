// Look-up tables.
#pragma once

#include "ballast/nn/module.h"
#include "ballast/ops/embedding.h"

namespace ballast::nn {

/// Rows of a table, looked up by number (see `ballast::embedding`): whole numbers (...) to (...,
/// embedding_dim). Parameter: weight (num_embeddings, embedding_dim), normal, the row of
/// padding_idx zero. Throws ValueError for a padding_idx outside the table.
class Embedding : public Module {
 public:
  Embedding(int64_t num_embeddings, int64_t embedding_dim, EmbeddingOptions options = {});
  Tensor forward(const Tensor& indices) override { return embedding(indices, weight, options_); }
  std::string extra_repr() const override;
  /// Draws new initial values.
  void reset_parameters();

  ModuleTensor weight;

 private:
  EmbeddingOptions options_;
};

struct EmbeddingBagOptions {
  BagMode mode = BagMode::kMean;
  bool include_last_offset = false;  // the last offset is the end of the last bag
  EmbeddingOptions rows = {};        // as Embedding's
};

/// Sums, means or largest elements of bags of rows (see `ballast::embedding_bag`). Parameter:
/// weight, as Embedding's.
class EmbeddingBag : public Module {
 public:
  EmbeddingBag(int64_t num_embeddings, int64_t embedding_dim, EmbeddingBagOptions options = {});
  /// Of bags that are the rows of indices (bags, n), or begin at `offsets` of indices (n).
  Tensor operator()(const Tensor& indices, const Tensor& offsets = {},
                    const Tensor& per_sample_weights = {}) const;
  std::string extra_repr() const override;
  /// Draws new initial values.
  void reset_parameters();

  ModuleTensor weight;

 private:
  EmbeddingBagOptions options_;
};

}  // namespace ballast::nn
