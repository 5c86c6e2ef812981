// Attention with several heads, and the transformer (Vaswani et al. 2017, "Attention is all you
// need").
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ballast/nn/common.h"
#include "ballast/nn/linear.h"
#include "ballast/nn/module.h"
#include "ballast/nn/norm.h"
#include "ballast/ops/activation.h"
#include "ballast/ops/attention.h"

namespace ballast::nn {

/// The `Linear` within MultiheadAttention, under its name in PyTorch.
class NonDynamicallyQuantizableLinear : public Linear {
 public:
  using Linear::Linear;
};

struct MultiheadAttentionOptions {
  double dropout = 0;  // of the weights, in training
  bool bias = true;
  bool add_bias_kv = false;    // a learnt key and value are added
  bool add_zero_attn = false;  // a key and value of zeros are added
  std::optional<int64_t> kdim = {}, vdim = {};
  bool batch_first = false;
};
/// Which keys a query sees: a mask of bools is true where it does not, numbers are added.
struct AttentionMasks {
  Tensor padding = {};     // (N, S)
  Tensor attention = {};   // (L, S) or (N*heads, L, S)
  bool is_causal = false;  // a hint that `attention` is the causal mask
};

/// Attention with several heads (see `ballast::multi_head_attention`). Parameters: in_proj_weight
/// (3*embed, embed), or q_proj_weight, k_proj_weight and v_proj_weight where keys or values have
/// another size, Glorot uniform; in_proj_bias, zeros; bias_k and bias_v; and out_proj, a Linear.
class MultiheadAttention : public Module {
 public:
  MultiheadAttention(int64_t embed_dim, int64_t num_heads, MultiheadAttentionOptions options = {});
  /// query (L, N, embed), key (S, N, kdim), value (S, N, vdim), with N first where batch_first, or
  /// without it.
  Attention operator()(const Tensor& query, const Tensor& key, const Tensor& value,
                       const AttentionMasks& masks = {}, bool need_weights = true,
                       bool average_weights = true) const;
  bool batch_first() const { return options_.batch_first; }

 private:
  int64_t embed_dim_, num_heads_;
  MultiheadAttentionOptions options_;
  ModuleTensor q_weight_, k_weight_, v_weight_, in_weight_, in_bias_, bias_k_, bias_v_;
  NonDynamicallyQuantizableLinear out_proj_;
};

using Activation = std::function<Tensor(const Tensor&)>;

struct TransformerLayerOptions {
  int64_t dim_feedforward = 2048;
  double dropout = 0.1;
  Activation activation = [](const Tensor& x) { return relu(x); };
  double layer_norm_eps = 1e-5;
  bool batch_first = false;
  bool norm_first = false;  // inputs are normalized, not sums
  bool bias = true;
};

/// Attention to itself, then two linear layers; each is added to its input and normalized: (L, N,
/// d_model) to the same shape.
class TransformerEncoderLayer : public Module {
 public:
  TransformerEncoderLayer(int64_t d_model, int64_t nhead, TransformerLayerOptions options = {});
  Tensor operator()(const Tensor& x, const AttentionMasks& masks = {});
  Tensor forward(const Tensor& x) override { return (*this)(x); }

 private:
  TransformerLayerOptions options_;
  MultiheadAttention self_attn_;
  Linear linear1_;
  Dropout dropout_;
  Linear linear2_;
  LayerNorm norm1_, norm2_;
  Dropout dropout1_, dropout2_;
};

/// The same with attention to an encoder's result, `memory` (S, N, d_model), in between.
class TransformerDecoderLayer : public Module {
 public:
  TransformerDecoderLayer(int64_t d_model, int64_t nhead, TransformerLayerOptions options = {});
  Tensor operator()(const Tensor& x, const Tensor& memory, const AttentionMasks& own = {},
                    const AttentionMasks& other = {});

 private:
  TransformerLayerOptions options_;
  MultiheadAttention self_attn_, multihead_attn_;
  Linear linear1_;
  Dropout dropout_;
  Linear linear2_;
  LayerNorm norm1_, norm2_, norm3_;
  Dropout dropout1_, dropout2_, dropout3_;
};

/// `num_layers` copies of a layer one after the other, and a normalization if given.
class TransformerEncoder : public Module {
 public:
  TransformerEncoder(const TransformerEncoderLayer& layer, int64_t num_layers,
                     std::optional<LayerNorm> norm = {});
  Tensor operator()(const Tensor& x, const AttentionMasks& masks = {});
  Tensor forward(const Tensor& x) override { return (*this)(x); }

 private:
  std::vector<TransformerEncoderLayer> layers_;
  std::optional<LayerNorm> norm_;
};
class TransformerDecoder : public Module {
 public:
  TransformerDecoder(const TransformerDecoderLayer& layer, int64_t num_layers,
                     std::optional<LayerNorm> norm = {});
  Tensor operator()(const Tensor& x, const Tensor& memory, const AttentionMasks& own = {},
                    const AttentionMasks& other = {});

 private:
  std::vector<TransformerDecoderLayer> layers_;
  std::optional<LayerNorm> norm_;
};

struct TransformerOptions {
  int64_t d_model = 512, nhead = 8, num_encoder_layers = 6, num_decoder_layers = 6;
  TransformerLayerOptions layer = {};
};

/// An encoder of `src` (S, N, d_model) and a decoder of `tgt` (L, N, d_model) that attends to its
/// result. Weights are Glorot uniform.
class Transformer : public Module {
 public:
  explicit Transformer(TransformerOptions options = {});
  Tensor operator()(const Tensor& src, const Tensor& tgt, const AttentionMasks& of_src = {},
                    const AttentionMasks& of_tgt = {}, const AttentionMasks& of_memory = {});
  /// (size, size): minus infinity above the diagonal, else 0.
  static Tensor generate_square_subsequent_mask(int64_t size);

 private:
  TransformerOptions options_;
  TransformerEncoder encoder_;
  TransformerDecoder decoder_;
};

}  // namespace ballast::nn
