#include "ballast/nn/recurrent.h"

#include <cmath>

#include "ballast/nn/init.h"
#include "ballast/nn/options.h"
#include "ballast/ops/create.h"
#include "ballast/ops/index.h"
#include "ballast/ops/rearrange.h"

namespace ballast::nn {
namespace {

void draw(const std::vector<Tensor>& weights, int64_t hidden_size) {
  const double bound = hidden_size > 0 ? 1 / std::sqrt(static_cast<double>(hidden_size)) : 0;
  for (const Tensor& w : weights) init::uniform_(w, -bound, bound);
}

Tensor reordered(const Tensor& state, const Tensor& order) {
  return state.defined() && order.defined() ? index_select(state, 1, order) : state;
}

}  // namespace

RNNBase::RNNBase(RecurrentCell cell, int64_t input_size, int64_t hidden_size, RNNOptions options)
    : cell_(cell), input_size_(input_size), hidden_size_(hidden_size), options_(options) {
  const RNNOptions& o = options_;
  check<ValueError>(o.dropout >= 0 && o.dropout <= 1,
                    "dropout should be a number in range [0, 1] representing the probability of an "
                    "element being zeroed, got {}",
                    o.dropout);
  check<ValueError>(input_size > 0, "input_size must be greater than zero");
  check<ValueError>(hidden_size > 0, "hidden_size must be greater than zero");
  check<ValueError>(o.num_layers > 0, "num_layers must be greater than zero");
  check<ValueError>(o.proj_size == 0 || cell == RecurrentCell::kLstm,
                    "proj_size argument is only supported for LSTM, not RNN or GRU");
  check<ValueError>(o.proj_size >= 0,
                    "proj_size should be a positive integer or zero to disable projections");
  check<ValueError>(o.proj_size < hidden_size, "proj_size has to be smaller than hidden_size");
  const int64_t rows = gates_of(cell) * hidden_size, directions = o.bidirectional ? 2 : 1;
  const int64_t out = o.proj_size > 0 ? o.proj_size : hidden_size;
  for (int64_t layer = 0; layer < o.num_layers; ++layer)
    for (int64_t d = 0; d < directions; ++d) {
      const auto weight = [&](const char* kind, const Shape& shape) {
        const std::string name = fmt::format("{}_l{}{}", kind, layer, d == 1 ? "_reverse" : "");
        weights_.push_back(add_parameter(name, empty(shape)));
      };
      weight("weight_ih", {rows, layer == 0 ? input_size : out * directions});
      weight("weight_hh", {rows, out});
      if (o.bias) weight("bias_ih", {rows});
      if (o.bias) weight("bias_hh", {rows});
      if (o.proj_size > 0) weight("weight_hr", {o.proj_size, hidden_size});
    }
  reset_parameters();
}

void RNNBase::reset_parameters() { draw(parameters(), hidden_size_); }

Tensor RNNBase::state(const Tensor& given, const Tensor& x, int64_t batch, int64_t width) const {
  const Shape shape{options_.num_layers * (options_.bidirectional ? 2 : 1), batch, width};
  if (!given.defined()) return zeros(shape, x.dtype());
  check(given.shape() == shape, "Expected hidden size {}, got {}", shape, given.shape());
  return given;
}

Recurrent RNNBase::run(const Tensor& x, const Tensor& h, const Tensor& c,
                       const Tensor& sizes) const {
  const RNNOptions& o = options_;
  const bool packed = sizes.defined(), lstm = cell_ == RecurrentCell::kLstm;
  check(x.size(-1) == input_size_,
        "input.size(-1) must be equal to input_size. Expected {}, got {}", input_size_, x.size(-1));
  if (!lstm && c.defined()) fail("{}: expected no cells, got {}", type_name(), c.shape());
  const int64_t batch =
      packed ? h.defined() ? h.size(1) : sizes.data<int64_t>()[0] : x.size(o.batch_first ? 0 : 1);
  const std::vector<Tensor> weights(weights_.begin(), weights_.end());
  return recurrent(x, state(h, x, batch, o.proj_size > 0 ? o.proj_size : hidden_size_),
                   lstm ? state(c, x, batch, hidden_size_) : Tensor(), weights,
                   {.cell = cell_,
                    .layers = o.num_layers,
                    .bias = o.bias,
                    .bidirectional = o.bidirectional,
                    .batch_first = o.batch_first,
                    .dropout = o.dropout,
                    .training = training(),
                    .batch_sizes = sizes});
}

Recurrent RNNBase::operator()(const Tensor& x, const Tensor& h, const Tensor& c) const {
  check<ValueError>(x.dim() == 2 || x.dim() == 3, "{}: Expected input to be 2D or 3D, got {}D",
                    type_name(), x.dim());
  if (x.dim() == 3) return run(x, h, c, Tensor());
  const auto with_sample = [](const Tensor& s) { return s.defined() ? unsqueeze(s, 1) : s; };
  const int64_t at = options_.batch_first ? 0 : 1;
  const Recurrent r = run(unsqueeze(x, at), with_sample(h), with_sample(c), Tensor());
  return {squeeze(r.output, at), squeeze(r.h, 1), r.c.defined() ? squeeze(r.c, 1) : r.c};
}

PackedRecurrent RNNBase::operator()(const PackedSequence& x, const Tensor& h,
                                    const Tensor& c) const {
  check(x.data.dim() == 2, "input must have 2 dimensions, got {}", x.data.dim());
  const Recurrent r =
      run(x.data, reordered(h, x.sorted_indices), reordered(c, x.sorted_indices), x.batch_sizes);
  return {{r.output, x.batch_sizes, x.sorted_indices, x.unsorted_indices},
          reordered(r.h, x.unsorted_indices),
          reordered(r.c, x.unsorted_indices)};
}

std::string RNNBase::extra_repr() const {
  const RNNOptions& o = options_;
  std::string out = fmt::format("{}, {}", input_size_, hidden_size_);
  if (o.proj_size != 0) out += fmt::format(", proj_size={}", o.proj_size);
  if (o.num_layers != 1) out += fmt::format(", num_layers={}", o.num_layers);
  if (!o.bias) out += ", bias=False";
  if (o.batch_first) out += ", batch_first=True";
  if (o.dropout != 0) out += ", dropout=" + python_str(o.dropout);
  if (o.bidirectional) out += ", bidirectional=True";
  return out;
}

RNNCellBase::RNNCellBase(RecurrentCell cell, int64_t input_size, int64_t hidden_size,
                         RNNCellOptions options)
    : cell_(cell) {
  const int64_t rows = gates_of(cell) * hidden_size;
  const auto bias = [&] { return options.bias ? empty({rows}) : Tensor(); };
  weight_ih = add_parameter("weight_ih", empty({rows, input_size}));
  weight_hh = add_parameter("weight_hh", empty({rows, hidden_size}));
  bias_ih = add_parameter("bias_ih", bias());
  bias_hh = add_parameter("bias_hh", bias());
  reset_parameters();
}

void RNNCellBase::reset_parameters() { draw(parameters(), weight_hh.size(1)); }

Recurrent RNNCellBase::step(const Tensor& x, const Tensor& h, const Tensor& c) const {
  check<ValueError>(x.dim() == 1 || x.dim() == 2, "{}: Expected input to be 1D or 2D, got {}D",
                    type_name(), x.dim());
  const bool batched = x.dim() == 2;
  const Tensor rows = batched ? x : unsqueeze(x, 0);
  const auto state = [&](const Tensor& s) {
    if (!s.defined()) return zeros({rows.size(0), weight_hh.size(1)}, x.dtype());
    return batched ? s : unsqueeze(s, 0);
  };
  const bool lstm = cell_ == RecurrentCell::kLstm;
  const Recurrent r = recurrent_cell(cell_, rows, state(h), lstm ? state(c) : Tensor(),
                                     {weight_ih, weight_hh, bias_ih, bias_hh});
  if (batched) return r;
  return {squeeze(r.output, 0), squeeze(r.h, 0), lstm ? squeeze(r.c, 0) : r.c};
}

std::string RNNCellBase::extra_repr() const {
  std::string out = fmt::format("{}, {}", weight_ih.size(1), weight_hh.size(1));
  if (!bias_ih.defined()) out += ", bias=False";
  if (cell_ == RecurrentCell::kRelu) out += ", nonlinearity=relu";
  return out;
}

}  // namespace ballast::nn
