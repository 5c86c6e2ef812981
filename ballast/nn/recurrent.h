// Recurrent layers.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ballast/nn/module.h"
#include "ballast/ops/packed_sequence.h"
#include "ballast/ops/recurrent.h"

namespace ballast::nn {

struct RNNOptions {
  int64_t num_layers = 1;  // each reads the outputs of the one before
  bool bias = true;
  bool batch_first = false;  // sequences are (N, T, ...)
  double dropout = 0;        // between layers, in training
  bool bidirectional = false;
  int64_t proj_size = 0;  // of an LSTM: the size to which outputs are projected, if not 0
  bool relu = false;      // of an RNN: in place of tanh
};

/// What a layer makes of a packed sequence: a `Recurrent` with packed outputs.
struct PackedRecurrent {
  PackedSequence output;
  Tensor h, c;
};

/// What RNN, LSTM and GRU share (see `ballast::recurrent`). Parameters of layer k: weight_ih_l{k},
/// weight_hh_l{k}, bias_ih_l{k}, bias_hh_l{k}, weight_hr_l{k} under a projection, and the same with
/// _reverse; uniform within 1/sqrt(hidden_size). Throws ValueError for sizes that are not positive
/// and a probability outside [0, 1].
class RNNBase : public Module {
 public:
  /// Of (T, N, in), (N, T, in) where batch_first, or (T, in): the outputs (T, N, directions*out)
  /// and the state after the last step, h (layers*directions, N, out) and of an LSTM c
  /// (layers*directions, N, hidden). States are zero unless given.
  Recurrent operator()(const Tensor& x, const Tensor& h = {}, const Tensor& c = {}) const;
  PackedRecurrent operator()(const PackedSequence& x, const Tensor& h = {},
                             const Tensor& c = {}) const;
  /// The outputs alone.
  Tensor forward(const Tensor& x) override { return (*this)(x).output; }
  std::string extra_repr() const override;
  /// Draws new initial values.
  void reset_parameters();

 protected:
  RNNBase(RecurrentCell cell, int64_t input_size, int64_t hidden_size, RNNOptions options);

 private:
  Tensor state(const Tensor& given, const Tensor& x, int64_t batch, int64_t width) const;
  Recurrent run(const Tensor& x, const Tensor& h, const Tensor& c, const Tensor& sizes) const;

  RecurrentCell cell_;
  int64_t input_size_, hidden_size_;
  RNNOptions options_;
  std::vector<ModuleTensor> weights_;
};

/// h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu, along sequences.
class RNN : public RNNBase {
 public:
  RNN(int64_t input_size, int64_t hidden_size, RNNOptions options = {})
      : RNNBase(options.relu ? RecurrentCell::kRelu : RecurrentCell::kTanh, input_size, hidden_size,
                options) {}
};
/// Long short-term memory along sequences.
class LSTM : public RNNBase {
 public:
  LSTM(int64_t input_size, int64_t hidden_size, RNNOptions options = {})
      : RNNBase(RecurrentCell::kLstm, input_size, hidden_size, options) {}
};
/// Gated recurrent units along sequences.
class GRU : public RNNBase {
 public:
  GRU(int64_t input_size, int64_t hidden_size, RNNOptions options = {})
      : RNNBase(RecurrentCell::kGru, input_size, hidden_size, options) {}
};

struct RNNCellOptions {
  bool bias = true;
  bool relu = false;  // of an RNNCell: in place of tanh
};

/// What single steps share (see `ballast::recurrent_cell`). Parameters: weight_ih (gates*hidden,
/// in), weight_hh (gates*hidden, hidden), bias_ih, bias_hh (gates*hidden); uniform within
/// 1/sqrt(hidden_size).
class RNNCellBase : public Module {
 public:
  std::string extra_repr() const override;
  /// Draws new initial values.
  void reset_parameters();

  ModuleTensor weight_ih, weight_hh, bias_ih, bias_hh;

 protected:
  RNNCellBase(RecurrentCell cell, int64_t input_size, int64_t hidden_size, RNNCellOptions options);
  Recurrent step(const Tensor& x, const Tensor& h, const Tensor& c) const;

 private:
  RecurrentCell cell_;
};

/// x (N, in) or (in) and the state (N, hidden), zero unless given, to the next state.
class RNNCell : public RNNCellBase {
 public:
  RNNCell(int64_t input_size, int64_t hidden_size, RNNCellOptions options = {})
      : RNNCellBase(options.relu ? RecurrentCell::kRelu : RecurrentCell::kTanh, input_size,
                    hidden_size, options) {}
  Tensor operator()(const Tensor& x, const Tensor& h = {}) const { return step(x, h, {}).h; }
};
class GRUCell : public RNNCellBase {
 public:
  GRUCell(int64_t input_size, int64_t hidden_size, RNNCellOptions options = {})
      : RNNCellBase(RecurrentCell::kGru, input_size, hidden_size, options) {}
  Tensor operator()(const Tensor& x, const Tensor& h = {}) const { return step(x, h, {}).h; }
};
/// The same with cells: the pair is (h, c).
class LSTMCell : public RNNCellBase {
 public:
  LSTMCell(int64_t input_size, int64_t hidden_size, RNNCellOptions options = {})
      : RNNCellBase(RecurrentCell::kLstm, input_size, hidden_size, options) {}
  std::pair<Tensor, Tensor> operator()(const Tensor& x, const Tensor& h = {},
                                       const Tensor& c = {}) const {
    const Recurrent r = step(x, h, c);
    return {r.h, r.c};
  }
};

}  // namespace ballast::nn
