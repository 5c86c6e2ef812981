#include "ballast/ops/recurrent.h"

#include <algorithm>

#include "ballast/base/threads.h"
#include "ballast/kernels/product.h"
#include "ballast/kernels/recurrent.h"
#include "ballast/sweep/pieces.h"
#include "ballast/sweep/sweep.h"

namespace ballast::sweep {
namespace {

/// A matrix that products of all steps read, packed: its sums' length, and its columns.
struct Packed {
  int64_t depth = 0, columns = 0;

  int64_t size() const { return kernels::packed_size(depth, columns); }
  /// c (rows x columns) = bias + a (rows x k) times rows [k0, k0 + k) of the matrix.
  void multiply(const float* packed, const float* a, int64_t lda, int64_t rows, int64_t k0,
                int64_t k, const float* bias, bool accumulate, float* c, int64_t ldc) const {
    const float* b = packed + k0 * kernels::panel_columns();
    kernels::product({.rows = rows,
                      .columns = columns,
                      .depth = k,
                      .a = &a,
                      .sam = lda,
                      .sak = 1,
                      .b = &b,
                      .sbk = kernels::panel_columns(),
                      .panel = depth * kernels::panel_columns(),
                      .c = c,
                      .ldc = ldc,
                      .accumulate = accumulate,
                      .bias = bias});
  }
};

/// What both directions share. Samples do not depend on each other: a piece of work is some of
/// them, through all steps. Products give a row the same bits whatever rows are beside it.
class RecurrentBase : public Sweep {
 public:
  RecurrentBase(const plan::Plan& plan, int value, bool gradient)
      : a_(plan.values[value].attributes.as<RecurrentAttributes>()),
        out_(value),
        in_(plan.values[value].in.begin(), plan.values[value].in.end()),
        shift_(gradient ? 1 : 0),
        trace_(a_.trace()),
        hidden_(gradient ? Packed{a_.width(), a_.out} : Packed{a_.out, a_.width()}),
        projection_(gradient ? Packed{a_.out, a_.hidden} : Packed{a_.hidden, a_.out}),
        pieces_(a_.batch, kernels::block_rows(),
                std::min<int64_t>(kEnoughPieces, a_.batch / kernels::block_rows())) {}

  int64_t prepared_bytes() const override {
    return (hidden_.size() + (a_.projected() ? projection_.size() : 0)) *
           static_cast<int64_t>(sizeof(float));
  }
  std::vector<int> prepared_from() const override {
    std::vector<int> from{in_[2 + shift_]};
    if (a_.projected()) from.push_back(in_[a_.projection_at() + shift_]);
    return from;
  }
  void prepare(Pointers p, std::byte* to) const override {
    auto* packed = reinterpret_cast<float*>(to);
    pack(get(p, 2), hidden_, packed);
    if (a_.projected()) pack(get(p, a_.projection_at()), projection_, packed + hidden_.size());
  }
  const char* kernel() const override { return "recurrent"; }

 protected:
  /// Operand `i` as ops/recurrent.h counts them; null for -1.
  const float* get(Pointers p, int i) const {
    return i < 0 ? nullptr : reinterpret_cast<const float*>(p[in_[i + shift_]]);
  }
  RecurrentSteps steps(Pointers p) const {
    const int at = a_.sizes_at();
    return {a_, at < 0 ? nullptr : reinterpret_cast<const int64_t*>(p[in_[at + shift_]])};
  }
  bool kept() const { return trace_.cells > trace_.gates; }
  double cost() const {
    return 2.0 * static_cast<double>(a_.total * a_.width()) * static_cast<double>(a_.out) / 16;
  }

  RecurrentAttributes a_;
  int out_;
  std::vector<int> in_;
  int shift_;
  RecurrentAttributes::Trace trace_;
  Packed hidden_, projection_;
  Parts pieces_;

 private:
  /// Forward products read weights (columns, depth), those of the gradient (depth, columns).
  void pack(const float* w, const Packed& m, float* to) const {
    const bool lies = shift_ == 1;
    kernels::pack_b(w, lies ? m.columns : 1, lies ? 1 : m.depth, m.depth, m.columns, to);
  }
};

class RecurrentSweep final : public RecurrentBase {
 public:
  RecurrentSweep(const plan::Plan& plan, int value) : RecurrentBase(plan, value, false) {}

  void run(Pointers p, const Lent& lent) const override {
    auto* out = reinterpret_cast<float*>(p[out_]);
    std::copy_n(get(p, 1), a_.batch * a_.out, out + trace_.h);
    if (a_.lstm()) std::copy_n(get(p, a_.c_at()), a_.batch * a_.hidden, out + trace_.c);
    const RecurrentSteps s = steps(p);
    parallel_for(pieces_.parts, cost(), [&](int64_t i) {
      const int64_t begin = pieces_.begin(i), n = pieces_.size(i);
      const int64_t floats = n * (a_.width() + a_.hidden);
      auto* spare = reinterpret_cast<float*>(scratch(floats * sizeof(float)));
      for (int64_t k = 0; k < s.count(); ++k) {
        poll_interrupt();
        const int64_t t = s.at(k), rows = std::min(begin + n, s.rows(t)) - begin;
        if (rows > 0)
          step(p, reinterpret_cast<const float*>(lent.prepared), begin, s.begin(t) + begin, rows,
               spare);
      }
    });
  }

 private:
  /// A step of samples `first`, first + 1, ..., whose rows are `row`, row + 1, ...
  void step(Pointers p, const float* packed, int64_t first, int64_t row, int64_t rows,
            float* spare) const {
    auto* out = reinterpret_cast<float*>(p[out_]);
    const int64_t n = a_.hidden, w = a_.width();
    float *h = out + trace_.h + first * a_.out, *y = out + row * a_.out;
    float* inner = spare + rows * w;  // of a GRU; under a projection the outputs before it
    const bool gated = a_.lstm() || a_.gru();
    float* sums = !gated ? y : kept() ? out + trace_.gates + row * w : spare;
    hidden_.multiply(packed, h, a_.out, rows, 0, a_.out, get(p, a_.bias_at()), false, sums, w);
    for (int64_t r = 0; r < rows; ++r) {
      const float* x = get(p, 0) + (row + r) * w;
      float* cells = kept() ? out + trace_.cells + (row + r) * n : inner + r * n;
      if (a_.lstm()) {
        float* c = out + trace_.c + (first + r) * n;
        kernels::lstm_row(n, x, sums + r * w, c, a_.projected() ? inner + r * n : h + r * n);
        if (kept()) std::copy_n(c, n, cells);
      } else if (a_.gru()) {
        kernels::gru_row(n, x, sums + r * w, cells, h + r * n);
      } else {
        kernels::rnn_row(a_.kind() == RecurrentCell::kRelu, n, x, sums + r * n, h + r * n);
      }
    }
    if (a_.projected())
      projection_.multiply(packed + hidden_.size(), inner, n, rows, 0, n, nullptr, false, h,
                           a_.out);
    std::copy_n(h, rows * a_.out, y);
  }
};

class RecurrentGradSweep final : public RecurrentBase {
 public:
  RecurrentGradSweep(const plan::Plan& plan, int value)
      : RecurrentBase(plan, value, true), at_(a_.grad()) {}

  void run(Pointers p, const Lent& lent) const override {
    auto* out = reinterpret_cast<float*>(p[out_]);
    const auto* g = reinterpret_cast<const float*>(p[in_[0]]);
    std::copy_n(g + trace_.h, a_.batch * a_.out, out + at_.h);
    if (a_.lstm()) std::copy_n(g + trace_.c, a_.batch * a_.hidden, out + at_.c);
    const RecurrentSteps s = steps(p);
    parallel_for(pieces_.parts, cost(), [&](int64_t i) {
      const int64_t begin = pieces_.begin(i), n = pieces_.size(i);
      auto* spare = reinterpret_cast<float*>(scratch(n * a_.hidden * sizeof(float)));
      for (int64_t k = s.count() - 1; k >= 0; --k) {
        poll_interrupt();
        const int64_t t = s.at(k), rows = std::min(begin + n, s.rows(t)) - begin;
        if (rows > 0)
          step(p, reinterpret_cast<const float*>(lent.prepared), s, t, begin, rows, spare);
      }
    });
  }

 private:
  void step(Pointers p, const float* packed, const RecurrentSteps& s, int64_t t, int64_t first,
            int64_t rows, float* spare) const {
    auto* out = reinterpret_cast<float*>(p[out_]);
    const auto* g = reinterpret_cast<const float*>(p[in_[0]]);
    const auto* trace = reinterpret_cast<const float*>(p[in_[1]]);
    const int64_t n = a_.hidden, w = a_.width(), row = s.begin(t) + first;
    float *dh = out + at_.h + first * a_.out, *dx = out + row * w;
    float* extra = out + at_.extra + row * (a_.gru() ? n : a_.out);
    for (int64_t j = 0; j < rows * a_.out; ++j) dh[j] += g[row * a_.out + j];
    const float* made = dh;  // the gradient of the outputs before a projection
    if (a_.projected()) {
      std::copy_n(dh, rows * a_.out, extra);
      projection_.multiply(packed + hidden_.size(), dh, a_.out, rows, 0, a_.out, nullptr, false,
                           spare, n);
      made = spare;
    }
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t before = s.before(t, first + r);
      const float* gates = trace + trace_.gates + (row + r) * w;
      const float* cells = trace + trace_.cells + (row + r) * n;
      if (a_.lstm())
        kernels::lstm_row_grad(
            n, gates, cells,
            before < 0 ? get(p, a_.c_at()) + (first + r) * n : trace + trace_.cells + before * n,
            made + r * n, out + at_.c + (first + r) * n, dx + r * w);
      else if (a_.gru())
        kernels::gru_row_grad(n, gates, cells,
                              before < 0 ? get(p, 1) + (first + r) * n : trace + before * n,
                              dh + r * n, dx + r * w, extra + r * n);
      else
        kernels::rnn_row_grad(a_.kind() == RecurrentCell::kRelu, n, trace + (row + r) * n,
                              dh + r * n, dx + r * n);
    }
    const int64_t direct = a_.gru() ? 2 * n : w;
    hidden_.multiply(packed, dx, w, rows, 0, direct, nullptr, a_.gru(), dh, a_.out);
    if (a_.gru()) hidden_.multiply(packed, extra, n, rows, direct, n, nullptr, true, dh, a_.out);
  }

  RecurrentAttributes::Grad at_;
};

}  // namespace

std::unique_ptr<Sweep> build_recurrent(const plan::Plan& plan, int value) {
  const plan::Value& v = plan.values[value];
  if (v.dtype != DType::kFloat32) return nullptr;
  if (v.op == &recurrent_op()) return std::make_unique<RecurrentSweep>(plan, value);
  if (v.op == &recurrent_grad_op()) return std::make_unique<RecurrentGradSweep>(plan, value);
  return nullptr;
}

}  // namespace ballast::sweep
