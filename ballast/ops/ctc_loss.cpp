#include "ballast/ops/ctc_loss.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ballast/ops/create.h"
#include "ballast/ops/index.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

double log_add(double a, double b) {
  if (a < b) std::swap(a, b);
  return b == kNever ? a : a + std::log1p(std::exp(b - a));
}

struct CtcAttributes {
  int64_t blank, zero_infinity, classes;

  void check_label(int64_t label) const {
    check(label >= 0 && label < classes && label != blank,
          "ctc_loss: expected target labels other than blank ({}) below {}, got {}", blank, classes,
          label);
  }
};

/// One sample: its labels with blanks around each, and the log probabilities of all prefixes and
/// suffixes (Graves et al. 2006, 4.1).
template <class T>
class Alignment {
 public:
  Alignment(const T* log_probs, int64_t step, int64_t steps, const int64_t* target, int64_t length,
            int64_t blank)
      : p_(log_probs),
        step_(step),
        steps_(steps),
        states_(2 * length + 1),
        labels_(states_, blank) {
    for (int64_t i = 0; i < length; ++i) labels_[2 * i + 1] = target[i];
  }

  int64_t states() const { return states_; }
  int64_t label(int64_t s) const { return labels_[s]; }
  double log_p(int64_t t, int64_t s) const {
    return static_cast<double>(p_[t * step_ + labels_[s]]);
  }

  /// alpha[t][s]: ways that end in state s after step t.
  std::vector<double> prefixes() const {
    std::vector<double> a(steps_ * states_, kNever);
    for (int64_t t = 0; t < steps_; ++t)
      for (int64_t s = 0; s < states_; ++s) {
        double before;
        if (t == 0) {
          before = s < 2 ? 0 : kNever;
        } else {
          const double* row = a.data() + (t - 1) * states_;
          before = row[s];
          if (s > 0) before = log_add(before, row[s - 1]);
          if (skips(s)) before = log_add(before, row[s - 2]);
        }
        a[t * states_ + s] = before + log_p(t, s);
      }
    return a;
  }
  /// beta[t][s]: ways from state s at step t, that step's own probability included.
  std::vector<double> suffixes() const {
    std::vector<double> b(steps_ * states_, kNever);
    for (int64_t t = steps_ - 1; t >= 0; --t)
      for (int64_t s = 0; s < states_; ++s) {
        double after;
        if (t == steps_ - 1) {
          after = s + 2 >= states_ ? 0 : kNever;
        } else {
          const double* row = b.data() + (t + 1) * states_;
          after = row[s];
          if (s + 1 < states_) after = log_add(after, row[s + 1]);
          if (s + 2 < states_ && skips(s + 2)) after = log_add(after, row[s + 2]);
        }
        b[t * states_ + s] = after + log_p(t, s);
      }
    return b;
  }
  double loss(const std::vector<double>& prefixes) const {
    if (steps_ == 0) return states_ == 1 ? 0 : -kNever;
    const double* last = prefixes.data() + (steps_ - 1) * states_;
    return -(states_ > 1 ? log_add(last[states_ - 1], last[states_ - 2]) : last[0]);
  }

 private:
  /// Whether state s may follow s - 2: its label is no blank and another one.
  bool skips(int64_t s) const { return s >= 2 && s % 2 == 1 && labels_[s] != labels_[s - 2]; }

  const T* p_;
  int64_t step_, steps_, states_;
  std::vector<int64_t> labels_;
};

/// Calls `f(n, alignment, steps)` for every sample; the last three inputs of `in` are the labels,
/// one sample's after the other's, and both lengths, the first is (T, N, C).
template <class T, class F>
void for_each_sample(const Operand& probs, std::span<const Operand> in, const CtcAttributes& o,
                     F&& f) {
  const int64_t batch = probs.shape[1], classes = probs.shape[2];
  const auto* target = in[0].as<const int64_t>();
  for (int64_t n = 0; n < batch; ++n) {
    const int64_t steps = in[1].as<const int64_t>()[n], length = in[2].as<const int64_t>()[n];
    std::for_each_n(target, length, [&](int64_t label) { o.check_label(label); });
    f(n,
      Alignment<T>(probs.as<const T>() + n * classes, batch * classes, steps, target, length,
                   o.blank),
      steps);
    target += length;
  }
}

/// Inputs: log_probs, labels, input_lengths, target_lengths.
class CtcLossOp final : public Op {
 public:
  CtcLossOp() : Op("ctc_loss", input_bit(1)) {}
  void check_values(const CheckCall& c) const override {
    const auto& o = c.attributes.as<CtcAttributes>();
    for (int64_t label : c.known[1].as<int64_t>()) o.check_label(label);
  }
  void reference(const Call& c) const override {
    const auto& o = c.attributes.as<CtcAttributes>();
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      for_each_sample<T>(c.in[0], c.in.subspan(1), o,
                         [&](int64_t n, const Alignment<T>& a, int64_t) {
                           const double loss = a.loss(a.prefixes());
                           const bool none = o.zero_infinity && std::isinf(loss);
                           c.output<T>()[n] = static_cast<T>(none ? 0 : loss);
                         });
    });
  }
  Gradients gradient(const Backward& b) const override;
  uint32_t gradient_reads() const override { return 15; }
};

/// The gradient by log_probs; inputs: that of the losses, then those of ctc_loss.
class CtcGradOp final : public Op {
 public:
  CtcGradOp() : Op("ctc_loss_grad") {}
  void reference(const Call& c) const override {
    const auto& o = c.attributes.as<CtcAttributes>();
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const Shape& s = c.out.shape;
      T* out = c.output<T>();
      std::fill_n(out, s.numel(), T{0});
      for_each_sample<T>(
          c.in[1], c.in.subspan(2), o, [&](int64_t n, const Alignment<T>& a, int64_t steps) {
            const double g = static_cast<double>(c.input<T>(0)[n]);
            const std::vector<double> alpha = a.prefixes(), beta = a.suffixes();
            const double loss = a.loss(alpha);
            if (o.zero_infinity && std::isinf(loss)) return;
            std::vector<double> ways(s[2]);
            for (int64_t t = 0; t < steps; ++t) {
              std::fill(ways.begin(), ways.end(), kNever);
              for (int64_t k = 0; k < a.states(); ++k) {
                double& w = ways[a.label(k)];
                w = log_add(w, alpha[t * a.states() + k] + beta[t * a.states() + k]);
              }
              const int64_t row = (t * s[1] + n) * s[2];
              for (int64_t k = 0; k < s[2]; ++k) {
                const double lp = static_cast<double>(c.input<T>(1)[row + k]);
                out[row + k] = static_cast<T>(g * (std::exp(lp) - std::exp(ways[k] + loss - lp)));
              }
            }
          });
    });
  }
};

Gradients CtcLossOp::gradient(const Backward& b) const {
  static const CtcGradOp op;
  const Tensor p = b.input(0);
  return {record(op, p.shape(), p.dtype(), {b.grad(), p, b.input(1), b.input(2), b.input(3)},
                 b.attributes<CtcAttributes>()),
          Tensor(), Tensor(), Tensor()};
}

}  // namespace

namespace {

/// The labels that count, one sample's after the other's.
Tensor labels(const Tensor& targets, const std::vector<int64_t>& lengths) {
  const Tensor flat = reshape(cast(targets, DType::kInt64), Shape{targets.numel()});
  if (targets.dim() == 1) return flat;
  const int64_t row = targets.size(1);
  std::vector<int64_t> at;
  for (size_t n = 0; n < lengths.size(); ++n)
    for (int64_t i = 0; i < lengths[n]; ++i) at.push_back(static_cast<int64_t>(n) * row + i);
  const auto count = static_cast<int64_t>(at.size());
  return count == flat.numel() ? flat : index_select(flat, 0, Tensor::from(at, Shape{count}));
}

}  // namespace

Tensor ctc_loss(const Tensor& log_probs, const Tensor& targets,
                const std::vector<int64_t>& input_lengths,
                const std::vector<int64_t>& target_lengths, int64_t blank, bool zero_infinity) {
  static const CtcLossOp op;
  check(log_probs.dim() == 3 && is_floating(log_probs.dtype()),
        "ctc_loss: expected log_probs (T, N, C) of a floating-point type, got {} of {}",
        log_probs.shape(), name_of(log_probs.dtype()));
  check(!is_floating(targets.dtype()) && (targets.dim() == 1 || targets.dim() == 2),
        "ctc_loss: expected whole-number targets (N, S) or (sum of lengths), got {} of {}",
        targets.shape(), name_of(targets.dtype()));
  const int64_t steps = log_probs.size(0), batch = log_probs.size(1);
  check(blank >= 0 && blank < log_probs.size(2), "blank must be in label range");
  check(static_cast<int64_t>(input_lengths.size()) == batch,
        "input_lengths must be of size batch_size");
  check(static_cast<int64_t>(target_lengths.size()) == batch,
        "target_lengths must be of size batch_size");
  int64_t total = 0, longest = 0;
  for (int64_t n = 0; n < batch; ++n) {
    check(input_lengths[n] >= 0 && input_lengths[n] <= steps,
          "Expected input_lengths to have value at most {}, but got value {} (while checking "
          "arguments for ctc_loss)",
          steps, input_lengths[n]);
    check(target_lengths[n] >= 0, "Expected target_lengths to have value at least 0, but got {}",
          target_lengths[n]);
    total += target_lengths[n];
    longest = std::max(longest, target_lengths[n]);
  }
  const bool rows = targets.dim() == 2;
  check(rows ? targets.size(0) == batch && targets.size(1) >= longest : targets.numel() == total,
        "Expected tensor to have size at least {}, but got size {} (while checking arguments for "
        "ctc_loss)",
        rows ? longest : total, targets.shape());
  const auto line = [&](const std::vector<int64_t>& v) { return Tensor::from(v, Shape{batch}); };
  return record(
      op, Shape{batch}, log_probs.dtype(),
      {log_probs, labels(targets, target_lengths), line(input_lengths), line(target_lengths)},
      CtcAttributes{blank, zero_infinity, log_probs.size(2)});
}

}  // namespace ballast
