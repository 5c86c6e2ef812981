// Activation functions that are made of other operations.
#include <cmath>

#include "ballast/base/random.h"
#include "ballast/ops/activation.h"
#include "ballast/ops/compare.h"
#include "ballast/ops/function.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

void check_floating(const char* who, const Tensor& x) {
  check<NotImplementedError>(is_floating(x.dtype()), "\"{}\" not implemented for '{}'", who,
                             ops::scalar_type_name(x.dtype()));
}

/// -log(1 + exp(-x)).
struct LogSigmoid {
  static constexpr const char* kNames[] = {"log_sigmoid", "log_sigmoid_grad", "log_sigmoid_grad2"};
  template <int K>
  static double derivative(double x, ops::FunctionParameters) {
    if (K == 0) return std::min(x, 0.0) - std::log1p(std::exp(-std::abs(x)));
    const double s = 1 / (1 + std::exp(x));  // sigmoid(-x)
    return K == 1 ? s : -s * (1 - s);
  }
};

struct Mish {
  static constexpr const char* kNames[] = {"mish", "mish_grad", "mish_grad2"};
  template <int K>
  static double derivative(double x, ops::FunctionParameters) {
    const double soft = std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
    const double t = std::tanh(soft), s = 1 / (1 + std::exp(-x));
    if (K == 0) return x * t;
    const double first = (1 - t * t) * s;  // the derivative of t
    if (K == 1) return t + x * first;
    return 2 * first + x * (first * (1 - s) - 2 * t * s * first);
  }
};

}  // namespace

Tensor celu(const Tensor& x, double alpha) {
  if (is_half(x.dtype())) return cast(celu(ops::widened(x), alpha), x.dtype());
  check(alpha != 0, "ZeroDivisionError: alpha cannot be 0 for CELU");
  return alpha == 1 ? elu(x) : elu(x / alpha) * alpha;
}

Tensor selu(const Tensor& x) {
  if (is_half(x.dtype())) return cast(selu(ops::widened(x)), x.dtype());
  // Solutions of the fixed-point equations in the paper's appendix.
  constexpr double kAlpha = 1.6732632423543772848170429916717;
  constexpr double kScale = 1.0507009873554804934193349852946;
  return elu(x, kAlpha) * kScale;
}

Tensor mish(const Tensor& x) { return ops::apply<Mish>(x); }
Tensor logsigmoid(const Tensor& x) { return ops::apply<LogSigmoid>(x); }
Tensor tanhshrink(const Tensor& x) {
  if (is_half(x.dtype())) return cast(tanhshrink(ops::widened(x)), x.dtype());
  return x - tanh(x);
}
Tensor softsign(const Tensor& x) {
  if (is_half(x.dtype())) return cast(softsign(ops::widened(x)), x.dtype());
  return x / (abs(x) + 1);
}

Tensor softshrink(const Tensor& x, double lambd) {
  if (is_half(x.dtype())) return cast(softshrink(ops::widened(x), lambd), x.dtype());
  check(lambd >= 0, "lambda must be greater or equal to 0, but found to be {}.", lambd);
  check_floating("softshrink_cpu", x);
  return where(gt(x, lambd), x - lambd, where(lt(x, -lambd), x + lambd, x * 0));
}

Tensor hardshrink(const Tensor& x, double lambd) {
  check_floating("hardshrink_cpu", x);
  return where(logical_and(ge(x, -lambd), le(x, lambd)), 0, x);
}

Tensor threshold(const Tensor& x, double threshold, double value) {
  return where(le(x, threshold), cast(Scalar(value).beside(x), x.dtype()), x);
}

Tensor prelu(const Tensor& x, const Tensor& weight) {
  if (is_half(x.dtype())) return cast(prelu(ops::widened(x), ops::widened(weight)), x.dtype());
  check(weight.dtype() == x.dtype(), "prelu: Type promoting not supported. Got {} and {}",
        name_of(x.dtype()), name_of(weight.dtype()));
  Tensor slope = weight;
  if (weight.numel() != 1) {
    check(x.dim() > 0, "Not allow zero-dim input tensor.");
    const int64_t channels = x.dim() > 1 ? x.size(1) : 1;
    check(weight.dim() == 1 && weight.numel() == channels,
          "Mismatch of parameter numbers and input channel size. Found parameter numbers = {} and "
          "channel size = {}.",
          weight.numel(), channels);
    std::vector<int64_t> shape(x.dim(), 1);
    shape[1] = channels;
    slope = reshape(weight, shape);
  } else if (weight.dim() > 0) {
    slope = reshape(weight, Shape{});
  }
  return where(gt(x, 0), x, x * slope);
}

Tensor glu(const Tensor& x, int64_t dim) {
  if (is_half(x.dtype())) return cast(glu(ops::widened(x), dim), x.dtype());
  check(x.dim() > 0, "glu does not support 0-dimensional tensors");
  const int64_t n = x.size(dim);
  check(n % 2 == 0, "Halving dimension must be even, but dimension {} is size {}",
        x.shape().normalize(dim), n);
  return narrow(x, dim, 0, n / 2) * sigmoid(narrow(x, dim, n / 2, n / 2));
}

Tensor rrelu(const Tensor& x, double lower, double upper, bool training) {
  check(lower <= upper, "Lower bound should be less than or equal to the upper bound");
  if (!training) return leaky_relu(x, (lower + upper) / 2);
  check_floating("rrelu_with_noise_out_cpu", x);
  if (is_half(x.dtype())) return cast(rrelu(ops::widened(x), lower, upper, training), x.dtype());
  // A slope is drawn for the elements below or at 0 alone, one after the other, as in PyTorch.
  const Tensor slopes(make_leaf(x.shape(), x.dtype()));
  dispatch_floating(x.dtype(), "rrelu", [&](auto zero) {
    using T = decltype(zero);
    const auto values = x.data<T>();
    T* out = reinterpret_cast<T*>(slopes.node().data());
    for (size_t i = 0; i < values.size(); ++i) {
      double slope = 1;
      if (values[i] <= 0) uniform(std::span<double>(&slope, 1), lower, upper, default_generator());
      out[i] = static_cast<T>(slope);
    }
  });
  return x * slopes;
}

}  // namespace ballast
