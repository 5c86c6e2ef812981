#include "ballast/ops/loss.h"

#include <cmath>

#include "ballast/ops/compare.h"
#include "ballast/ops/index.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/softmax.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

void check_label(int64_t label, int64_t classes, int64_t ignore_index) {
  check<IndexError>((label >= 0 && label < classes) || label == ignore_index,
                    "Target {} is out of bounds.", label);
}

/// Checks labels where they are there.
void check_labels(const Known& labels, int64_t classes, int64_t ignore_index) {
  bool wrong = false;
  for (int64_t y : labels.as<int64_t>())
    wrong |= static_cast<uint64_t>(y) >= static_cast<uint64_t>(classes) && y != ignore_index;
  if (wrong)
    for (int64_t y : labels.as<int64_t>()) check_label(y, classes, ignore_index);
}

/// logits (N, C, ...) seen as rows x classes x inner, with the target and the softmax's normalizer
/// (softmax_normalizer_op) of each position.
template <class T>
struct Positions {
  Positions(const Operand& logits, const Operand& target, const Operand& normalizers,
            const CrossEntropyAttributes& a)
      : options(a),
        x(logits.as<const T>()),
        y(target.as<const int64_t>()),
        normalizer(normalizers.as<const double>()),
        classes(logits.shape[1]),
        inner(logits.shape.span_numel(2, logits.shape.rank())),
        count(logits.shape[0] * inner) {
    for (int64_t p = 0; p < count; ++p) {
      check_label(y[p], classes, options.ignore_index);
      counted += y[p] != options.ignore_index;
    }
  }

  /// Offset of class 0 of position p; classes are `inner` apart.
  int64_t base(int64_t p) const { return p / inner * classes * inner + p % inner; }

  /// The logarithm of the softmax at offset o, of position p.
  double log_softmax(int64_t p, int64_t o) const {
    const double* z = normalizer + p / inner * 2 * inner + p % inner;
    return x[o] - z[0] - z[inner];
  }

  /// What a position's loss is divided by.
  double divisor() const {
    return static_cast<Reduction>(options.reduction) == Reduction::kMean
               ? static_cast<double>(counted)
               : 1;
  }

  const CrossEntropyAttributes& options;
  const T* x;
  const int64_t* y;
  const double* normalizer;
  int64_t classes, inner, count, counted = 0;
};

class CrossEntropyGradOp final : public Op {
 public:
  CrossEntropyGradOp() : Op("cross_entropy_grad") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const Positions<T> at(c.in[0], c.in[1], c.in[2], c.attributes.as<CrossEntropyAttributes>());
      const T* g = c.input<T>(3);
      const bool each = static_cast<Reduction>(at.options.reduction) == Reduction::kNone;
      const double smooth = at.options.label_smoothing, k = static_cast<double>(at.classes);
      T* out = c.output<T>();
      for (int64_t p = 0; p < at.count; ++p) {
        const double scale =
            at.y[p] == at.options.ignore_index ? 0 : (each ? g[p] : g[0]) / at.divisor();
        for (int64_t i = 0; i < at.classes; ++i) {
          const int64_t o = at.base(p) + i * at.inner;
          const double goal = (i == at.y[p] ? 1 - smooth : 0) + smooth / k;
          out[o] =
              scale == 0 ? T{0} : static_cast<T>((std::exp(at.log_softmax(p, o)) - goal) * scale);
        }
      }
    });
  }
};

class CrossEntropyOp final : public Op {
 public:
  CrossEntropyOp() : Op("cross_entropy", input_bit(1)) {}
  void check_values(const CheckCall& c) const override {
    check_labels(c.known[1], c.shapes[0][1],
                 c.attributes.as<CrossEntropyAttributes>().ignore_index);
  }
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const Positions<T> at(c.in[0], c.in[1], c.in[2], c.attributes.as<CrossEntropyAttributes>());
      const double smooth = at.options.label_smoothing;
      const bool each = static_cast<Reduction>(at.options.reduction) == Reduction::kNone;
      double total = 0;
      for (int64_t p = 0; p < at.count; ++p) {
        double loss = 0;
        if (at.y[p] != at.options.ignore_index) {
          loss = (smooth - 1) * at.log_softmax(p, at.base(p) + at.y[p] * at.inner);
          if (smooth > 0)
            for (int64_t i = 0; i < at.classes; ++i)
              loss -= smooth / static_cast<double>(at.classes) *
                      at.log_softmax(p, at.base(p) + i * at.inner);
        }
        if (each) c.output<T>()[p] = static_cast<T>(loss);
        total += loss;
      }
      if (!each) *c.output<T>() = static_cast<T>(total / at.divisor());
    });
  }
  Gradients gradient(const Backward& b) const override {
    const Tensor x = b.input(0);
    if (grad_enabled()) return {elementary_gradient(b), Tensor(), Tensor()};
    return {record(cross_entropy_grad_op(), x.shape(), x.dtype(),
                   {x, b.input(1), b.input(2), b.grad()}, b.attributes<CrossEntropyAttributes>()),
            Tensor(), Tensor()};
  }
  uint32_t gradient_reads() const override { return 7; }

 private:
  /// The same made of operations that have derivatives.
  static Tensor elementary_gradient(const Backward& b) {
    const auto a = b.attributes<CrossEntropyAttributes>();
    const Tensor x = b.input(0), y = b.input(1);
    const Tensor counted = ne(y, Scalar(a.ignore_index)), marks = cast(counted, x.dtype());
    const Tensor labels = where(counted, y, Scalar(int64_t{0}));
    const Tensor goal = cast(movedim(one_hot(labels, x.size(1)), -1, 1), x.dtype());
    Tensor factor = marks * b.grad();
    if (static_cast<Reduction>(a.reduction) == Reduction::kMean) factor = factor / sum(marks);
    const double even = a.label_smoothing / static_cast<double>(x.size(1));
    return (softmax(x, 1) - (goal * (1 - a.label_smoothing) + even)) * unsqueeze(factor, 1);
  }
};

struct LabelAttributes {
  int64_t classes, ignore_index;
};

/// Labels that can be used as positions: those to be ignored become 0, others are checked.
class LabelsOp final : public Op {
 public:
  LabelsOp() : Op("labels", input_bit(0)) {}
  void check_values(const CheckCall& c) const override {
    const auto& a = c.attributes.as<LabelAttributes>();
    check_labels(c.known[0], a.classes, a.ignore_index);
  }
  void reference(const Call& c) const override {
    const auto& a = c.attributes.as<LabelAttributes>();
    const int64_t* y = c.input<int64_t>(0);
    for (int64_t i = 0, n = c.out.shape.numel(); i < n; ++i) {
      check_label(y[i], a.classes, a.ignore_index);
      c.output<int64_t>()[i] = y[i] == a.ignore_index ? 0 : y[i];
    }
  }
};

void check_weight(const Tensor& weight, const Tensor& x) {
  if (!weight.defined()) return;
  const int64_t classes = x.size(1);
  check(weight.shape() == Shape{classes},
        "weight tensor should be defined either for all {} classes or no classes but got weight "
        "tensor of shape: {}",
        classes, weight.shape());
}

/// Class weights (C), ready to meet (N, C, ...).
Tensor beside_classes(const Tensor& weight, const Tensor& x) {
  Shape s;
  for (int d = 0; d < x.dim(); ++d) s.push_back(d == 1 ? x.shape()[1] : 1);
  return reshape(weight, s);
}

/// Loss of log-probabilities (N, C, ...) against class indices (N, ...), with weights and smoothing
/// (which spreads a part of the target over all classes).
Tensor index_loss(const Tensor& log_p, const Tensor& target, const CrossEntropyOptions& options) {
  static const LabelsOp labels_op;
  const int64_t classes = log_p.size(1);
  check_weight(options.weight, log_p);
  check(!options.weight.defined() || options.weight.dtype() == log_p.dtype(),
        "expected scalar type {} but found {}", ops::scalar_type_name(log_p.dtype()),
        ops::scalar_type_name(options.weight.defined() ? options.weight.dtype() : log_p.dtype()));
  const Tensor labels = record(labels_op, target.shape(), DType::kInt64, {target},
                               LabelAttributes{classes, options.ignore_index});
  const Tensor counts = ne(target, options.ignore_index);
  Tensor weights = cast(counts, log_p.dtype());
  if (options.weight.defined())
    weights = weights * reshape(index_select(options.weight, 0, flatten(labels)), target.shape());
  const Tensor picked = squeeze(gather(log_p, 1, unsqueeze(labels, 1)), 1);
  Tensor loss = where(counts, neg(picked) * weights, 0);
  if (const double smooth = options.label_smoothing; smooth > 0) {
    const Tensor all =
        options.weight.defined() ? log_p * beside_classes(options.weight, log_p) : log_p;
    loss = loss * (1 - smooth) +
           where(counts, sum(all, {1}) * (-smooth / static_cast<double>(classes)), 0);
  }
  if (options.reduction == Reduction::kNone) return loss;
  return options.reduction == Reduction::kSum ? sum(loss) : sum(loss) / sum(weights);
}

/// Loss of log-probabilities (N, C, ...) against probabilities of the same shape.
Tensor probability_loss(const Tensor& log_p, const Tensor& target,
                        const CrossEntropyOptions& options) {
  check_weight(options.weight, log_p);
  const double smooth = options.label_smoothing, classes = static_cast<double>(log_p.size(1));
  Tensor goal = smooth > 0 ? target * (1 - smooth) + smooth / classes : target;
  if (options.weight.defined()) goal = goal * beside_classes(options.weight, log_p);
  Tensor loss = neg(sum(log_p * goal, {1}));
  if (options.reduction == Reduction::kNone) return loss;
  return options.reduction == Reduction::kSum ? sum(loss) : mean(loss);
}

void check_reduction(const CrossEntropyOptions& options, const char* who) {
  check<ValueError>(options.reduction != Reduction::kBatchMean,
                    "batchmean is not a valid value for reduction of {}", who);
}

/// Checks that target (N, ...) fits x (N, C, ...).
void check_target(const Tensor& x, const Tensor& target, const char* who) {
  check<ValueError>(target.dim() > 0 && target.size(0) == x.size(0),
                    "Expected input batch_size ({}) to match target batch_size ({}).", x.size(0),
                    target.dim() ? target.size(0) : 1);
  check(target.dtype() == DType::kInt64, "{}: expected target of dtype int64, got {}", who,
        name_of(target.dtype()));
  Shape positions{x.shape()[0]};
  for (int d = 2; d < x.dim(); ++d) positions.push_back(x.shape()[d]);
  check(target.shape() == positions, "Expected target size {}, got {}", positions, target.shape());
}

/// Checks the target of one sample (C): a label or, in cross_entropy, probabilities (C).
void check_one(const Tensor& x, const Tensor& target) {
  check<ValueError>(target.numel() == 1 || (is_floating(target.dtype()) && target.dim() == 1),
                    "Expected input batch_size ({}) to match target batch_size ({}).", x.numel(),
                    target.numel());
}

}  // namespace

const Op& cross_entropy_op() {
  static const CrossEntropyOp op;
  return op;
}
const Op& cross_entropy_grad_op() {
  static const CrossEntropyGradOp op;
  return op;
}

Tensor cross_entropy(const Tensor& logits, const Tensor& target, CrossEntropyOptions options) {
  if (is_half(logits.dtype())) options.weight = ops::widened(options.weight);
  if (is_half(logits.dtype()))
    return cast(cross_entropy(ops::widened(logits), ops::widened(target), options), logits.dtype());
  check<IndexError>(logits.dim() > 0, "cross_entropy: the logits have no dimensions");
  check(is_floating(logits.dtype()),
        "cross_entropy: expected floating-point logits (N, C, ...), got {} of shape {}",
        name_of(logits.dtype()), logits.shape());
  check(options.label_smoothing >= 0 && options.label_smoothing <= 1,
        "label_smoothing must be between 0.0 and 1.0. Got: {}", options.label_smoothing);
  check_reduction(options, "cross_entropy");
  if (logits.dim() == 1) {
    check_one(logits, target);
    const Tensor loss = cross_entropy(unsqueeze(logits, 0), unsqueeze(target, 0), options);
    return reshape(loss, Shape{});
  }
  if (is_floating(target.dtype()) && target.shape() == logits.shape())
    return probability_loss(log_softmax(logits, 1), target, options);
  check_target(logits, target, "cross_entropy");
  if (options.weight.defined()) return index_loss(log_softmax(logits, 1), target, options);
  const CrossEntropyAttributes a{static_cast<int64_t>(options.reduction), options.ignore_index,
                                 options.label_smoothing};
  // Read by the loss and by its gradient, whose formula already accounts for it.
  const Tensor normalizers = [&] {
    NoGrad scope;
    Shape pairs = logits.shape();
    pairs[1] = 2;
    return record(softmax_normalizer_op(), pairs, DType::kFloat64, {logits}, SoftmaxAttributes{1});
  }();
  return record(cross_entropy_op(),
                options.reduction == Reduction::kNone ? target.shape() : Shape{}, logits.dtype(),
                {logits, target, normalizers}, a);
}

Tensor nll_loss(const Tensor& log_probabilities, const Tensor& target,
                CrossEntropyOptions options) {
  if (is_half(log_probabilities.dtype())) options.weight = ops::widened(options.weight);
  if (is_half(log_probabilities.dtype()))
    return cast(nll_loss(ops::widened(log_probabilities), ops::widened(target), options),
                log_probabilities.dtype());
  check<ValueError>(log_probabilities.dim() > 0,
                    "nll_loss: the log-probabilities have no dimensions");
  check(is_floating(log_probabilities.dtype()),
        "nll_loss: expected floating-point log-probabilities (N, C, ...), got {} of shape {}",
        name_of(log_probabilities.dtype()), log_probabilities.shape());
  check<ValueError>(options.label_smoothing == 0, "nll_loss: label_smoothing must be 0, got {}",
                    options.label_smoothing);
  check_reduction(options, "nll_loss");
  if (log_probabilities.dim() == 1) {
    check_one(log_probabilities, target);
    const Tensor loss = nll_loss(unsqueeze(log_probabilities, 0), unsqueeze(target, 0), options);
    return reshape(loss, Shape{});
  }
  check_target(log_probabilities, target, "nll_loss");
  return index_loss(log_probabilities, target, options);
}

}  // namespace ballast
