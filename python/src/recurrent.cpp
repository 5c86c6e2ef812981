// Recurrent layers as functions, and packed sequences.
#include "ballast/ops/recurrent.h"

#include "ballast/ops/packed_sequence.h"
#include "results.h"

namespace ballast::python {
namespace {

using T = const Tensor&;
using OptionalTensor = std::optional<Tensor>;
using List = const std::vector<Tensor>&;

/// The options that all functions of sequences take.
RecurrentOptions options_of(RecurrentCell cell, bool bias, int64_t layers, double dropout,
                            bool training, bool bidirectional) {
  return {.cell = cell,
          .layers = layers,
          .bias = bias,
          .bidirectional = bidirectional,
          .dropout = dropout,
          .training = training};
}

nb::object lstm(T x, List hx, List params, RecurrentOptions o) {
  check(hx.size() == 2, "lstm expects two hidden states");
  const Recurrent r = recurrent(x, hx[0], hx[1], params, o);
  return nb::make_tuple(r.output, r.h, r.c);
}
nb::object rnn(T x, T h, List params, RecurrentOptions o) {
  const Recurrent r = recurrent(x, h, Tensor(), params, o);
  return nb::make_tuple(r.output, r.h);
}

struct Named {
  const char *sequence, *step;
  RecurrentCell cell;
};
constexpr Named kSimple[] = {{"rnn_tanh", "rnn_tanh_cell", RecurrentCell::kTanh},
                             {"rnn_relu", "rnn_relu_cell", RecurrentCell::kRelu},
                             {"gru", "gru_cell", RecurrentCell::kGru}};

/// A function of packed sequences, and one of padded ones.
template <class State, class F>
void bind_sequence(nb::module_& m, const char* name, RecurrentCell cell, F run) {
  m.def(
      name,
      [cell, run](T data, T batch_sizes, State hx, List params, bool bias, int64_t layers,
                  double dropout, bool train, bool bidirectional) {
        RecurrentOptions o = options_of(cell, bias, layers, dropout, train, bidirectional);
        o.batch_sizes = batch_sizes;
        return run(data, hx, params, o);
      },
      "data"_a, "batch_sizes"_a, "hx"_a, "params"_a, "has_biases"_a, "num_layers"_a, "dropout"_a,
      "train"_a, "bidirectional"_a);
  m.def(
      name,
      [cell, run](T input, State hx, List params, bool bias, int64_t layers, double dropout,
                  bool train, bool bidirectional, bool batch_first) {
        RecurrentOptions o = options_of(cell, bias, layers, dropout, train, bidirectional);
        o.batch_first = batch_first;
        return run(input, hx, params, o);
      },
      "input"_a, "hx"_a, "params"_a, "has_biases"_a, "num_layers"_a, "dropout"_a, "train"_a,
      "bidirectional"_a, "batch_first"_a);
}

void bind_cells(nb::module_& m) {
  const auto no_bias = none_default("b_ih"), no_bias2 = none_default("b_hh");
  for (const Named& n : kSimple)
    m.def(
        n.step,
        [cell = n.cell](T x, T h, T w_ih, T w_hh, const OptionalTensor& b_ih,
                        const OptionalTensor& b_hh) {
          return recurrent_cell(cell, x, h, Tensor(),
                                {w_ih, w_hh, tensor_or_none(b_ih), tensor_or_none(b_hh)})
              .output;
        },
        "input"_a, "hx"_a, "w_ih"_a, "w_hh"_a, no_bias, no_bias2);
  m.def(
      "lstm_cell",
      [](T x, List hx, T w_ih, T w_hh, const OptionalTensor& b_ih, const OptionalTensor& b_hh) {
        check(hx.size() == 2, "lstm_cell expects two hidden states");
        const Recurrent r =
            recurrent_cell(RecurrentCell::kLstm, x, hx[0], hx[1],
                           {w_ih, w_hh, tensor_or_none(b_ih), tensor_or_none(b_hh)});
        return nb::make_tuple(r.output, r.c);
      },
      "input"_a, "hx"_a, "w_ih"_a, "w_hh"_a, no_bias, no_bias2);
}

std::vector<int64_t> lengths_of(T lengths) {
  check(lengths.dim() == 1 && lengths.dtype() == DType::kInt64,
        "'lengths' argument should be a 1D CPU int64 tensor, but got {}D {} tensor", lengths.dim(),
        name_of(lengths.dtype()));
  return lengths.values<int64_t>();
}

void bind_packed(nb::module_& m) {
  m.def(
      "_pack_padded_sequence",
      [](T input, T lengths, bool batch_first) {
        const PackedSequence p =
            pack_padded_sequence(input, lengths_of(lengths), {.batch_first = batch_first});
        return nb::make_tuple(p.data, p.batch_sizes);
      },
      "input"_a, "lengths"_a, "batch_first"_a);
  m.def(
      "_pad_packed_sequence",
      [](T data, T batch_sizes, bool batch_first, double padding_value, int64_t total_length) {
        const PaddedSequence p =
            pad_packed_sequence({data, batch_sizes}, {.batch_first = batch_first,
                                                      .padding_value = padding_value,
                                                      .total_length = total_length});
        const Shape n{static_cast<int64_t>(p.lengths.size())};
        return nb::make_tuple(p.data, Tensor::from(p.lengths, n));
      },
      "data"_a, "batch_sizes"_a, "batch_first"_a, "padding_value"_a, "total_length"_a);
  m.def(
      "_pad_sequence",
      [](List sequences, bool batch_first, double padding_value, const std::string& side) {
        check(side == "left" || side == "right",
              "Expected padding_side to be one of left or right, but got {}.", side);
        return pad_sequence(sequences, batch_first, padding_value, side == "left");
      },
      "sequences"_a, "batch_first"_a = false, "padding_value"_a = 0.0, "padding_side"_a = "right");
}

}  // namespace

void bind_recurrent(nb::module_& m) {
  bind_sequence<List>(m, "lstm", RecurrentCell::kLstm, &lstm);
  for (const Named& n : kSimple) bind_sequence<T>(m, n.sequence, n.cell, &rnn);
  bind_cells(m);
  bind_packed(m);
}

}  // namespace ballast::python
