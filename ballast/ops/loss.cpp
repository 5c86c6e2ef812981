#include "ballast/ops/loss.h"

#include <cmath>

#include "ballast/ops/pointwise.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

/// logits (N, C, ...) seen as rows x classes x inner, with the softmax's normalizer of each
/// position.
template <class T>
struct Positions {
  Positions(const Operand& logits, const Operand& target, const CrossEntropyAttributes& a)
      : options(a),
        x(logits.as<const T>()),
        y(target.as<const int64_t>()),
        classes(logits.shape[1]),
        inner(logits.shape.span_numel(2, logits.shape.rank())),
        count(logits.shape[0] * inner) {
    for (int64_t p = 0; p < count; ++p) {
      const bool ignored = y[p] == options.ignore_index;
      check<IndexError>(ignored || (y[p] >= 0 && y[p] < classes), "Target {} is out of bounds.",
                        y[p]);
      counted += !ignored;
    }
  }

  /// Offset of class 0 of position p; classes are `inner` apart.
  int64_t base(int64_t p) const { return p / inner * classes * inner + p % inner; }

  double log_normalizer(int64_t p) const {
    double top = -INFINITY, sum = 0;
    for (int64_t c = 0; c < classes; ++c) top = std::max<double>(top, x[base(p) + c * inner]);
    if (!std::isfinite(top)) top = 0;
    for (int64_t c = 0; c < classes; ++c) sum += std::exp(x[base(p) + c * inner] - top);
    return top + std::log(sum);
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
  int64_t classes, inner, count, counted = 0;
};

class CrossEntropyGradOp final : public Op {
 public:
  CrossEntropyGradOp() : Op("cross_entropy_grad") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const Positions<T> at(c.in[0], c.in[1], c.attributes.as<CrossEntropyAttributes>());
      const T* g = c.input<T>(2);
      const bool each = static_cast<Reduction>(at.options.reduction) == Reduction::kNone;
      const double smooth = at.options.label_smoothing, k = static_cast<double>(at.classes);
      T* out = c.output<T>();
      for (int64_t p = 0; p < at.count; ++p) {
        const double lz = at.log_normalizer(p);
        const double scale =
            at.y[p] == at.options.ignore_index ? 0 : (each ? g[p] : g[0]) / at.divisor();
        for (int64_t i = 0; i < at.classes; ++i) {
          const int64_t o = at.base(p) + i * at.inner;
          const double goal = (i == at.y[p] ? 1 - smooth : 0) + smooth / k;
          out[o] = scale == 0 ? T{0} : static_cast<T>((std::exp(at.x[o] - lz) - goal) * scale);
        }
      }
    });
  }
};

class CrossEntropyOp final : public Op {
 public:
  CrossEntropyOp() : Op("cross_entropy") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const Positions<T> at(c.in[0], c.in[1], c.attributes.as<CrossEntropyAttributes>());
      const double smooth = at.options.label_smoothing;
      const bool each = static_cast<Reduction>(at.options.reduction) == Reduction::kNone;
      double total = 0;
      for (int64_t p = 0; p < at.count; ++p) {
        double loss = 0;
        if (at.y[p] != at.options.ignore_index) {
          const double lz = at.log_normalizer(p);
          loss = (1 - smooth) * (lz - at.x[at.base(p) + at.y[p] * at.inner]);
          if (smooth > 0)
            for (int64_t i = 0; i < at.classes; ++i)
              loss +=
                  smooth / static_cast<double>(at.classes) * (lz - at.x[at.base(p) + i * at.inner]);
        }
        if (each) c.output<T>()[p] = static_cast<T>(loss);
        total += loss;
      }
      if (!each) *c.output<T>() = static_cast<T>(total / at.divisor());
    });
  }
  Gradients gradient(const Backward& b) const override {
    const Tensor x = b.input(0);
    return {record(cross_entropy_grad_op(), x.shape(), x.dtype(), {x, b.input(1), b.grad()},
                   b.attributes<CrossEntropyAttributes>()),
            Tensor()};
  }
  uint32_t gradient_reads() const override { return 3; }
};

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
  check(is_floating(logits.dtype()) && logits.dim() >= 1,
        "cross_entropy: expected floating-point logits (N, C, ...), got {} of shape {}",
        name_of(logits.dtype()), logits.shape());
  check(target.dtype() == DType::kInt64, "cross_entropy: expected target of dtype int64, got {}",
        name_of(target.dtype()));
  check(options.label_smoothing >= 0 && options.label_smoothing <= 1,
        "label_smoothing must be between 0.0 and 1.0. Got: {}", options.label_smoothing);
  const bool single = logits.dim() == 1;
  const Tensor x = single ? reshape(logits, Shape{1, logits.size(0)}) : logits;
  Shape positions{x.shape()[0]};
  for (int d = 2; d < x.dim(); ++d) positions.push_back(x.shape()[d]);
  if (!single) {
    check<ValueError>(target.dim() > 0 && target.size(0) == x.size(0),
                      "Expected input batch_size ({}) to match target batch_size ({}).", x.size(0),
                      target.dim() ? target.size(0) : 1);
    check(target.shape() == positions, "Expected target size {}, got {}", positions,
          target.shape());
  }
  const CrossEntropyAttributes a{static_cast<int64_t>(options.reduction), options.ignore_index,
                                 options.label_smoothing};
  const Shape out = options.reduction == Reduction::kNone ? positions : Shape{};
  const Tensor loss = record(cross_entropy_op(), out, x.dtype(),
                             {x, single ? reshape(target, Shape{1}) : target}, a);
  return single && options.reduction == Reduction::kNone ? reshape(loss, Shape{}) : loss;
}

}  // namespace ballast
