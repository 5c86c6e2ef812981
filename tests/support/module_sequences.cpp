// Recurrent layers and attention by name.
#include "ballast/nn/nn.h"
#include "ballast/ops/activation.h"
#include "tests/support/module_makers.h"

namespace ballast::test {
namespace {

using Inputs = const std::vector<Tensor>&;

std::vector<Tensor> given(const std::vector<Tensor>& results) {
  std::vector<Tensor> out;
  for (const Tensor& t : results)
    if (t.defined()) out.push_back(t);
  return out;
}
Tensor at(Inputs in, size_t i) { return i < in.size() ? in[i] : Tensor(); }

template <class M>
Layer sequence(A& a) {
  const auto module =
      std::make_shared<M>(a.integer(0, "input_size"), a.integer(1, "hidden_size"),
                          nn::RNNOptions{.num_layers = a.integer(2, "num_layers", 1),
                                         .bias = a.flag(1000, "bias", true),
                                         .batch_first = a.flag(1000, "batch_first", false),
                                         .dropout = a.number(1000, "dropout", 0),
                                         .bidirectional = a.flag(1000, "bidirectional", false),
                                         .proj_size = a.integer(1000, "proj_size", 0),
                                         .relu = a.text(1000, "nonlinearity", "tanh") == "relu"});
  return {module, [module](Inputs in, Arguments&) {
            const Recurrent r = (*module)(in.at(0), at(in, 1), at(in, 2));
            return given({r.output, r.h, r.c});
          }};
}

template <class M>
Layer step(A& a) {
  const auto module =
      std::make_shared<M>(a.integer(0, "input_size"), a.integer(1, "hidden_size"),
                          nn::RNNCellOptions{.bias = a.flag(2, "bias", true),
                                             .relu = a.text(3, "nonlinearity", "tanh") == "relu"});
  return {module, [module](Inputs in, Arguments&) -> std::vector<Tensor> {
            if constexpr (std::is_same_v<M, nn::LSTMCell>) {
              const auto [h, c] = (*module)(in.at(0), at(in, 1), at(in, 2));
              return {h, c};
            } else {
              return {(*module)(in.at(0), at(in, 1))};
            }
          }};
}

nn::AttentionMasks masks(A& call, const std::string& attention, const std::string& padding) {
  return {.padding = call.tensor(1000, padding), .attention = call.tensor(1000, attention)};
}

Layer heads(A& a) {
  const auto module = std::make_shared<nn::MultiheadAttention>(
      a.integer(0, "embed_dim"), a.integer(1, "num_heads"),
      nn::MultiheadAttentionOptions{.bias = a.flag(1000, "bias", true),
                                    .add_bias_kv = a.flag(1000, "add_bias_kv", false),
                                    .add_zero_attn = a.flag(1000, "add_zero_attn", false),
                                    .batch_first = a.flag(1000, "batch_first", false)});
  return {module, [module](Inputs in, Arguments& call) {
            const Attention r = (*module)(in.at(0), in.at(1), in.at(2),
                                          masks(call, "attn_mask", "key_padding_mask"));
            return given({r.value, r.weights});
          }};
}

nn::Activation activation(const std::string& name) {
  if (name == "gelu") return [](const Tensor& x) { return gelu(x); };
  return [](const Tensor& x) { return relu(x); };
}

nn::TransformerLayerOptions layer_options(A& a) {
  const nlohmann::json* function = a.find(4, "activation");
  return {.dim_feedforward = a.integer(2, "dim_feedforward", 2048),
          .dropout = a.number(3, "dropout", 0.1),
          .activation = activation(function ? function->at("function").get<std::string>() : ""),
          .batch_first = a.flag(1000, "batch_first", false),
          .norm_first = a.flag(1000, "norm_first", false),
          .bias = a.flag(1000, "bias", true)};
}

Layer encoder_layer(A& a) {
  const auto module = std::make_shared<nn::TransformerEncoderLayer>(
      a.integer(0, "d_model"), a.integer(1, "nhead"), layer_options(a));
  return {module, [module](Inputs in, Arguments& call) -> std::vector<Tensor> {
            return {(*module)(in.at(0), masks(call, "src_mask", "src_key_padding_mask"))};
          }};
}

Layer decoder_layer(A& a) {
  const auto module = std::make_shared<nn::TransformerDecoderLayer>(
      a.integer(0, "d_model"), a.integer(1, "nhead"), layer_options(a));
  return {module, [module](Inputs in, Arguments& call) -> std::vector<Tensor> {
            return {(*module)(in.at(0), in.at(1), masks(call, "tgt_mask", "tgt_key_padding_mask"),
                              masks(call, "memory_mask", "memory_key_padding_mask"))};
          }};
}

Layer encoder(A& a) {
  const nlohmann::json& o = a.find(0, "encoder_layer")->at("encoder_layer");
  const nn::TransformerEncoderLayer first(o.at(0).get<int64_t>(), o.at(1).get<int64_t>(),
                                          {.dim_feedforward = o.at(2),
                                           .dropout = o.at(3),
                                           .activation = activation(o.at(4)),
                                           .layer_norm_eps = o.at(5),
                                           .batch_first = o.at(6),
                                           .norm_first = o.at(7),
                                           .bias = o.at(8)});
  const auto module = std::make_shared<nn::TransformerEncoder>(first, a.integer(1, "num_layers"));
  return {module, [module](Inputs in, Arguments& call) -> std::vector<Tensor> {
            return {(*module)(in.at(0), masks(call, "mask", "src_key_padding_mask"))};
          }};
}

Layer transformer(A& a) {
  nn::TransformerOptions o{.d_model = a.integer(0, "d_model"),
                           .nhead = a.integer(1, "nhead"),
                           .num_encoder_layers = a.integer(1000, "num_encoder_layers"),
                           .num_decoder_layers = a.integer(1000, "num_decoder_layers"),
                           .layer = layer_options(a)};
  const auto module = std::make_shared<nn::Transformer>(std::move(o));
  return {module, [module](Inputs in, Arguments& call) -> std::vector<Tensor> {
            return {(*module)(in.at(0), in.at(1), masks(call, "src_mask", "src_key_padding_mask"),
                              masks(call, "tgt_mask", "tgt_key_padding_mask"))};
          }};
}

}  // namespace

const Table& sequence_makers() {
  static const Table table = {
      {"RNN", sequence<nn::RNN>},
      {"LSTM", sequence<nn::LSTM>},
      {"GRU", sequence<nn::GRU>},
      {"RNNCell", step<nn::RNNCell>},
      {"LSTMCell", step<nn::LSTMCell>},
      {"GRUCell", step<nn::GRUCell>},
      {"MultiheadAttention", heads},
      {"TransformerEncoderLayer", encoder_layer},
      {"TransformerDecoderLayer", decoder_layer},
      {"TransformerEncoder", encoder},
      {"Transformer", transformer},
  };
  return table;
}

}  // namespace ballast::test
