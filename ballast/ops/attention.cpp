#include "ballast/ops/attention.h"

#include <cmath>
#include <limits>

#include "ballast/ops/compare.h"
#include "ballast/ops/create.h"
#include "ballast/ops/dropout.h"
#include "ballast/ops/extremes.h"
#include "ballast/ops/matmul.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/softmax.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

/// A mask as numbers to add.
Tensor additive(const Tensor& mask, DType t, bool true_is_seen) {
  if (mask.dtype() != DType::kBool) return mask.dtype() == t ? mask : cast(mask, t);
  return masked_fill(zeros(mask.shape(), t), true_is_seen ? logical_not(mask) : mask, kNever);
}

/// softmax over the last dimension, zeros where all is minus infinity.
Tensor softmax_or_zero(const Tensor& x) {
  if (x.numel() == 0) return softmax(x, -1);
  const Tensor none = eq(amax(x.detach(), {-1}, true), kNever);
  return masked_fill(softmax(masked_fill(x, none, 0), -1), none, 0);
}

/// Heads (dimension -3) each repeated until there are `heads`.
Tensor repeated_heads(const Tensor& x, int64_t heads) {
  const int64_t own = x.size(-3);
  if (own == heads) return x;
  check(own > 0 && heads % own == 0,
        "scaled_dot_product_attention: enable_gqa expects the number of heads of key and value to "
        "divide that of query, got {} and {}",
        own, heads);
  Shape wide = x.shape(), out = x.shape();
  const int at = x.dim() - 3;
  Shape s(wide.dims().first(at + 1));
  s.push_back(heads / own);
  s.push_back(x.size(-2));
  s.push_back(x.size(-1));
  out[at] = heads;
  return reshape(expand(unsqueeze(x, at + 1), s), out);
}

}  // namespace

Attention attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& o) {
  check(q.dim() >= 2 && k.dim() >= 2 && v.dim() >= 2,
        "scaled_dot_product_attention: Expected query, key, and value to all be at least 2 "
        "dimensional, but got query.dim: {}, key.dim: {} and value.dim: {} instead.",
        q.dim(), k.dim(), v.dim());
  check(q.dtype() == k.dtype() && q.dtype() == v.dtype(),
        "Expected query, key, and value to have the same dtype, but got query.dtype: {} key.dtype: "
        "{} and value.dtype: {} instead.",
        name_of(q.dtype()), name_of(k.dtype()), name_of(v.dtype()));
  check(!o.mask.defined() || !o.is_causal,
        "scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True");
  // Both factors are scaled by the root, so that products of half the range do not overflow.
  const double scale = o.scale.value_or(1 / std::sqrt(static_cast<double>(q.size(-1))));
  const double root = std::sqrt(std::abs(scale));
  const Tensor keys = o.grouped ? repeated_heads(k, q.size(-3)) : k;
  const Tensor values = o.grouped ? repeated_heads(v, q.size(-3)) : v;
  Tensor scores = matmul(q * std::copysign(root, scale), transpose(keys * root, -2, -1));
  if (o.is_causal) {
    const Tensor seen = tril(ones({q.size(-2), k.size(-2)}, q.dtype()));
    scores = scores + additive(gt(seen, 0), q.dtype(), true);
  }
  if (o.mask.defined()) scores = scores + additive(o.mask, q.dtype(), true);
  Tensor weights = o.zero_unseen ? softmax_or_zero(scores) : softmax(scores, -1);
  if (o.dropout > 0) weights = dropout(weights, o.dropout, true);
  return {matmul(weights, values), weights};
}

namespace {

/// The projections of query, key and value.
struct Projected {
  Tensor q, k, v;
};
Projected project(const Tensor& query, const Tensor& key, const Tensor& value,
                  const HeadsOptions& o) {
  const auto bias = [&](int64_t i) {
    return o.in_bias.defined() ? narrow(o.in_bias, 0, i * o.embed, o.embed) : Tensor();
  };
  if (o.q_weight.defined())
    return {linear(query, o.q_weight, bias(0)), linear(key, o.k_weight, bias(1)),
            linear(value, o.v_weight, bias(2))};
  check(o.in_weight.defined(), "use_separate_proj_weight is False but in_proj_weight is None");
  const auto weight = [&](int64_t i) { return narrow(o.in_weight, 0, i * o.embed, o.embed); };
  return {linear(query, weight(0), bias(0)), linear(key, weight(1), bias(1)),
          linear(value, weight(2), bias(2))};
}

/// (S, N, E) to (N*heads, S, E/heads).
Tensor by_heads(const Tensor& x, int64_t batch, int64_t heads, int64_t width) {
  return transpose(reshape(x, Shape{x.size(0), batch * heads, width}), 0, 1);
}

}  // namespace

Attention multi_head_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                               const HeadsOptions& o) {
  check(query.dim() == 2 || query.dim() == 3,
        "query should be unbatched 2D or batched 3D tensor but received {}-D query tensor",
        query.dim());
  check(key.dim() == query.dim() && value.dim() == query.dim(),
        "For {} `query`, expected `key` and `value` to be {}-D but found {}-D and {}-D tensors "
        "respectively",
        query.dim() == 3 ? "batched (3-D)" : "unbatched (2-D)", query.dim(), key.dim(),
        value.dim());
  if (query.dim() == 2) {
    HeadsOptions batched = o;
    if (o.key_padding_mask.defined()) batched.key_padding_mask = unsqueeze(o.key_padding_mask, 0);
    Attention out =
        multi_head_attention(unsqueeze(query, 1), unsqueeze(key, 1), unsqueeze(value, 1), batched);
    out.value = squeeze(out.value, 1);
    if (out.weights.defined()) out.weights = squeeze(out.weights, 0);
    return out;
  }
  const int64_t length = query.size(0), batch = query.size(1), width = o.embed / o.heads;
  check(query.size(2) == o.embed, "was expecting embedding dimension of {}, but got {}", o.embed,
        query.size(2));
  check(width * o.heads == o.embed, "embed_dim {} not divisible by num_heads {}", o.embed, o.heads);
  auto [q, k, v] = project(query, key, value, o);
  Tensor padding = o.key_padding_mask, mask = o.attention_mask;
  check(!o.is_causal || mask.defined(), "Need attn_mask if specifying the is_causal hint.");
  const bool causal = o.is_causal && !padding.defined() && !o.need_weights;
  if (causal) mask = Tensor();
  int64_t extra = 0;  // keys behind the given ones
  if (o.bias_k.defined()) {
    k = cat({k, expand(o.bias_k, Shape{1, batch, o.embed})}, 0);
    v = cat({v, expand(o.bias_v, Shape{1, batch, o.embed})}, 0);
    ++extra;
  }
  q = by_heads(q, batch, o.heads, width);
  k = o.static_k.defined() ? o.static_k : by_heads(k, batch, o.heads, width);
  v = o.static_v.defined() ? o.static_v : by_heads(v, batch, o.heads, width);
  if (o.zero_attention) {
    const Tensor nothing = zeros({batch * o.heads, 1, width}, k.dtype());
    k = cat({k, nothing}, 1);
    v = cat({v, nothing}, 1);
    ++extra;
  }
  const int64_t keys = k.size(1);
  const DType type = q.dtype();
  // Masks see all of the extra keys.
  const auto wider = [&](const Tensor& m) {
    const Tensor numbers = additive(m, type, false);
    if (m.size(-1) == keys || extra == 0) return numbers;
    Shape s = m.shape();
    s[s.rank() - 1] = extra;
    return cat({numbers, zeros(s, type)}, -1);
  };
  Tensor sum;
  if (mask.defined()) {
    check(mask.dim() == 2 || mask.dim() == 3, "attn_mask's dimension {} is not supported",
          mask.dim());
    const Tensor m = wider(mask);
    const Shape expected = mask.dim() == 2 ? Shape{length, keys - extra}
                                           : Shape{batch * o.heads, length, keys - extra};
    check(mask.shape() == expected, "The shape of the {}D attn_mask is {}, but should be {}.",
          mask.dim(), mask.shape(), expected);
    sum = mask.dim() == 2 ? reshape(m, Shape{1, 1, length, keys})
                          : reshape(m, Shape{batch, o.heads, length, keys});
  }
  if (padding.defined()) {
    const Tensor m = wider(padding);
    check(m.shape() == (Shape{batch, keys}),
          "expecting key_padding_mask shape of ({}, {}), but got {}", batch, keys - extra,
          padding.shape());
    const Tensor p = reshape(m, Shape{batch, 1, 1, keys});
    sum = sum.defined() ? sum + p : p;
  }
  const auto apart = [&](const Tensor& x) {
    return reshape(x, Shape{batch, o.heads, x.size(1), width});
  };
  const Attention made = attention(apart(q), apart(k), apart(v),
                                   {.mask = sum,
                                    .dropout = o.training ? o.dropout : 0.0,
                                    .is_causal = causal,
                                    .zero_unseen = !o.need_weights});
  const Tensor joined = reshape(permute(made.value, {2, 0, 1, 3}), Shape{length * batch, o.embed});
  const Tensor out = linear(joined, o.out_weight, o.out_bias);
  Attention result{reshape(out, Shape{length, batch, out.size(1)}), Tensor()};
  if (o.need_weights) result.weights = o.average_weights ? mean(made.weights, {1}) : made.weights;
  return result;
}

}  // namespace ballast
