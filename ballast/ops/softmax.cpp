#include "ballast/ops/softmax.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ballast/base/interrupt.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

/// Calls `f(base, stride, n)` for every line of `shape` along the attribute's dimension.
template <class F>
void for_each_line(const Call& c, const Shape& shape, F&& f) {
  const int64_t dim = c.attributes.as<SoftmaxAttributes>().dim;
  if (shape.rank() == 0) return f(0, 1, 1);
  const int64_t inner = shape.span_numel(static_cast<int>(dim) + 1, shape.rank());
  const int64_t outer = shape.span_numel(0, static_cast<int>(dim)), n = shape[dim];
  for (int64_t o = 0; o < outer; ++o) {
    poll_interrupt();
    for (int64_t i = 0; i < inner; ++i) f(o * n * inner + i, inner, n);
  }
}

/// What normalizes a line: its largest element and the sum of the exponentials of the others,
/// relative to it. Kept apart, so that log_softmax loses no digits next to a huge maximum.
struct Normalizer {
  template <class T>
  Normalizer(const T* x, int64_t stride, int64_t n) {
    for (int64_t i = 0; i < n; ++i) top = std::max<double>(top, x[i * stride]);
    for (int64_t i = 0; i < n; ++i) sum += std::exp(x[i * stride] - top);
  }
  double top = -std::numeric_limits<double>::infinity(), sum = 0;
};

template <class T>
bool has_nan(const T* x, int64_t stride, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    if (std::isnan(x[i * stride])) return true;
  return false;
}

Tensor softmax_grad(const Tensor& g, const Tensor& y, SoftmaxAttributes dim);
Tensor log_softmax_grad(const Tensor& g, const Tensor& y, SoftmaxAttributes dim);

/// y*(g - sum(g*y)) from g and the softmax y.
class SoftmaxGradOp final : public Op {
 public:
  SoftmaxGradOp() : Op("softmax_grad") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const T *g = c.input<T>(0), *y = c.input<T>(1);
      T* out = c.output<T>();
      for_each_line(c, c.out.shape, [&](int64_t base, int64_t stride, int64_t n) {
        double sum = 0;
        for (int64_t i = 0, o = base; i < n; ++i, o += stride) sum += double{g[o]} * y[o];
        for (int64_t i = 0, o = base; i < n; ++i, o += stride)
          out[o] = static_cast<T>((g[o] - sum) * y[o]);
      });
    });
  }
  Gradients gradient(const Backward& b) const override {
    const auto a = b.attributes<SoftmaxAttributes>();
    const Tensor h = b.grad(), g = b.input(0), y = b.input(1);
    return {softmax_grad(h, y, a),
            h * g - h * sum(g * y, {a.dim}, true) - g * sum(h * y, {a.dim}, true)};
  }
};

/// g - exp(y)*sum(g) from g and the logarithm y of the softmax.
class LogSoftmaxGradOp final : public Op {
 public:
  LogSoftmaxGradOp() : Op("log_softmax_grad") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const T *g = c.input<T>(0), *y = c.input<T>(1);
      T* out = c.output<T>();
      for_each_line(c, c.out.shape, [&](int64_t base, int64_t stride, int64_t n) {
        double sum = 0;
        for (int64_t i = 0, o = base; i < n; ++i, o += stride) sum += g[o];
        for (int64_t i = 0, o = base; i < n; ++i, o += stride)
          out[o] = static_cast<T>(g[o] - std::exp(double{y[o]}) * sum);
      });
    });
  }
  Gradients gradient(const Backward& b) const override {
    const auto a = b.attributes<SoftmaxAttributes>();
    const Tensor h = b.grad(), g = b.input(0), p = exp(b.input(1));
    return {h - sum(h * p, {a.dim}, true), neg(h * p * sum(g, {a.dim}, true))};
  }
};

Tensor softmax_grad(const Tensor& g, const Tensor& y, SoftmaxAttributes dim) {
  return record(softmax_grad_op(), y.shape(), y.dtype(), {g, y}, dim);
}
Tensor log_softmax_grad(const Tensor& g, const Tensor& y, SoftmaxAttributes dim) {
  return record(log_softmax_grad_op(), y.shape(), y.dtype(), {g, y}, dim);
}

/// Softmax, or its logarithm.
template <bool Log>
class SoftmaxOp final : public Op {
 public:
  SoftmaxOp() : Op(Log ? "log_softmax" : "softmax") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const T* x = c.input<T>(0);
      T* out = c.output<T>();
      for_each_line(c, c.out.shape, [&](int64_t base, int64_t stride, int64_t n) {
        const Normalizer z(x + base, stride, n);
        const double log_sum = std::log(z.sum);
        for (int64_t i = 0, o = base; i < n; ++i, o += stride)
          out[o] = static_cast<T>(Log ? x[o] - z.top - log_sum : std::exp(x[o] - z.top) / z.sum);
      });
    });
  }
  Gradients gradient(const Backward& b) const override {
    const auto a = b.attributes<SoftmaxAttributes>();
    return {Log ? log_softmax_grad(b.grad(), b.output(), a)
                : softmax_grad(b.grad(), b.output(), a)};
  }
  uint32_t gradient_reads() const override { return kReadsOutput; }
};

class SoftmaxNormalizerOp final : public Op {
 public:
  SoftmaxNormalizerOp() : Op("softmax_normalizer") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.in[0].dtype, name(), [&](auto zero) {
      const auto* x = c.input<decltype(zero)>(0);
      auto* out = c.output<double>();
      for_each_line(c, c.in[0].shape, [&](int64_t base, int64_t stride, int64_t n) {
        const Normalizer z(x + base, stride, n);
        const int64_t to = base / (n * stride) * 2 * stride + base % stride;
        out[to] = z.top;
        out[to + stride] = std::log(z.sum);
      });
    });
  }
};

/// The reduced dimension stays, with size 1.
class LogSumExpOp final : public Op {
 public:
  LogSumExpOp() : Op("logsumexp") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const T* x = c.input<T>(0);
      T* out = c.output<T>();
      for_each_line(c, c.in[0].shape, [&](int64_t base, int64_t stride, int64_t n) {
        const Normalizer z(x + base, stride, n);
        // Beside an infinity nothing else counts.
        const bool alone = std::isinf(z.top) && !has_nan(x + base, stride, n);
        *out++ = static_cast<T>(alone ? z.top : z.top + std::log(z.sum));
      });
    });
  }
  Gradients gradient(const Backward& b) const override {
    return {b.grad() * exp(b.input(0) - b.output())};
  }
  uint32_t gradient_reads() const override { return 1 | kReadsOutput; }
};

SoftmaxAttributes dim_of(const Tensor& x, int64_t dim, const char* who) {
  check(is_floating(x.dtype()), "{}: expected a floating-point tensor, got {}", who,
        name_of(x.dtype()));
  return {x.shape().normalize(dim)};
}

}  // namespace

const Op& logsumexp_op() {
  static const LogSumExpOp op;
  return op;
}
const Op& softmax_normalizer_op() {
  static const SoftmaxNormalizerOp op;
  return op;
}
const Op& softmax_op() {
  static const SoftmaxOp<false> op;
  return op;
}
const Op& log_softmax_op() {
  static const SoftmaxOp<true> op;
  return op;
}
const Op& softmax_grad_op() {
  static const SoftmaxGradOp op;
  return op;
}
const Op& log_softmax_grad_op() {
  static const LogSoftmaxGradOp op;
  return op;
}

Tensor softmax(const Tensor& x, int64_t dim) {
  return record(softmax_op(), x.shape(), x.dtype(), {x}, dim_of(x, dim, "softmax"));
}

Tensor log_softmax(const Tensor& x, int64_t dim) {
  return record(log_softmax_op(), x.shape(), x.dtype(), {x}, dim_of(x, dim, "log_softmax"));
}

Tensor logsumexp(const Tensor& x, int64_t dim, bool keepdim) {
  if (is_half(x.dtype())) return cast(logsumexp(ops::widened(x), dim, keepdim), x.dtype());
  if (!is_floating(x.dtype())) return logsumexp(cast(x, DType::kFloat32), dim, keepdim);
  const SoftmaxAttributes a = dim_of(x, dim, "logsumexp");
  Shape kept = x.shape(), reduced;
  if (x.dim() > 0) kept[static_cast<int>(a.dim)] = 1;
  for (int d = 0; d < x.dim(); ++d)
    if (d != a.dim) reduced.push_back(x.shape()[d]);
  const Tensor y = record(logsumexp_op(), kept, x.dtype(), {x}, a);
  return keepdim ? y : reshape(y, reduced);
}

Tensor Tensor::softmax(int64_t dim) const { return ballast::softmax(*this, dim); }
Tensor Tensor::log_softmax(int64_t dim) const { return ballast::log_softmax(*this, dim); }

}  // namespace ballast
