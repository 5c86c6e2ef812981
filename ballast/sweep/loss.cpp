#include "ballast/ops/loss.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ballast/base/threads.h"
#include "ballast/kernels/columns.h"
#include "ballast/kernels/softmax.h"
#include "ballast/ops/softmax.h"
#include "ballast/sweep/sweep.h"

namespace ballast::sweep {
namespace {

// Rows of logits that a piece of work takes: of softmax, of 16 numbers.
constexpr int64_t kRows = 256;

/// Softmax cross-entropy over rows of logits, or its gradient.
class CrossEntropySweep final : public Sweep {
 public:
  CrossEntropySweep(const plan::Plan& plan, int value, bool gradient)
      : out_(value),
        options_(plan.values[value].attributes.as<CrossEntropyAttributes>()),
        gradient_(gradient) {
    const plan::Value& v = plan.values[value];
    x_ = v.in[0];
    y_ = v.in[1];
    normalizers_ = v.in[2];
    g_ = gradient ? v.in[3] : -1;
    rows_ = plan.values[x_].shape[0];
    classes_ = plan.values[x_].shape[1];
  }

  const char* kernel() const override { return "loss"; }
  void run(Pointers p, const Lent&) const override {
    const auto* y = reinterpret_cast<const int64_t*>(p[y_]);
    int64_t counted = 0;
    for (int64_t r = 0; r < rows_; ++r) {
      const bool ignored = y[r] == options_.ignore_index;
      check<IndexError>(ignored || (y[r] >= 0 && y[r] < classes_), "Target {} is out of bounds.",
                        y[r]);
      counted += !ignored;
    }
    const bool mean = static_cast<Reduction>(options_.reduction) == Reduction::kMean;
    const double divisor = mean ? static_cast<double>(counted) : 1.0;
    const int64_t pieces = (rows_ + kRows - 1) / kRows;
    InlineVector<double, 4>
        sums;  // more than four pieces are 1024 rows: one allocation more does not count
    for (int64_t i = 0; i < pieces && !gradient_; ++i) sums.push_back(0);
    parallel_for(pieces, 10.0 * static_cast<double>(rows_ * classes_), [&](int64_t i) {
      const int64_t begin = i * kRows, n = std::min(kRows, rows_ - begin);
      if (gradient_)
        differentiate(p, begin, n, divisor);
      else
        sums[static_cast<int>(i)] = losses(p, begin, n);
    });
    if (gradient_ || static_cast<Reduction>(options_.reduction) == Reduction::kNone) return;
    double total = 0;
    for (double s : sums) total += s;
    *reinterpret_cast<float*>(p[out_]) = static_cast<float>(total / divisor);
  }

 private:
  double losses(Pointers p, int64_t begin, int64_t n) const {
    const auto* x = reinterpret_cast<const float*>(p[x_]) + begin * classes_;
    const auto* y = reinterpret_cast<const int64_t*>(p[y_]) + begin;
    const bool each = static_cast<Reduction>(options_.reduction) == Reduction::kNone;
    const double smooth = options_.label_smoothing;
    const auto* z = reinterpret_cast<const double*>(p[normalizers_]) + 2 * begin;
    double total = 0;
    for (int64_t r = 0; r < n; ++r, x += classes_) {
      double loss = 0;
      if (y[r] != options_.ignore_index) {
        const auto log_softmax = [&](int64_t c) { return x[c] - z[2 * r] - z[2 * r + 1]; };
        loss = (smooth - 1) * log_softmax(y[r]);
        if (smooth > 0) {
          double sum = 0;
          for (int64_t c = 0; c < classes_; ++c) sum -= log_softmax(c);
          loss += smooth * sum / static_cast<double>(classes_);
        }
      }
      if (each) reinterpret_cast<float*>(p[out_])[begin + r] = static_cast<float>(loss);
      total += loss;
    }
    return total;
  }

  void differentiate(Pointers p, int64_t begin, int64_t n, double divisor) const {
    const auto* x = reinterpret_cast<const float*>(p[x_]) + begin * classes_;
    const auto* y = reinterpret_cast<const int64_t*>(p[y_]) + begin;
    const auto* g = reinterpret_cast<const float*>(p[g_]);
    auto* out = reinterpret_cast<float*>(p[out_]) + begin * classes_;
    const bool each = static_cast<Reduction>(options_.reduction) == Reduction::kNone;
    const double smooth = options_.label_smoothing;
    const auto* z = reinterpret_cast<const double*>(p[normalizers_]) + 2 * begin;
    auto softmax = [&](int64_t r, int64_t rows, double scale) {
      kernels::exp_affine(x + r * classes_, rows, classes_, z + 2 * r, static_cast<float>(scale),
                          static_cast<float>(-smooth * scale / static_cast<double>(classes_)),
                          out + r * classes_);
    };
    double scale = *g / divisor;
    if (!each) softmax(0, n, scale);
    for (int64_t r = 0; r < n; ++r) {
      if (y[r] == options_.ignore_index) {
        std::fill_n(out + r * classes_, classes_, 0.0f);
        continue;
      }
      if (each) softmax(r, 1, scale = g[begin + r] / divisor);
      out[r * classes_ + y[r]] -= static_cast<float>((1 - smooth) * scale);
    }
  }

  int x_, y_, normalizers_, g_, out_;
  CrossEntropyAttributes options_;
  bool gradient_;
  int64_t rows_, classes_;
};

/// log(sum(exp(x))) over the last dimension, or the softmax's normalizer.
class LogSumExpSweep final : public Sweep {
 public:
  LogSumExpSweep(const Shape& x, int in, int out, bool pairs)
      : rows_(x.span_numel(0, x.rank() - 1)),
        columns_(x.back()),
        in_(in),
        out_(out),
        pairs_(pairs) {}

  const char* kernel() const override { return "loss"; }
  void run(Pointers p, const Lent&) const override {
    const auto* x = reinterpret_cast<const float*>(p[in_]);
    const int64_t pieces = (rows_ + kRows - 1) / kRows;
    parallel_for(pieces, 10.0 * static_cast<double>(rows_ * columns_), [&](int64_t i) {
      const int64_t begin = i * kRows, n = std::min(kRows, rows_ - begin);
      double made[2 * kRows];
      double* z = pairs_ ? reinterpret_cast<double*>(p[out_]) + 2 * begin : made;
      kernels::row_log_sum_exp(x + begin * columns_, n, columns_, z);
      for (int64_t r = 0; r < n; ++r)
        if (!pairs_)
          reinterpret_cast<float*>(p[out_])[begin + r] =
              static_cast<float>(z[2 * r] + z[2 * r + 1]);
        else if (!std::isfinite(z[2 * r + 1]))
          z[2 * r + 1] = std::numeric_limits<double>::quiet_NaN();  // as is the softmax
    });
  }

 private:
  int64_t rows_, columns_;
  int in_, out_;
  bool pairs_;
};

/// Softmax over the last dimension, its logarithm, or the gradient of either.
class SoftmaxSweep final : public Sweep {
 public:
  SoftmaxSweep(const plan::Value& v, int out)
      : op_(v.op),
        rows_(v.shape.span_numel(0, v.shape.rank() - 1)),
        columns_(v.shape.back()),
        step_(std::max<int64_t>(kRows * 16 / columns_, 1)),
        a_(v.in[0]),
        b_(v.in.size() > 1 ? v.in[1] : v.in[0]),
        out_(out) {}

  const char* kernel() const override { return "softmax"; }
  void run(Pointers p, const Lent&) const override {
    const auto *a = reinterpret_cast<const float*>(p[a_]),
               *b = reinterpret_cast<const float*>(p[b_]);
    auto* out = reinterpret_cast<float*>(p[out_]);
    const int64_t pieces = (rows_ + step_ - 1) / step_;
    parallel_for(pieces, 10.0 * static_cast<double>(rows_ * columns_), [&](int64_t i) {
      const int64_t at = i * step_ * columns_, rows = std::min(step_, rows_ - i * step_);
      if (op_ == &softmax_op())
        kernels::softmax(a + at, rows, columns_, out + at);
      else if (op_ == &log_softmax_op())
        kernels::log_softmax(a + at, rows, columns_, out + at);
      else if (op_ == &softmax_grad_op())
        kernels::softmax_grad(a + at, b + at, rows, columns_, out + at);
      else
        kernels::log_softmax_grad(a + at, b + at, rows, columns_, out + at);
    });
  }

 private:
  const Op* op_;
  int64_t rows_, columns_, step_;
  int a_, b_, out_;
};

std::unique_ptr<Sweep> build_softmax(const plan::Plan& plan, int value) {
  const plan::Value& v = plan.values[value];
  const int rank = v.shape.rank();
  if (v.dtype != DType::kFloat32 || v.shape.numel() == 0 || rank == 0 ||
      v.attributes.as<SoftmaxAttributes>().dim != rank - 1)
    return nullptr;
  for (int in : v.in)
    if (plan.values[in].dtype != DType::kFloat32) return nullptr;
  return std::make_unique<SoftmaxSweep>(v, value);
}

}  // namespace

std::unique_ptr<Sweep> build_loss(const plan::Plan& plan, int value) {
  const plan::Value& v = plan.values[value];
  for (const Op* op :
       {&softmax_op(), &log_softmax_op(), &softmax_grad_op(), &log_softmax_grad_op()})
    if (v.op == op) return build_softmax(plan, value);
  const bool pairs = v.op == &softmax_normalizer_op();
  if ((pairs || v.op == &logsumexp_op()) && plan.values[v.in[0]].dtype == DType::kFloat32) {
    const Shape& x = plan.values[v.in[0]].shape;
    if (x.rank() == 0 || v.attributes.as<SoftmaxAttributes>().dim != x.rank() - 1) return nullptr;
    return std::make_unique<LogSumExpSweep>(x, v.in[0], value, pairs);
  }
  const bool gradient = v.op == &cross_entropy_grad_op();
  if ((!gradient && v.op != &cross_entropy_op()) || v.dtype != DType::kFloat32) return nullptr;
  if (plan.values[v.in[0]].shape.rank() != 2) return nullptr;
  return std::make_unique<CrossEntropySweep>(plan, value, gradient);
}

}  // namespace ballast::sweep
