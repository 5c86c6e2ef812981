// Recurrent layers: a sequence is one operation per layer and direction, not a graph of steps.
#pragma once

#include <span>
#include <vector>

#include "ballast/graph/tensor.h"

namespace ballast {

/// What a step computes from its input x and the state h before it:
///   kTanh, kRelu  h' = f(W_ih x + b_ih + W_hh h + b_hh)                       (Elman 1990)
///   kLstm         i, f, o = sigmoid, g = tanh of the same sums; c' = f c + i g; h' = o tanh(c')
///                 (Hochreiter & Schmidhuber 1997); with a projection h' = W_hr (o tanh(c'))
///   kGru          r, z = sigmoid of the same sums; n = tanh(W_in x + b_in + r (W_hn h + b_hn));
///                 h' = (1 - z) n + z h                                        (Cho et al. 2014)
enum class RecurrentCell : int64_t { kTanh, kRelu, kLstm, kGru };
/// Rows of weights per hidden number: 1, 4 (i, f, g, o) or 3 (r, z, n).
constexpr int64_t gates_of(RecurrentCell c) {
  return c == RecurrentCell::kLstm ? 4 : c == RecurrentCell::kGru ? 3 : 1;
}

struct RecurrentOptions {
  RecurrentCell cell = RecurrentCell::kTanh;
  int64_t layers = 1;
  bool bias = true, bidirectional = false, batch_first = false;
  double dropout = 0;  // between layers, while training
  bool training = false;
  /// Of a packed sequence: how many samples have a step 0, 1, ...; int64, not increasing.
  Tensor batch_sizes = {};
};
/// Every step's output, and the state after each sample's last step; c is an LSTM's only.
struct Recurrent {
  Tensor output, h, c;
};

/// As PyTorch's `torch.lstm`, `torch.gru`, `torch.rnn_tanh`, `torch.rnn_relu`: input (T, N, in),
/// (N, T, in) where `batch_first`, or packed (sum of batch_sizes, in); h and c (layers*directions,
/// N, hidden). `weights` are those of all layers and directions one after the other: w_ih, w_hh,
/// with bias b_ih, b_hh, and w_hr where h is narrower than c. The output has the input's form, with
/// the outputs of both directions side by side. A second derivative throws NotImplementedError.
/// Throws Error where sizes do not fit.
Recurrent recurrent(const Tensor& input, const Tensor& h, const Tensor& c,
                    std::span<const Tensor> weights, const RecurrentOptions& options);

/// One step, made of ordinary operations: x (N, in), h and c (N, hidden); biases may be undefined.
/// The output is h. Throws Error in PyTorch's words where sizes do not fit.
struct CellWeights {
  Tensor w_ih, w_hh, b_ih, b_hh;
};
Recurrent recurrent_cell(RecurrentCell cell, const Tensor& x, const Tensor& h, const Tensor& c,
                         const CellWeights& weights);

// For the kernels.

/// One layer in one direction. Operands: W_ih x + b_ih of all steps (total, gates*hidden), h (N,
/// out), w_hh (gates*hidden, out); then those that there are of b_hh, c (N, hidden), w_hr (out,
/// hidden), batch_sizes. The result is flat: `trace`. The gradient's operands are that of the
/// trace, the trace, and those above without the first; its result is flat, too: `grad`.
struct RecurrentAttributes {
  int64_t cell, total, batch, steps, hidden, out, reverse, keep, biased, packed;

  RecurrentCell kind() const { return static_cast<RecurrentCell>(cell); }
  bool lstm() const { return kind() == RecurrentCell::kLstm; }
  bool gru() const { return kind() == RecurrentCell::kGru; }
  bool projected() const { return out != hidden; }
  int64_t width() const { return gates_of(kind()) * hidden; }
  /// Positions of the operands that are not always there; -1 where they are not.
  int bias_at() const { return biased ? 3 : -1; }
  int c_at() const { return lstm() ? 3 + static_cast<int>(biased) : -1; }
  int projection_at() const { return projected() ? c_at() + 1 : -1; }
  int sizes_at() const {
    return packed ? 3 + static_cast<int>(biased) + (lstm() ? 1 : 0) + (projected() ? 1 : 0) : -1;
  }
  int operands() const {
    return 3 + static_cast<int>(biased + packed) + (lstm() ? 1 : 0) + (projected() ? 1 : 0);
  }

  /// Where parts of a flat result begin. `keep`: what the gradient needs is there, too: the gates
  /// (total, gates*hidden), and of an LSTM the cells, of a GRU W_hn h + b_hn (total, hidden).
  struct Trace {
    int64_t output, h, c, gates, cells, size;  // output (total, out), h (N, out), c (N, hidden)
  };
  Trace trace() const {
    Trace t{};
    t.h = total * out;
    t.c = t.h + batch * out;
    t.gates = t.c + (lstm() ? batch * hidden : 0);
    const bool gated = keep && (lstm() || gru());
    t.cells = t.gates + (gated ? total * width() : 0);
    t.size = t.cells + (gated ? total * hidden : 0);
    return t;
  }
  /// dx (total, gates*hidden); `extra`: of a GRU the gradient of W_hn h + b_hn (total, hidden),
  /// under a projection that of the outputs (total, out); h and c as above.
  struct Grad {
    int64_t x, extra, h, c, size;
  };
  Grad grad() const {
    Grad g{};
    g.extra = total * width();
    g.h = g.extra + (gru() ? total * hidden : projected() ? total * out : 0);
    g.c = g.h + batch * out;
    g.size = g.c + (lstm() ? batch * hidden : 0);
    return g;
  }
};

/// The steps of a sequence: which rows are theirs, and in which order they are taken.
class RecurrentSteps {
 public:
  RecurrentSteps(const RecurrentAttributes& a, const int64_t* batch_sizes);

  int64_t count() const { return steps_; }
  /// The step that is taken at place `k`.
  int64_t at(int64_t k) const { return reverse_ ? steps_ - 1 - k : k; }
  /// Samples that have step t, and the first of their rows.
  int64_t rows(int64_t t) const {
    return offsets_.empty() ? batch_ : offsets_[t + 1] - offsets_[t];
  }
  int64_t begin(int64_t t) const { return offsets_.empty() ? t * batch_ : offsets_[t]; }
  /// The row with the state of sample `r` before step t; -1: it is the initial one.
  int64_t before(int64_t t, int64_t r) const {
    if (!reverse_) return t == 0 ? -1 : begin(t - 1) + r;
    return t + 1 < steps_ && r < rows(t + 1) ? begin(t + 1) + r : -1;
  }

 private:
  int64_t steps_, batch_;
  bool reverse_;
  std::vector<int64_t> offsets_;  // empty: all samples have all steps
};

const Op& recurrent_op();
const Op& recurrent_grad_op();

}  // namespace ballast
