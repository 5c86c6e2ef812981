#include "ballast/ops/recurrent.h"

#include <algorithm>
#include <cmath>

#include "ballast/ops/activation.h"
#include "ballast/ops/dropout.h"
#include "ballast/ops/index.h"
#include "ballast/ops/math.h"
#include "ballast/ops/matmul.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {

RecurrentSteps::RecurrentSteps(const RecurrentAttributes& a, const int64_t* batch_sizes)
    : steps_(a.steps), batch_(a.batch), reverse_(a.reverse != 0) {
  if (!batch_sizes) return;
  offsets_.push_back(0);
  for (int64_t t = 0; t < steps_; ++t) offsets_.push_back(offsets_.back() + batch_sizes[t]);
}

namespace {

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }

/// The operands of a call; the gradient's begin one later.
template <class T>
struct Operands {
  Operands(const Call& c, int first)
      : a(c.attributes.as<RecurrentAttributes>()), call(c), shift(first) {}

  const T* get(int i) const { return i < 0 ? nullptr : call.input<T>(i + shift); }
  const T* h() const { return get(1); }
  const T* w() const { return get(2); }
  const T* bias() const { return get(a.bias_at()); }
  const T* c() const { return get(a.c_at()); }
  const T* projection() const { return get(a.projection_at()); }
  RecurrentSteps steps() const {
    const int at = a.sizes_at();
    return {a, at < 0 ? nullptr : call.input<int64_t>(at + shift)};
  }

  const RecurrentAttributes& a;
  const Call& call;
  int shift;
};

/// sum_k m[j*n + k] * v[k], or sum_k m[k*n + j] * v[k].
template <class T>
double row_dot(const T* m, int64_t n, int64_t j, const T* v) {
  double sum = 0;
  for (int64_t k = 0; k < n; ++k) sum += static_cast<double>(m[j * n + k]) * v[k];
  return sum;
}
template <class T, class U>
double column_dot(const T* m, int64_t n, int64_t j, const U* v, int64_t rows) {
  double sum = 0;
  for (int64_t k = 0; k < rows; ++k) sum += static_cast<double>(m[k * n + j]) * v[k];
  return sum;
}

class RecurrentOp final : public Op {
 public:
  RecurrentOp() : Op("recurrent") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) { run<decltype(zero)>(c); });
  }
  Gradients gradient(const Backward& b) const override;
  uint32_t gradient_reads() const override { return ~input_bit(0); }

 private:
  template <class T>
  static void run(const Call& call) {
    const Operands<T> in(call, 0);
    const RecurrentAttributes& a = in.a;
    const auto parts = a.trace();
    const RecurrentSteps steps = in.steps();
    T *out = call.output<T>(), *h = out + parts.h, *c = out + parts.c;
    std::copy_n(in.h(), a.batch * a.out, h);
    if (a.lstm()) std::copy_n(in.c(), a.batch * a.hidden, c);
    std::vector<T> spare(a.width() + a.hidden);
    for (int64_t k = 0; k < steps.count(); ++k) {
      poll_interrupt();
      const int64_t t = steps.at(k);
      for (int64_t r = 0; r < steps.rows(t); ++r) {
        const int64_t row = steps.begin(t) + r;
        const bool kept = parts.cells > parts.gates;
        T* gates = kept ? out + parts.gates + row * a.width() : spare.data();
        T* cells = kept ? out + parts.cells + row * a.hidden : spare.data() + a.width();
        step(in, call.input<T>(0) + row * a.width(), h + r * a.out, c + r * a.hidden, gates, cells);
        std::copy_n(h + r * a.out, a.out, out + row * a.out);
      }
    }
  }

  /// One sample's step: h and c are its state, before and after.
  template <class T>
  static void step(const Operands<T>& in, const T* x, T* h, T* c, T* gates, T* cells) {
    const RecurrentAttributes& a = in.a;
    const int64_t n = a.hidden;
    std::vector<double> sums(a.width());
    for (int64_t j = 0; j < a.width(); ++j)
      sums[j] = row_dot(in.w(), a.out, j, h) + (a.biased ? static_cast<double>(in.bias()[j]) : 0);
    std::vector<T> made(n);
    for (int64_t j = 0; j < n; ++j) {
      const auto sum = [&](int64_t gate) { return x[gate * n + j] + sums[gate * n + j]; };
      if (a.lstm()) {
        const double i = sigmoid_of(sum(0)), f = sigmoid_of(sum(1)), g = std::tanh(sum(2)),
                     o = sigmoid_of(sum(3));
        for (int64_t gate = 0; const double v : {i, f, g, o})
          gates[gate++ * n + j] = static_cast<T>(v);
        c[j] = cells[j] = static_cast<T>(f * c[j] + i * g);
        made[j] = static_cast<T>(o * std::tanh(static_cast<double>(c[j])));
      } else if (a.gru()) {
        const double r = sigmoid_of(sum(0)), z = sigmoid_of(sum(1));
        const double m = std::tanh(x[2 * n + j] + r * sums[2 * n + j]);
        for (int64_t gate = 0; const double v : {r, z, m})
          gates[gate++ * n + j] = static_cast<T>(v);
        cells[j] = static_cast<T>(sums[2 * n + j]);
        made[j] = static_cast<T>((1 - z) * m + z * h[j]);
      } else {
        const double s = sum(0);
        const bool relu = a.kind() == RecurrentCell::kRelu;
        made[j] = static_cast<T>(relu ? (s > 0 || std::isnan(s) ? s : 0) : std::tanh(s));
      }
    }
    if (!a.projected())
      std::copy_n(made.data(), n, h);
    else
      for (int64_t j = 0; j < a.out; ++j)
        h[j] = static_cast<T>(row_dot(in.projection(), n, j, made.data()));
  }
};

class RecurrentGradOp final : public Op {
 public:
  RecurrentGradOp() : Op("recurrent_grad") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) { run<decltype(zero)>(c); });
  }
  Gradients gradient(const Backward&) const override {
    fail<NotImplementedError>(
        "RNN, LSTM and GRU have no second derivative here: write the steps with RNNCell, LSTMCell "
        "or GRUCell, which have");
  }

 private:
  template <class T>
  static void run(const Call& call) {
    const Operands<T> in(call, 1);
    const RecurrentAttributes& a = in.a;
    const auto parts = a.trace();
    const auto grads = a.grad();
    const RecurrentSteps steps = in.steps();
    const T *g = call.input<T>(0), *trace = call.input<T>(1);
    T *out = call.output<T>(), *dh = out + grads.h, *dc = out + grads.c;
    std::copy_n(g + parts.h, a.batch * a.out, dh);
    if (a.lstm()) std::copy_n(g + parts.c, a.batch * a.hidden, dc);
    for (int64_t k = steps.count() - 1; k >= 0; --k) {
      poll_interrupt();
      const int64_t t = steps.at(k);
      for (int64_t r = 0; r < steps.rows(t); ++r) {
        const int64_t row = steps.begin(t) + r, before = steps.before(t, r);
        for (int64_t j = 0; j < a.out; ++j) dh[r * a.out + j] += g[row * a.out + j];
        const T* h = before < 0 ? in.h() + r * a.out : trace + before * a.out;
        const T* c = !a.lstm()    ? nullptr
                     : before < 0 ? in.c() + r * a.hidden
                                  : trace + parts.cells + before * a.hidden;
        step(in, trace, row, h, c, dh + r * a.out, dc + r * a.hidden, out);
      }
    }
  }

  /// One sample's step: dh and dc are the gradients of its state, after and before.
  template <class T>
  static void step(const Operands<T>& in, const T* trace, int64_t row, const T* h, const T* c,
                   T* dh, T* dc, T* out) {
    const RecurrentAttributes& a = in.a;
    const auto parts = a.trace();
    const int64_t n = a.hidden;
    const T *gates = trace + parts.gates + row * a.width(), *cells = trace + parts.cells + row * n;
    T* dx = out + row * a.width();
    T* extra = out + a.grad().extra + row * (a.gru() ? n : a.out);
    if (a.projected()) std::copy_n(dh, a.out, extra);
    std::vector<double> sums(a.width()), direct(a.out);
    for (int64_t j = 0; j < n; ++j) {
      const double d = a.projected() ? column_dot(in.projection(), n, j, dh, a.out) : dh[j];
      const auto gate = [&](int64_t i) { return static_cast<double>(gates[i * n + j]); };
      const auto put = [&](int64_t i, double v) {
        sums[i * n + j] = v;
        dx[i * n + j] = static_cast<T>(v);
      };
      if (a.lstm()) {
        const double i = gate(0), f = gate(1), u = gate(2), o = gate(3);
        const double y = std::tanh(static_cast<double>(cells[j]));
        const double e = dc[j] + d * o * (1 - y * y);
        put(0, e * u * i * (1 - i));
        put(1, e * c[j] * f * (1 - f));
        put(2, e * i * (1 - u * u));
        put(3, d * y * o * (1 - o));
        dc[j] = static_cast<T>(e * f);
      } else if (a.gru()) {
        const double r = gate(0), z = gate(1), m = gate(2);
        const double e = d * (1 - z) * (1 - m * m);
        put(0, e * cells[j] * r * (1 - r));
        put(1, d * (h[j] - m) * z * (1 - z));
        put(2, e);
        sums[2 * n + j] = e * r;
        extra[j] = static_cast<T>(e * r);
        direct[j] = d * z;
      } else {
        const double y = trace[row * n + j];
        put(0, a.kind() == RecurrentCell::kRelu ? (y > 0 ? d : 0) : d * (1 - y * y));
      }
    }
    for (int64_t j = 0; j < a.out; ++j)
      dh[j] = static_cast<T>(direct[j] + column_dot(in.w(), a.out, j, sums.data(), a.width()));
  }
};

/// Elements [begin, begin + rows*columns) of a flat tensor as a matrix.
Tensor part(const Tensor& flat, int64_t begin, int64_t rows, int64_t columns) {
  return reshape(narrow(flat, 0, begin, rows * columns), Shape{rows, columns});
}

/// The state before every step, row by row: outputs of other steps, or the initial one.
Tensor states_before(const RecurrentAttributes& a, const Tensor& h, const Tensor& output,
                     const Tensor& batch_sizes) {
  if (!batch_sizes.defined()) {
    const int64_t rest = a.total - a.batch;
    if (a.reverse) return cat({narrow(output, 0, a.batch, rest), h}, 0);
    return cat({h, narrow(output, 0, 0, rest)}, 0);
  }
  const RecurrentSteps steps(a, batch_sizes.data<int64_t>().data());
  std::vector<int64_t> rows;
  for (int64_t t = 0; t < a.steps; ++t)
    for (int64_t r = 0; r < steps.rows(t); ++r) {
      const int64_t before = steps.before(t, r);
      rows.push_back(before < 0 ? r : a.batch + before);
    }
  return index_select(cat({h, output}, 0), 0, Tensor::from(rows, Shape{a.total}));
}

Gradients RecurrentOp::gradient(const Backward& b) const {
  const auto& a = b.attributes<RecurrentAttributes>();
  const Tensor trace = b.output();
  std::vector<Tensor> operands{b.grad(), trace};
  for (int i = 1; i < a.operands(); ++i) operands.push_back(b.input(i));
  const auto at = a.grad();
  const Tensor made =
      record(recurrent_grad_op(), Shape{at.size}, trace.dtype(), operands, Attributes(a));
  const Tensor dx = part(made, at.x, a.total, a.width());
  Gradients grads;
  for (int i = 0; i < a.operands(); ++i) grads.push_back(Tensor());
  grads[0] = dx;
  grads[1] = part(made, at.h, a.batch, a.out);
  if (a.lstm()) grads[a.c_at()] = part(made, at.c, a.batch, a.hidden);
  Tensor sums = dx;  // of W_hh h + b_hh
  if (a.gru())
    sums = cat({narrow(dx, 1, 0, 2 * a.hidden), part(made, at.extra, a.total, a.hidden)}, 1);
  if (b.needs(2)) {
    const Tensor output = part(trace, 0, a.total, a.out);
    const Tensor sizes = a.packed ? b.input(a.sizes_at()) : Tensor();
    grads[2] = mm(sums, states_before(a, b.input(1), output, sizes), true);
  }
  if (a.biased && b.needs(a.bias_at())) grads[a.bias_at()] = sum(sums, {0});
  if (a.projected() && b.needs(a.projection_at())) {
    const auto parts = a.trace();
    const Tensor o =
        narrow(part(trace, parts.gates, a.total, a.width()), 1, 3 * a.hidden, a.hidden);
    const Tensor y = o * tanh(part(trace, parts.cells, a.total, a.hidden));
    grads[a.projection_at()] = mm(part(made, at.extra, a.total, a.out), y, true);
  }
  return grads;
}

/// One layer in one direction: x (total, in), h (N, out), c (N, hidden).
Recurrent run_layer(const Tensor& x, const Tensor& h, const Tensor& c, std::span<const Tensor> w,
                    const RecurrentOptions& o, int64_t steps, bool reverse) {
  const Tensor& w_hh = w[1];
  const int64_t gates = gates_of(o.cell), out = h.size(1), total = x.size(0), batch = h.size(0);
  const int64_t hidden = c.defined() ? c.size(1) : out;
  check(w_hh.shape() == (Shape{gates * hidden, out}),
        "recurrent layer: expected weight_hh of shape {} for a state of {}, got {}",
        Shape{gates * hidden, out}, h.shape(), w_hh.shape());
  if (c.defined())
    check(c.size(0) == batch, "recurrent layer: expected cells of {} samples as states, got {}",
          batch, c.shape());
  const Tensor sums = linear(x, w[0], o.bias ? w[2] : Tensor());
  check(sums.shape() == (Shape{total, gates * hidden}),
        "recurrent layer: expected weight_ih with {} rows, got {}", gates * hidden, w[0].shape());
  std::vector<Tensor> operands{sums, h, w_hh};
  if (o.bias) {
    check(w[3].shape() == Shape{gates * hidden},
          "recurrent layer: expected bias_hh of shape {}, got {}", Shape{gates * hidden},
          w[3].shape());
    operands.push_back(w[3]);
  }
  if (c.defined()) operands.push_back(c);
  if (out != hidden) {
    check(w.back().shape() == (Shape{out, hidden}),
          "recurrent layer: expected weight_hr of shape {}, got {}", Shape{out, hidden},
          w.back().shape());
    operands.push_back(w.back());
  }
  for (const Tensor& t : operands)
    check(t.dtype() == sums.dtype(),
          "recurrent layer: expected states and weights of type {}, as the input, got {}",
          name_of(sums.dtype()), name_of(t.dtype()));
  bool keep = false;
  for (const Tensor& t : operands) keep |= t.requires_grad() && grad_enabled();
  if (o.batch_sizes.defined()) operands.push_back(o.batch_sizes);
  const RecurrentAttributes a{
      static_cast<int64_t>(o.cell), total, batch, steps, hidden, out, reverse, keep, o.bias,
      o.batch_sizes.defined()};
  const auto at = a.trace();
  const Tensor trace =
      record(recurrent_op(), Shape{at.size}, sums.dtype(), operands, Attributes(a));
  return {part(trace, 0, total, out), part(trace, at.h, batch, out),
          a.lstm() ? part(trace, at.c, batch, hidden) : Tensor()};
}

/// Throws unless batch sizes (steps) are those of a packed sequence.
void check_packed(const Tensor& batch_sizes, int64_t total, int64_t batch) {
  check(batch_sizes.dim() == 1 && batch_sizes.dtype() == DType::kInt64,
        "recurrent layer: expected batch_sizes of shape (steps), int64, got {} of {}",
        batch_sizes.shape(), name_of(batch_sizes.dtype()));
  int64_t sum = 0, last = batch;
  for (const int64_t n : batch_sizes.data<int64_t>()) {
    check(n > 0 && n <= last, "batch_sizes must be positive and not increase, from {} on, got {}",
          last, n);
    sum += last = n;
  }
  check(sum == total, "batch_sizes sum to {}, but the packed sequence has {} rows", sum, total);
}

}  // namespace

const Op& recurrent_op() {
  static const RecurrentOp op;
  return op;
}
const Op& recurrent_grad_op() {
  static const RecurrentGradOp op;
  return op;
}

Recurrent recurrent(const Tensor& input, const Tensor& h, const Tensor& c,
                    std::span<const Tensor> weights, const RecurrentOptions& o) {
  if (is_half(input.dtype())) {
    std::vector<Tensor> wide;
    for (const Tensor& w : weights) wide.push_back(ops::widened(w));
    Recurrent r = recurrent(ops::widened(input), ops::widened(h), ops::widened(c), wide, o);
    for (Tensor* t : {&r.output, &r.h, &r.c})
      if (t->defined()) *t = cast(*t, input.dtype());
    return r;
  }
  const bool packed = o.batch_sizes.defined(), lstm = o.cell == RecurrentCell::kLstm;
  const int64_t directions = o.bidirectional ? 2 : 1;
  check(input.dim() == (packed ? 2 : 3), "input must have {} dimensions, got {}", packed ? 2 : 3,
        input.dim());
  check(h.dim() == 3 && h.size(0) == o.layers * directions && c.defined() == lstm &&
            (!lstm || (c.dim() == 3 && c.size(0) == h.size(0))),
        "recurrent layer: expected states of shape ({}, N, hidden), got {}{}",
        o.layers * directions, h.shape(), c.defined() ? fmt::format(" and {}", c.shape()) : "");
  const bool projected = lstm && c.size(2) != h.size(2);
  const size_t each = 2 + (o.bias ? 2 : 0) + (projected ? 1 : 0);
  check(weights.size() == each * static_cast<size_t>(o.layers * directions),
        "recurrent layer: expected {} weights, got {}", each * o.layers * directions,
        weights.size());
  const Tensor whole = !packed && o.batch_first ? transpose(input, 0, 1) : input;
  const int64_t batch = h.size(1), steps = packed ? o.batch_sizes.size(0) : whole.size(0);
  check(steps > 0, "Expected sequence length to be larger than 0 in RNN");
  if (packed)
    check_packed(o.batch_sizes, whole.size(0), batch);
  else
    check(whole.size(1) == batch, "recurrent layer: expected states of {} samples, got {}",
          whole.size(1), h.shape());
  Tensor x = packed ? whole : reshape(whole, Shape{steps * batch, whole.size(2)});
  std::vector<Tensor> last_h, last_c;
  for (int64_t layer = 0; layer < o.layers; ++layer) {
    std::vector<Tensor> sides;
    for (int64_t d = 0; d < directions; ++d) {
      const int64_t i = layer * directions + d;
      const Recurrent r =
          run_layer(x, select(h, 0, i), lstm ? select(c, 0, i) : Tensor(),
                    weights.subspan(each * static_cast<size_t>(i), each), o, steps, d == 1);
      sides.push_back(r.output);
      last_h.push_back(r.h);
      if (lstm) last_c.push_back(r.c);
    }
    x = directions == 1 ? sides[0] : cat(sides, 1);
    if (o.training && o.dropout > 0 && layer < o.layers - 1) x = dropout(x, o.dropout, true);
  }
  if (!packed) x = reshape(x, Shape{steps, batch, x.size(1)});
  return {!packed && o.batch_first ? transpose(x, 0, 1) : x, stack(last_h, 0),
          lstm ? stack(last_c, 0) : Tensor()};
}

Recurrent recurrent_cell(RecurrentCell cell, const Tensor& x, const Tensor& h, const Tensor& c,
                         const CellWeights& w) {
  check(x.dim() == 2 && x.size(1) == w.w_ih.size(1),
        "input has inconsistent input_size: got {} expected {}", x.size(-1), w.w_ih.size(1));
  for (int i = 0; const Tensor& s : {h, c}) {
    if (!s.defined()) continue;
    check(s.dim() == 2 && s.size(0) == x.size(0),
          "Input batch size {} doesn't match hidden{} batch size {}", x.size(0), i, s.size(0));
    check(s.size(1) == w.w_hh.size(1), "hidden{} has inconsistent hidden_size: got {}, expected {}",
          i, s.size(1), w.w_hh.size(1));
    ++i;
  }
  const Tensor a = linear(x, w.w_ih, w.b_ih), b = linear(h, w.w_hh, w.b_hh);
  if (cell == RecurrentCell::kTanh || cell == RecurrentCell::kRelu) {
    const Tensor made = cell == RecurrentCell::kTanh ? tanh(a + b) : relu(a + b);
    return {made, made, Tensor()};
  }
  if (cell == RecurrentCell::kGru) {
    const std::vector<Tensor> p = chunk(a, 3, 1), q = chunk(b, 3, 1);
    const Tensor r = sigmoid(p[0] + q[0]), z = sigmoid(p[1] + q[1]);
    const Tensor n = tanh(p[2] + r * q[2]);
    const Tensor made = (h - n) * z + n;
    return {made, made, Tensor()};
  }
  const std::vector<Tensor> g = chunk(a + b, 4, 1);
  const Tensor cells = sigmoid(g[1]) * c + sigmoid(g[0]) * tanh(g[2]);
  const Tensor made = sigmoid(g[3]) * tanh(cells);
  return {made, made, cells};
}

}  // namespace ballast
