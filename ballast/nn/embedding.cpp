#include "ballast/nn/embedding.h"

#include <algorithm>

#include "ballast/nn/init.h"
#include "ballast/nn/options.h"
#include "ballast/ops/create.h"

namespace ballast::nn {
namespace {

std::optional<int64_t> row_of_padding(std::optional<int64_t> padding_idx, int64_t rows) {
  if (!padding_idx) return padding_idx;
  check<ValueError>(*padding_idx >= -rows && *padding_idx < rows,
                    "Padding_idx must be within num_embeddings");
  return *padding_idx < 0 ? *padding_idx + rows : *padding_idx;
}

void draw(const Tensor& weight, const std::optional<int64_t>& padding_idx) {
  init::normal_(weight);
  if (!padding_idx) return;
  const auto values = Tensor(weight).mutable_data<float>();
  std::ranges::fill(values.subspan(*padding_idx * weight.size(1), weight.size(1)), 0.0f);
}

}  // namespace

Embedding::Embedding(int64_t num_embeddings, int64_t embedding_dim, EmbeddingOptions options)
    : weight(add_parameter("weight", empty({num_embeddings, embedding_dim}))), options_(options) {
  options_.padding_idx = row_of_padding(options.padding_idx, num_embeddings);
  reset_parameters();
}

void Embedding::reset_parameters() { draw(weight, options_.padding_idx); }

std::string Embedding::extra_repr() const {
  const EmbeddingOptions& o = options_;
  std::string out = fmt::format("{}, {}", weight.size(0), weight.size(1));
  if (o.padding_idx) out += fmt::format(", padding_idx={}", *o.padding_idx);
  if (o.max_norm) out += ", max_norm=" + python_str(*o.max_norm);
  if (o.norm_type != 2) out += ", norm_type=" + python_str(o.norm_type);
  if (o.scale_grad_by_freq) out += ", scale_grad_by_freq=True";
  return out;
}

EmbeddingBag::EmbeddingBag(int64_t num_embeddings, int64_t embedding_dim,
                           EmbeddingBagOptions options)
    : weight(add_parameter("weight", empty({num_embeddings, embedding_dim}))), options_(options) {
  options_.rows.padding_idx = row_of_padding(options.rows.padding_idx, num_embeddings);
  reset_parameters();
}

void EmbeddingBag::reset_parameters() { draw(weight, options_.rows.padding_idx); }

Tensor EmbeddingBag::operator()(const Tensor& indices, const Tensor& offsets,
                                const Tensor& per_sample_weights) const {
  return embedding_bag(
      indices, weight, offsets,
      {options_.mode, per_sample_weights, options_.include_last_offset, options_.rows});
}

std::string EmbeddingBag::extra_repr() const {
  constexpr const char* kModes[] = {"sum", "mean", "max"};
  return fmt::format("{}, {}, mode='{}'", weight.size(0), weight.size(1),
                     kModes[static_cast<int>(options_.mode)]);
}

}  // namespace ballast::nn
