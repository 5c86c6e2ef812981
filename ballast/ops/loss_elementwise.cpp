#include <algorithm>
#include <cmath>

#include "ballast/ops/activation.h"
#include "ballast/ops/compare.h"
#include "ballast/ops/loss.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

template <class T>
void check_probability(T p) {
  check(p >= 0 && p <= 1, "all elements of input should be between 0 and 1, got {}", p);
}

/// -(y log(p) + (1 - y) log(1 - p)) with logarithms no lower than -100, from p and y.
class BinaryCrossEntropyOp final : public Op {
 public:
  BinaryCrossEntropyOp() : Op("binary_cross_entropy", input_bit(0)) {}
  void check_values(const CheckCall& c) const override {
    dispatch_floating(c.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      bool wrong = false;
      for (T p : c.known[0].as<T>()) wrong |= !(p >= 0 && p <= 1);
      if (wrong)
        for (T p : c.known[0].as<T>()) check_probability(p);
    });
  }
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const T *p = c.input<T>(0), *y = c.input<T>(1);
      T* out = c.output<T>();
      for (int64_t i = 0, n = c.out.shape.numel(); i < n; ++i) {
        check_probability(p[i]);
        const double x = p[i], hit = std::max(std::log(x), -100.0);
        const double miss = std::max(std::log1p(-x), -100.0);
        out[i] = static_cast<T>((y[i] - 1) * miss - y[i] * hit);
      }
    });
  }
  Gradients gradient(const Backward& b) const override {
    Gradients g{Tensor(), Tensor()};
    const Tensor p = b.input(0), y = b.input(1);
    // PyTorch's bound on the divisor: probabilities of exactly 0 and 1 have finite derivatives.
    if (b.needs(0)) g[0] = b.grad() * (p - y) / maximum((1.0 - p) * p, Scalar(1e-12).beside(p));
    if (b.needs(1)) g[1] = b.grad() * (log(1.0 - p) - log(p));
    return g;
  }
};

void check_sizes(const Tensor& input, const Tensor& target) {
  check<ValueError>(input.shape() == target.shape(),
                    "Target size ({}) must be the same as input size ({})", target.shape(),
                    input.shape());
}

}  // namespace

Tensor reduce_loss(const Tensor& loss, Reduction reduction) {
  switch (reduction) {
    case Reduction::kNone:
      return loss;
    case Reduction::kMean:
      return mean(loss);
    case Reduction::kBatchMean:
      return sum(loss) / (loss.dim() > 0 ? loss.size(0) : 1);
    case Reduction::kSum:
      break;
  }
  return sum(loss);
}

Tensor mse_loss(const Tensor& input, const Tensor& target, Reduction reduction) {
  if (is_half(ops::result_type(input, target)))
    return cast(mse_loss(ops::widened(input), ops::widened(target), reduction),
                ops::result_type(input, target));
  return reduce_loss(square(input - target), reduction);
}

Tensor l1_loss(const Tensor& input, const Tensor& target, Reduction reduction) {
  if (is_half(ops::result_type(input, target)))
    return cast(l1_loss(ops::widened(input), ops::widened(target), reduction),
                ops::result_type(input, target));
  return reduce_loss(abs(input - target), reduction);
}

Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, Reduction reduction, double beta) {
  if (is_half(ops::result_type(input, target)))
    return cast(smooth_l1_loss(ops::widened(input), ops::widened(target), reduction, beta),
                ops::result_type(input, target));
  check(beta >= 0, "smooth_l1_loss does not support negative values for beta, got {}", beta);
  if (beta == 0) return l1_loss(input, target, reduction);
  const Tensor distance = abs(input - target);
  const Tensor near = minimum(distance, Scalar(beta).beside(distance));
  return reduce_loss(square(near) * (0.5 / beta) + (distance - near), reduction);
}

Tensor huber_loss(const Tensor& input, const Tensor& target, Reduction reduction, double delta) {
  if (is_half(ops::result_type(input, target)))
    return cast(huber_loss(ops::widened(input), ops::widened(target), reduction, delta),
                ops::result_type(input, target));
  check(is_floating(input.dtype()), "huber_loss: expected a floating-point input, got {}",
        name_of(input.dtype()));
  check(delta > 0, "huber_loss does not support non-positive values for delta, got {}", delta);
  const Tensor distance = abs(input - target);
  const Tensor near = minimum(distance, Scalar(delta).beside(distance));
  return cast(reduce_loss(square(near) * 0.5 + (distance - near) * delta, reduction),
              input.dtype());  // not promoted, as in PyTorch
}

Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target,
                                        BinaryCrossEntropyOptions options) {
  if (is_half(ops::result_type(input, target)))
    return cast(
        binary_cross_entropy_with_logits(ops::widened(input), ops::widened(target), options),
        ops::result_type(input, target));
  check_sizes(input, target);
  check(is_floating(target.dtype()),
        "binary_cross_entropy_with_logits: expected a floating-point target, got {}",
        name_of(target.dtype()));
  // log(1 + exp(-x)) needs no cut-off for accuracy's sake before exp overflows, at 709.
  Tensor miss = softplus(neg(input), 1, 700);
  if (options.pos_weight.defined()) miss = miss * ((options.pos_weight - 1.0) * target + 1.0);
  Tensor loss = (1.0 - target) * input + miss;
  if (options.weight.defined()) loss = loss * options.weight;
  return cast(reduce_loss(loss, options.reduction), target.dtype());  // as PyTorch stores it
}

Tensor binary_cross_entropy(const Tensor& input, const Tensor& target,
                            BinaryCrossEntropyOptions options) {
  if (is_half(input.dtype()))
    return cast(binary_cross_entropy(ops::widened(input), ops::widened(target), options),
                input.dtype());
  check<ValueError>(input.shape() == target.shape(),
                    "Using a target size ({}) that is different to the input size ({}) is "
                    "deprecated. Please ensure they have the same size.",
                    target.shape(), input.shape());
  check(is_floating(input.dtype()) && target.dtype() == input.dtype(),
        "binary_cross_entropy: expected input and target of one floating-point type, got {} and {}",
        name_of(input.dtype()), name_of(target.dtype()));
  check(!options.pos_weight.defined(),
        "binary_cross_entropy: pos_weight is an option of binary_cross_entropy_with_logits");
  static const BinaryCrossEntropyOp op;
  Tensor loss = record(op, input.shape(), input.dtype(), {input, target});
  if (options.weight.defined()) loss = loss * options.weight;
  return cast(reduce_loss(loss, options.reduction), input.dtype());  // as PyTorch stores it
}

Tensor kl_div(const Tensor& input, const Tensor& target, Reduction reduction, bool log_target) {
  if (is_half(ops::result_type(input, target)))
    return cast(kl_div(ops::widened(input), ops::widened(target), reduction, log_target),
                ops::result_type(input, target));
  check(is_floating(input.dtype()) && is_floating(target.dtype()),
        "kl_div: Integral inputs not supported.");
  if (log_target) return reduce_loss(exp(target) * (target - input), reduction);
  // 0 log(0) = 0; negative targets give NaN.
  const Tensor counts = ne(target, 0);
  const Tensor entropy = where(counts, target * log(where(counts, target, 1)), 0);
  return reduce_loss(entropy - target * input, reduction);
}

}  // namespace ballast
