#include "ballast/nn/transformer.h"

#include <limits>

#include "ballast/nn/init.h"
#include "ballast/nn/sequential.h"
#include "ballast/ops/create.h"
#include "ballast/ops/rearrange.h"

namespace ballast::nn {
namespace {

MultiheadAttention attention_of(int64_t d_model, int64_t nhead, const TransformerLayerOptions& o) {
  return {d_model, nhead, {.dropout = o.dropout, .bias = o.bias, .batch_first = o.batch_first}};
}
LayerNorm norm_of(int64_t d_model, const TransformerLayerOptions& o) {
  return LayerNorm({d_model}, {.eps = o.layer_norm_eps, .bias = o.bias});
}

/// Drops from a result of attention, which lies in memory steps first: so PyTorch draws.
Tensor dropped(Dropout& dropout, const Tensor& x, bool batch_first) {
  if (!batch_first || x.dim() != 3) return dropout(x);
  return transpose(dropout(transpose(x, 0, 1)), 0, 1);
}

/// PyTorch's name for the module whose children are the layers.
class ModuleList : public Sequential {};

/// Copies of a layer, as the children of one module.
template <class Layer>
ModuleList copies(const Layer& layer, int64_t n, std::vector<Layer>& to) {
  ModuleList list;
  for (int64_t i = 0; i < n; ++i) {
    to.push_back(clone(layer));
    list.push_back(to.back());
  }
  return list;
}

}  // namespace

MultiheadAttention::MultiheadAttention(int64_t embed_dim, int64_t num_heads,
                                       MultiheadAttentionOptions options)
    : embed_dim_(embed_dim),
      num_heads_(num_heads),
      options_(options),
      out_proj_(embed_dim, embed_dim, {.bias = options.bias}) {
  check<ValueError>(embed_dim > 0 && num_heads > 0,
                    "embed_dim and num_heads must be greater than 0, got embed_dim={} and "
                    "num_heads={} instead",
                    embed_dim, num_heads);
  check(embed_dim % num_heads == 0, "embed_dim must be divisible by num_heads");
  const int64_t kdim = options.kdim.value_or(embed_dim), vdim = options.vdim.value_or(embed_dim);
  const auto weight = [&](const char* name, int64_t rows, int64_t columns) {
    return add_parameter(name, init::xavier_uniform_(empty({rows, columns})));
  };
  if (kdim == embed_dim && vdim == embed_dim) {
    in_weight_ = weight("in_proj_weight", 3 * embed_dim, embed_dim);
  } else {
    q_weight_ = weight("q_proj_weight", embed_dim, embed_dim);
    k_weight_ = weight("k_proj_weight", embed_dim, kdim);
    v_weight_ = weight("v_proj_weight", embed_dim, vdim);
  }
  if (options.bias) {
    in_bias_ = add_parameter("in_proj_bias", zeros({3 * embed_dim}));
    init::zeros_(out_proj_.bias);
  }
  if (options.add_bias_kv) {
    bias_k_ = add_parameter("bias_k", init::xavier_normal_(empty({1, 1, embed_dim})));
    bias_v_ = add_parameter("bias_v", init::xavier_normal_(empty({1, 1, embed_dim})));
  }
  add("out_proj", out_proj_);
}

Attention MultiheadAttention::operator()(const Tensor& query, const Tensor& key,
                                         const Tensor& value, const AttentionMasks& masks,
                                         bool need_weights, bool average_weights) const {
  const bool swap = options_.batch_first && query.dim() == 3;
  const auto steps_first = [&](const Tensor& x) { return swap ? transpose(x, 0, 1) : x; };
  Attention made = multi_head_attention(steps_first(query), steps_first(key), steps_first(value),
                                        {.embed = embed_dim_,
                                         .heads = num_heads_,
                                         .in_weight = in_weight_,
                                         .in_bias = in_bias_,
                                         .bias_k = bias_k_,
                                         .bias_v = bias_v_,
                                         .q_weight = q_weight_,
                                         .k_weight = k_weight_,
                                         .v_weight = v_weight_,
                                         .out_weight = out_proj_.weight,
                                         .out_bias = out_proj_.bias,
                                         .key_padding_mask = masks.padding,
                                         .attention_mask = masks.attention,
                                         .dropout = options_.dropout,
                                         .zero_attention = options_.add_zero_attn,
                                         .training = training(),
                                         .need_weights = need_weights,
                                         .average_weights = average_weights,
                                         .is_causal = masks.is_causal});
  made.value = steps_first(made.value);
  return made;
}

TransformerEncoderLayer::TransformerEncoderLayer(int64_t d_model, int64_t nhead,
                                                 TransformerLayerOptions options)
    : options_(std::move(options)),
      self_attn_(add("self_attn", attention_of(d_model, nhead, options_))),
      linear1_(add("linear1", Linear(d_model, options_.dim_feedforward, {.bias = options_.bias}))),
      dropout_(add("dropout", Dropout(options_.dropout))),
      linear2_(add("linear2", Linear(options_.dim_feedforward, d_model, {.bias = options_.bias}))),
      norm1_(add("norm1", norm_of(d_model, options_))),
      norm2_(add("norm2", norm_of(d_model, options_))),
      dropout1_(add("dropout1", Dropout(options_.dropout))),
      dropout2_(add("dropout2", Dropout(options_.dropout))) {}

Tensor TransformerEncoderLayer::operator()(const Tensor& x, const AttentionMasks& masks) {
  const auto attend = [&](const Tensor& y) {
    return dropped(dropout1_, self_attn_(y, y, y, masks, false).value, options_.batch_first);
  };
  const auto map = [&](const Tensor& y) {
    return dropout2_(linear2_(dropout_(options_.activation(linear1_(y)))));
  };
  if (options_.norm_first) {
    const Tensor y = x + attend(norm1_(x));
    return y + map(norm2_(y));
  }
  const Tensor y = norm1_(x + attend(x));
  return norm2_(y + map(y));
}

TransformerDecoderLayer::TransformerDecoderLayer(int64_t d_model, int64_t nhead,
                                                 TransformerLayerOptions options)
    : options_(std::move(options)),
      self_attn_(add("self_attn", attention_of(d_model, nhead, options_))),
      multihead_attn_(add("multihead_attn", attention_of(d_model, nhead, options_))),
      linear1_(add("linear1", Linear(d_model, options_.dim_feedforward, {.bias = options_.bias}))),
      dropout_(add("dropout", Dropout(options_.dropout))),
      linear2_(add("linear2", Linear(options_.dim_feedforward, d_model, {.bias = options_.bias}))),
      norm1_(add("norm1", norm_of(d_model, options_))),
      norm2_(add("norm2", norm_of(d_model, options_))),
      norm3_(add("norm3", norm_of(d_model, options_))),
      dropout1_(add("dropout1", Dropout(options_.dropout))),
      dropout2_(add("dropout2", Dropout(options_.dropout))),
      dropout3_(add("dropout3", Dropout(options_.dropout))) {}

Tensor TransformerDecoderLayer::operator()(const Tensor& x, const Tensor& memory,
                                           const AttentionMasks& own, const AttentionMasks& other) {
  const auto attend = [&](const Tensor& y) {
    return dropped(dropout1_, self_attn_(y, y, y, own, false).value, options_.batch_first);
  };
  const auto look_back = [&](const Tensor& y) {
    return dropped(dropout2_, multihead_attn_(y, memory, memory, other, false).value,
                   options_.batch_first);
  };
  const auto map = [&](const Tensor& y) {
    return dropout3_(linear2_(dropout_(options_.activation(linear1_(y)))));
  };
  if (options_.norm_first) {
    Tensor y = x + attend(norm1_(x));
    y = y + look_back(norm2_(y));
    return y + map(norm3_(y));
  }
  Tensor y = norm1_(x + attend(x));
  y = norm2_(y + look_back(y));
  return norm3_(y + map(y));
}

TransformerEncoder::TransformerEncoder(const TransformerEncoderLayer& layer, int64_t num_layers,
                                       std::optional<LayerNorm> norm)
    : norm_(std::move(norm)) {
  add("layers", copies(layer, num_layers, layers_));
  if (norm_) add("norm", *norm_);
}

Tensor TransformerEncoder::operator()(const Tensor& x, const AttentionMasks& masks) {
  Tensor y = x;
  for (TransformerEncoderLayer& layer : layers_) y = layer(y, masks);
  return norm_ ? (*norm_)(y) : y;
}

TransformerDecoder::TransformerDecoder(const TransformerDecoderLayer& layer, int64_t num_layers,
                                       std::optional<LayerNorm> norm)
    : norm_(std::move(norm)) {
  add("layers", copies(layer, num_layers, layers_));
  if (norm_) add("norm", *norm_);
}

Tensor TransformerDecoder::operator()(const Tensor& x, const Tensor& memory,
                                      const AttentionMasks& own, const AttentionMasks& other) {
  Tensor y = x;
  for (TransformerDecoderLayer& layer : layers_) y = layer(y, memory, own, other);
  return norm_ ? (*norm_)(y) : y;
}

Transformer::Transformer(TransformerOptions options)
    : options_(std::move(options)),
      encoder_(add("encoder",
                   TransformerEncoder(
                       TransformerEncoderLayer(options_.d_model, options_.nhead, options_.layer),
                       options_.num_encoder_layers, norm_of(options_.d_model, options_.layer)))),
      decoder_(add("decoder",
                   TransformerDecoder(
                       TransformerDecoderLayer(options_.d_model, options_.nhead, options_.layer),
                       options_.num_decoder_layers, norm_of(options_.d_model, options_.layer)))) {
  for (const Tensor& p : parameters())
    if (p.dim() > 1) init::xavier_uniform_(p);
}

Tensor Transformer::operator()(const Tensor& src, const Tensor& tgt, const AttentionMasks& of_src,
                               const AttentionMasks& of_tgt, const AttentionMasks& of_memory) {
  const int64_t samples = options_.layer.batch_first ? 0 : 1;
  check(src.dim() != 3 || src.size(samples) == tgt.size(samples),
        "the batch number of src and tgt must be equal");
  check(src.size(-1) == options_.d_model && tgt.size(-1) == options_.d_model,
        "the feature number of src and tgt must be equal to d_model");
  return decoder_(tgt, encoder_(src, of_src), of_tgt, of_memory);
}

Tensor Transformer::generate_square_subsequent_mask(int64_t size) {
  return triu(full({size, size}, -std::numeric_limits<double>::infinity(), DType::kFloat32), 1);
}

}  // namespace ballast::nn
