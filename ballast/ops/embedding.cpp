#include "ballast/ops/embedding.h"

#include <algorithm>
#include <vector>

#include "ballast/ops/compare.h"
#include "ballast/ops/create.h"
#include "ballast/ops/extremes.h"
#include "ballast/ops/index.h"
#include "ballast/ops/loss_margin.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

/// How often each row of a table of `rows` rows is looked up.
Tensor counts(const Tensor& indices, int64_t rows) {
  return index_sum(ones_like(indices), 0, indices, rows);
}

/// Shrinks the rows that are looked up and longer than allowed, in place.
void shrink(const Tensor& weight, const Tensor& indices, const EmbeddingOptions& o) {
  const NoGrad off;
  const Tensor length = vector_norm(weight, o.norm_type, {1}, true);
  const Tensor used = unsqueeze(gt(counts(indices, weight.size(0)), 0), 1);
  const Tensor factor = *o.max_norm / (length + 1e-7);
  const Tensor long_rows = logical_and(used, gt(length, *o.max_norm));
  Tensor(weight).copy_(where(long_rows, weight * factor, weight));
}

/// Rows for a vector of indices.
Tensor looked_up(const Tensor& indices, const Tensor& weight, EmbeddingOptions o) {
  const int64_t n = weight.size(0);
  if (o.max_norm) shrink(weight, indices, o);
  Tensor rows = index_select(weight, 0, indices);
  const Tensor still = rows.detach();
  if (o.scale_grad_by_freq) {
    const Tensor times = unsqueeze(index_select(counts(indices, n), 0, indices), 1);
    rows = still + (rows - still) / cast(times, rows.dtype());
  }
  if (o.padding_idx) rows = where(unsqueeze(eq(indices, *o.padding_idx), 1), still, rows);
  return rows;
}

EmbeddingOptions checked(EmbeddingOptions o, const Tensor& weight) {
  check<ValueError>(weight.dim() == 2, "'weight' must be 2-D, got {}", weight.shape());
  const int64_t n = weight.size(0);
  if (o.padding_idx) {
    check<ValueError>(*o.padding_idx >= -n && *o.padding_idx < n,
                      "Padding_idx must be within num_embeddings");
    if (*o.padding_idx < 0) *o.padding_idx += n;
  }
  return o;
}

Tensor flat_indices(const Tensor& indices) {
  check(!is_floating(indices.dtype()) && indices.dtype() != DType::kBool,
        "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
        "Long, Int; but got {} instead",
        name_of(indices.dtype()));
  return cast(reshape(indices, Shape{indices.numel()}), DType::kInt64);
}

/// Where bags begin, and the end.
std::vector<int64_t> bag_bounds(const Tensor& indices, const Tensor& offsets,
                                bool include_last_offset) {
  check<ValueError>(indices.dim() == 1 || indices.dim() == 2,
                    "input has to be 1D or 2D Tensor, but got Tensor of dimension {}",
                    indices.dim());
  std::vector<int64_t> bounds;
  if (indices.dim() == 2) {
    check<ValueError>(!offsets.defined(), "if input is 2D, then offsets has to be None");
    for (int64_t bag = 0; bag <= indices.size(0); ++bag) bounds.push_back(bag * indices.size(1));
    return bounds;
  }
  check<ValueError>(offsets.defined() && offsets.dim() == 1, "offsets has to be a 1D Tensor{}",
                    offsets.defined() ? "" : " but got None");
  bounds = cast(offsets, DType::kInt64).values<int64_t>();
  if (!include_last_offset) bounds.push_back(indices.numel());
  check(!bounds.empty() && bounds.front() == 0 && std::ranges::is_sorted(bounds) &&
            bounds.back() <= indices.numel(),
        "offsets must begin with 0, not decrease and not exceed the number of indices ({})",
        indices.numel());
  return bounds;
}

}  // namespace

Tensor embedding(const Tensor& indices, const Tensor& weight, const EmbeddingOptions& options) {
  const Tensor rows = looked_up(flat_indices(indices), weight, checked(options, weight));
  Shape shape = indices.shape();
  shape.push_back(weight.size(1));
  return reshape(rows, shape);
}

Tensor embedding_bag(const Tensor& indices, const Tensor& weight, const Tensor& offsets,
                     const EmbeddingBagOptions& o) {
  if (is_half(indices.dtype()))
    return cast(
        embedding_bag(ops::widened(indices), ops::widened(weight), ops::widened(offsets), o),
        indices.dtype());
  check<NotImplementedError>(
      !o.per_sample_weights.defined() || o.mode == BagMode::kSum,
      "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for "
      "mode='sum'");
  const std::vector<int64_t> bounds = bag_bounds(indices, offsets, o.include_last_offset);
  const EmbeddingOptions row_options = checked(o.rows, weight);
  const Tensor flat = flat_indices(indices);
  Tensor rows = looked_up(flat, weight, row_options);
  if (o.per_sample_weights.defined())
    rows = rows * reshape(o.per_sample_weights, Shape{flat.numel(), 1});

  // The rows that count, bag by bag.
  const int64_t bags = static_cast<int64_t>(bounds.size()) - 1;
  const std::span<const int64_t> index = flat.data<int64_t>();
  std::vector<int64_t> used, bag_of, sizes(bags, 0);
  for (int64_t bag = 0; bag < bags; ++bag)
    for (int64_t i = bounds[bag]; i < bounds[bag + 1]; ++i) {
      if (row_options.padding_idx && index[i] == *row_options.padding_idx) continue;
      used.push_back(i);
      bag_of.push_back(bag);
      ++sizes[bag];
    }
  const auto vector = [](const std::vector<int64_t>& v) {
    return Tensor::from(v, Shape{static_cast<int64_t>(v.size())});
  };
  if (used.empty()) return zeros({bags, weight.size(1)}, weight.dtype());
  const Tensor taken = index_select(rows, 0, vector(used));
  if (o.mode == BagMode::kMax) {
    std::vector<Tensor> largest;
    int64_t at = 0;
    for (int64_t size : sizes) {
      largest.push_back(size > 0 ? max(narrow(taken, 0, at, size), 0).values
                                 : zeros({weight.size(1)}, weight.dtype()));
      at += size;
    }
    return stack(largest, 0);
  }
  const Tensor sums = index_sum(taken, 0, vector(bag_of), bags);
  if (o.mode == BagMode::kSum) return sums;
  for (int64_t& size : sizes) size = std::max<int64_t>(size, 1);
  return sums / cast(unsqueeze(vector(sizes), 1), sums.dtype());
}

}  // namespace ballast
