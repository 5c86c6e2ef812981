// Attention: sums of values weighted by how well keys fit queries.
#pragma once

#include <optional>

#include "ballast/graph/tensor.h"

namespace ballast {

/// As PyTorch's `F.scaled_dot_product_attention`: softmax(q k^T * scale + mask) v for q (..., L,
/// E), k (..., S, E), v (..., S, V). A mask of bools says which keys a query may see, one of
/// numbers is added; a query that may see none gets zeros. Throws Error where sizes do not fit, and
/// for a mask beside `is_causal`.
struct AttentionOptions {
  Tensor mask = {};
  double dropout = 0;
  bool is_causal = false;            // query i sees keys 0 ... i
  std::optional<double> scale = {};  // 1/sqrt(E)
  bool grouped = false;              // fewer heads (dimension -3) of k and v, repeated
  bool zero_unseen = true;           // false: a query that may see no key gets NaN
};
struct Attention {
  Tensor value, weights;  // weights (..., L, S) after dropout
};
Attention attention(const Tensor& q, const Tensor& k, const Tensor& v,
                    const AttentionOptions& options = {});

/// The parameters of attention with several heads, as PyTorch's `F.multi_head_attention_forward`
/// has them; undefined tensors are left out.
struct HeadsOptions {
  int64_t embed = 0, heads = 1;
  Tensor in_weight = {}, in_bias = {}, bias_k = {}, bias_v = {};
  Tensor q_weight = {}, k_weight = {}, v_weight = {};  // in place of in_weight
  Tensor out_weight = {}, out_bias = {};
  Tensor static_k = {}, static_v = {};
  Tensor key_padding_mask = {};  // (N, S)
  Tensor attention_mask = {};    // (L, S) or (N*heads, L, S)
  double dropout = 0;
  bool zero_attention = false, training = true, need_weights = true, average_weights = true,
       is_causal = false;
};
/// query (L, N, E), key (S, N, E), value (S, N, E), or without N. The result (L, N, E) and, where
/// `need_weights`, the weights (N, L, S), or (N, heads, L, S) where not averaged; a query that may
/// see no key then gets NaN, else zeros. `is_causal` says that the mask is the causal one, which
/// is then not read if it stands alone and no weights are asked for.
Attention multi_head_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                               const HeadsOptions& options);

}  // namespace ballast
