#include "ballast/ops/batch_norm.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ballast/base/bytes.h"
#include "ballast/base/threads.h"
#include "ballast/ops/compare.h"
#include "ballast/ops/create.h"
#include "ballast/ops/math.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"
#include "ballast/ops/view.h"

namespace ballast {
namespace {

/// x (N, C, ...) seen as outer x channels x inner.
struct Channels {
  explicit Channels(const Shape& s)
      : outer(s[0]), channels(s[1]), inner(s.span_numel(2, s.rank())), count(outer * inner) {}

  /// Calls f(element) for every element of channel c.
  template <class F>
  void for_each(int64_t c, F&& f) const {
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < inner; ++i) f((o * channels + c) * inner + i);
  }

  int64_t outer, channels, inner, count;
};

// Gradients that will be differentiated again are made of elementary operations, which have
// derivatives of any order; others of operations that read their operands once.

/// Row i of per-channel numbers (rows, C), ready to meet (N, C, ...).
Tensor beside_channels(const Tensor& rows, int64_t i, const Tensor& x) {
  Shape s;
  for (int d = 0; d < x.dim(); ++d) s.push_back(d == 1 ? x.size(1) : 1);
  return reshape(slice(rows, 0, i, i + 1), s);
}

/// Sums over each channel of (N, C, ...), as a row (1, C).
Tensor channel_row(const Tensor& x) {
  std::vector<int64_t> others = {0};
  for (int64_t d = 2; d < x.dim(); ++d) others.push_back(d);
  return reshape(sum(x, others), Shape{1, x.size(1)});
}

Tensor elementary_affine(const Tensor& x, const Tensor& k) {
  return (x - beside_channels(k, 0, x)) * beside_channels(k, 1, x) + beside_channels(k, 2, x);
}

Tensor channel_scale(const Tensor& x, const Tensor& coefficients);
Tensor channel_sums(const Tensor& g, const Tensor& x, const Tensor& coefficients);

/// (moments, their gradient; n) -> coefficients with which channel_affine(x, .) is the gradient of
/// channel_moments. What the mean loses when it is rounded to x's type is made up for.
class MomentsGradOp final : public Op {
 public:
  MomentsGradOp() : Op("moments_grad") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.in[0].dtype, name(), [&](auto wide) {
      dispatch_floating(c.out.dtype, name(), [&](auto zero) {
        using W = decltype(wide);
        using T = decltype(zero);
        const int64_t channels = c.out.shape[1];
        const double n = c.attributes.as<CountAttributes>().n;
        const W *moments = c.input<W>(0), *g = c.input<W>(1);
        T* out = c.output<T>();
        for (int64_t i = 0; i < channels; ++i) {
          const double deviation = moments[2 * channels + i];
          const double scale =
              (2 * g[channels + i] + (deviation > 0 ? g[2 * channels + i] / deviation : 0)) / n;
          out[i] = static_cast<T>(moments[i]);
          out[channels + i] = static_cast<T>(scale);
          const double lost = static_cast<double>(out[i]) - moments[i];
          out[2 * channels + i] = static_cast<T>(g[i] / n + (lost == 0 ? 0 : lost * scale));
        }
      });
    });
  }
};

/// Sum of f(x) over the elements x of a channel: in double, and in several sums, for vector
/// instructions.
template <class T, class F>
double channel_sum(const Channels& s, const T* x, int64_t channel, const F& f) {
  constexpr int64_t kSums = 8;
  double sums[kSums] = {};
  for (int64_t o = 0; o < s.outer; ++o) {
    const T* from = x + (o * s.channels + channel) * s.inner;
    int64_t i = 0;
    for (; i + kSums <= s.inner; i += kSums)
      for (int64_t k = 0; k < kSums; ++k) sums[k] += f(from[i + k]);
    for (; i < s.inner; ++i) sums[i % kSums] += f(from[i]);
  }
  for (int64_t step = kSums / 2; step > 0; step /= 2)
    for (int64_t k = 0; k < step; ++k) sums[k] += sums[k + step];
  return sums[0];
}

/// Of float32 or float64 to either; only where both are the same do planners know the operation.
class MomentsOp final : public Op {
 public:
  MomentsOp(const char* name, Traits traits) : Op(name), traits_(traits) {}
  void reference(const Call& c) const override {
    dispatch_floating(c.in[0].dtype, name(), [&](auto in) {
      dispatch_floating(c.out.dtype, name(), [&](auto out) {
        compute(c.input<decltype(in)>(0), Channels(c.in[0].shape), c.output<decltype(out)>());
      });
    });
  }
  // d/dx of sum_c(gm*mean + gv*var + gd*deviation) = gm/n + (2*gv + gd/deviation)*(x - mean)/n
  Gradients gradient(const Backward& b) const override {
    static const MomentsGradOp op;
    const Tensor x = b.input(0), m = b.output(), &g = b.grad();
    const double n = static_cast<double>(x.numel()) / static_cast<double>(x.size(1));
    if (grad_enabled()) {
      const Tensor exact = slice(m, 0, 0, 1), mean = cast(exact, x.dtype());
      const Tensor deviation = slice(m, 0, 2, 3);  // where it is 0, so is every x - mean
      const Tensor scale =
          slice(g, 0, 1, 2) * (2 / n) +
          slice(g, 0, 2, 3) / (deviation + cast(eq(deviation, 0.0), m.dtype())) * (1 / n);
      Tensor shift = slice(g, 0, 0, 1) * (1 / n);
      if (m.dtype() != x.dtype()) shift = shift + (cast(mean, m.dtype()) - exact) * scale;
      return {elementary_affine(x, cat({mean, cast(scale, x.dtype()), cast(shift, x.dtype())}))};
    }
    const Tensor k = record(op, Shape{3, x.size(1)}, x.dtype(), {m, g}, CountAttributes{n});
    return {channel_affine(x, k)};
  }
  Traits traits() const override { return traits_; }
  uint32_t gradient_reads() const override { return 1 | kReadsOutput; }

 private:
  template <class Out>
  static void write(Out* out, int64_t channels, double mean, double variance) {
    out[0] = static_cast<Out>(mean);
    out[channels] = static_cast<Out>(variance);
    out[2 * channels] = static_cast<Out>(std::sqrt(variance));
  }

  /// Neighbouring channels of rows, so many at a time.
  template <class T, class Out>
  static void compute_rows(const T* x, const Channels& s, Out* out) {
    constexpr int64_t kTogether = 16;
    const auto count = static_cast<double>(s.count);
    const int64_t pieces = s.channels / kTogether + (s.channels % kTogether != 0);
    parallel_for(pieces, 2 * count * static_cast<double>(s.channels), [&](int64_t piece) {
      const int64_t c = piece * kTogether, n = std::min(kTogether, s.channels - c);
      double mean[kTogether] = {}, squares[kTogether] = {};
      for (int64_t r = 0; r < s.outer; ++r)
        for (int64_t k = 0; k < n; ++k) mean[k] += x[r * s.channels + c + k];
      for (double& m : mean) m = s.count ? m / count : 0;
      for (int64_t r = 0; r < s.outer; ++r)
        for (int64_t k = 0; k < n; ++k) {
          const double away = x[r * s.channels + c + k] - mean[k];
          squares[k] += away * away;
        }
      for (int64_t k = 0; k < n; ++k) {
        write(out + c + k, s.channels, mean[k], s.count ? squares[k] / count : 0);
      }
    });
  }

  template <class T, class Out>
  static void compute(const T* x, const Channels& s, Out* out) {
    if (s.inner == 1) return compute_rows(x, s, out);
    const auto count = static_cast<double>(s.count);
    parallel_for(s.channels, 2 * count * static_cast<double>(s.channels), [&](int64_t c) {
      const double sum = channel_sum(s, x, c, [](T v) { return static_cast<double>(v); });
      const double mean = s.count ? sum / count : 0;
      const double squares = channel_sum(s, x, c, [mean](T v) { return (v - mean) * (v - mean); });
      write(out + c, s.channels, mean, s.count ? squares / count : 0);
    });
  }

  Traits traits_;
};

class NormGradientSumOp final : public Op {
 public:
  NormGradientSumOp() : Op("norm_gradient_sum") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const int64_t channels = c.out.shape.numel();
      const double n = c.attributes.as<CountAttributes>().n;
      const T *sums = c.input<T>(0), *k = c.input<T>(1), *moments = c.input<T>(2),
              *l = c.input<T>(3);
      for (int64_t i = 0; i < channels; ++i) {
        const double scaled = static_cast<double>(k[channels + i]) * sums[i];
        const double mean = static_cast<double>(moments[i]) - l[i];
        c.output<T>()[i] =
            static_cast<T>(scaled + n * (mean * l[channels + i] + l[2 * channels + i]));
      }
    });
  }
};

class SumOfAffinesOp final : public Op {
 public:
  SumOfAffinesOp() : Op("sum_of_affines") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const int64_t all = c.in[0].shape[1], n = c.out.shape[1];
      const T *k = c.input<T>(0) + c.attributes.as<int64_t>(), *l = c.input<T>(1);
      T* out = c.output<T>();
      for (int64_t i = 0; i < n; ++i) {
        // (x - m)*s + t, about the other's m.
        const double s = k[all + i], moved = s * (static_cast<double>(l[i]) - k[i]);
        out[i] = l[i];
        out[n + i] = static_cast<T>(s + l[n + i]);
        out[2 * n + i] = static_cast<T>(moved + k[2 * all + i] + l[2 * n + i]);
      }
    });
  }
};

/// 1 / sqrt(variance + eps) of a channel of moments.
template <class T>
double inverse_deviation(const T* moments, int64_t channels, int64_t channel, double eps) {
  const T variance = moments[channels + channel];
  return 1 / (std::isinf(variance) ? static_cast<double>(moments[2 * channels + channel])
                                   : std::sqrt(variance + eps));
}

/// Gradient of the coefficients and moments (and weight) -> that of the moments.
class NormMomentsGradOp final : public Op {
 public:
  NormMomentsGradOp() : Op("norm_moments_grad") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const auto& a = c.attributes.as<EpsAttributes>();
      const int64_t n = c.out.shape[1];
      const T *g = c.input<T>(0), *moments = c.input<T>(1), *w = a.weight ? c.input<T>(2) : nullptr;
      T* out = c.output<T>();
      for (int64_t i = 0; i < n; ++i) {
        const double r = inverse_deviation(moments, n, i, a.eps), ds = g[n + i];
        out[i] = g[i];
        out[n + i] = static_cast<T>(-0.5 * ds * (w ? w[i] : 1) * r * r * r);
        out[2 * n + i] = 0;
      }
    });
  }
};

/// Gradient of the coefficients and moments -> that of the weight.
class NormWeightGradOp final : public Op {
 public:
  NormWeightGradOp() : Op("norm_weight_grad") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const double eps = c.attributes.as<EpsAttributes>().eps;
      const int64_t n = c.out.shape[0];
      const T *g = c.input<T>(0), *moments = c.input<T>(1);
      for (int64_t i = 0; i < n; ++i)
        c.output<T>()[i] = static_cast<T>(g[n + i] * inverse_deviation(moments, n, i, eps));
    });
  }
};

/// Gradient of the coefficients -> that of the bias.
class NormBiasGradOp final : public Op {
 public:
  NormBiasGradOp() : Op("norm_bias_grad") {}
  void reference(const Call& c) const override {
    const size_t row = bytes_of(c.out.shape, c.out.dtype);
    std::memcpy(c.out.data, static_cast<const std::byte*>(c.in[0].data) + 2 * row, row);
  }
};

class NormCoefficientsOp final : public Op {
 public:
  NormCoefficientsOp() : Op("norm_coefficients") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const auto& a = c.attributes.as<EpsAttributes>();
      const int64_t n = c.out.shape[1];
      const T *moments = c.input<T>(0), *w = a.weight ? c.input<T>(1) : nullptr;
      const T* bias = a.bias ? c.input<T>(a.weight ? 2 : 1) : nullptr;
      T* out = c.output<T>();
      for (int64_t i = 0; i < n; ++i) {
        out[i] = moments[i];
        out[n + i] = static_cast<T>((w ? w[i] : 1.0) * inverse_deviation(moments, n, i, a.eps));
        out[2 * n + i] = bias ? bias[i] : T{0};
      }
    });
  }
  Gradients gradient(const Backward& b) const override {
    static const NormMomentsGradOp of_moments;
    static const NormWeightGradOp of_weight;
    static const NormBiasGradOp of_bias;
    if (grad_enabled()) return elementary_gradient(b);
    const auto a = b.attributes<EpsAttributes>();
    const Tensor moments = b.input(0), &g = b.grad();
    const DType t = moments.dtype();
    const Shape rows = moments.shape(), row{rows[1]};
    Gradients gradients{Tensor()};
    if (b.needs(0))
      gradients[0] = a.weight ? record(of_moments, rows, t, {g, moments, b.input(1)}, a)
                              : record(of_moments, rows, t, {g, moments}, a);
    if (a.weight) gradients.push_back(record(of_weight, row, t, {g, moments}, a));
    if (a.bias) gradients.push_back(record(of_bias, row, t, {g}));
    return gradients;
  }
  uint32_t gradient_reads() const override { return 3; }

 private:
  static Gradients elementary_gradient(const Backward& b) {
    const auto a = b.attributes<EpsAttributes>();
    const Tensor g = b.grad(), var = slice(b.input(0), 0, 1, 2);
    const Tensor ds = slice(g, 0, 1, 2), r = rsqrt(var + a.eps);
    const Shape channels{g.size(1)};
    Tensor dvar = ds * r * r * r * -0.5;
    if (a.weight) dvar = dvar * b.input(1);
    Gradients gradients{cat({slice(g, 0, 0, 1), dvar, zeros_like(dvar)})};
    if (a.weight) gradients.push_back(reshape(ds * r, channels));
    if (a.bias) gradients.push_back(reshape(slice(g, 0, 2, 3), channels));
    return gradients;
  }
};

/// (sums, coefficients) -> gradient of the coefficients of channel_affine.
class CoefficientsGradOp final : public Op {
 public:
  CoefficientsGradOp() : Op("coefficients_grad") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const int64_t n = c.out.shape[1];
      const T *sums = c.input<T>(0), *k = c.input<T>(1);
      T* out = c.output<T>();
      for (int64_t i = 0; i < n; ++i) {
        out[i] = -sums[i] * k[n + i];
        out[n + i] = sums[n + i];
        out[2 * n + i] = sums[i];
      }
    });
  }
};

Tensor coefficients_grad(const Tensor& g, const Tensor& x, const Tensor& k) {
  static const CoefficientsGradOp op;
  return record(op, k.shape(), k.dtype(), {channel_sums(g, x, k), k});
}

class ChannelAffineOp final : public Op {
 public:
  ChannelAffineOp() : Op("channel_affine") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const Channels s(c.in[0].shape);
      const T *x = c.input<T>(0), *k = c.input<T>(1);
      T* out = c.output<T>();
      for (int64_t ch = 0; ch < s.channels; ++ch)
        s.for_each(ch, [&](int64_t i) {
          out[i] = std::fma(x[i] - k[ch], k[s.channels + ch], k[2 * s.channels + ch]);
        });
    });
  }
  Gradients gradient(const Backward& b) const override {
    const Tensor k = b.input(1);
    Gradients g{Tensor(), Tensor()};
    if (grad_enabled()) {
      const Tensor x = b.input(0), scale = slice(k, 0, 1, 2), total = channel_row(b.grad());
      if (b.needs(0)) g[0] = b.grad() * beside_channels(k, 1, x);
      if (b.needs(1))
        g[1] = cat({-total * scale, channel_row(b.grad() * (x - beside_channels(k, 0, x))), total});
      return g;
    }
    if (b.needs(0)) g[0] = channel_scale(b.grad(), k);
    if (b.needs(1)) g[1] = coefficients_grad(b.grad(), b.input(0), k);
    return g;
  }
  Traits traits() const override {
    return {Traits::Kind::kPointwise, Pointwise::kChannelAffine, 1};
  }
};

class ChannelScaleOp final : public Op {
 public:
  ChannelScaleOp() : Op("channel_scale") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const Channels s(c.in[0].shape);
      const T *x = c.input<T>(0), *k = c.input<T>(1);
      T* out = c.output<T>();
      for (int64_t ch = 0; ch < s.channels; ++ch)
        s.for_each(ch, [&](int64_t i) { out[i] = x[i] * k[s.channels + ch]; });
    });
  }
  Traits traits() const override { return {Traits::Kind::kPointwise, Pointwise::kChannelScale, 1}; }
};

Tensor channel_scale(const Tensor& x, const Tensor& coefficients) {
  static const ChannelScaleOp op;
  return record(op, x.shape(), x.dtype(), {x, coefficients});
}

/// Rows sum(g) and sum(g*(x - m)) over each channel, m the first row of the coefficients.
class ChannelSumsOp final : public Op {
 public:
  ChannelSumsOp() : Op("channel_sums") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const Channels s(c.in[0].shape);
      const T *g = c.input<T>(0), *x = c.input<T>(1), *k = c.input<T>(2);
      T* out = c.output<T>();
      for (int64_t ch = 0; ch < s.channels; ++ch) {
        double sum = 0, centred = 0;
        s.for_each(ch, [&](int64_t i) {
          sum += g[i];
          centred += static_cast<double>(g[i]) * (x[i] - k[ch]);
        });
        out[ch] = static_cast<T>(sum);
        out[s.channels + ch] = static_cast<T>(centred);
      }
    });
  }
  Traits traits() const override { return {.channels_last = 3}; }
};

Tensor channel_sums(const Tensor& g, const Tensor& x, const Tensor& coefficients) {
  return record(channel_sums_op(), Shape{2, x.size(1)}, x.dtype(), {g, x, coefficients});
}

void check_channels(const Tensor& t, const Tensor& x, const char* what) {
  if (!t.defined()) return;
  check(t.shape() == Shape{x.size(1)}, "{} should contain {} elements not {}", what, x.size(1),
        t.numel());
  check(t.dtype() == x.dtype() || (is_half(x.dtype()) && t.dtype() == DType::kFloat32),
        "mixed dtype (CPU): all inputs must share same datatype. The input is {}, {} is {}",
        name_of(x.dtype()), what, name_of(t.dtype()));
}

void check_moments_of(const Tensor& x, const char* name) {
  check(x.dim() >= 2 && is_floating(x.dtype()),
        "{} expects a floating-point tensor (N, C, ...), got {} of shape {}", name,
        name_of(x.dtype()), x.shape());
}

}  // namespace

const Op& channel_moments_op() {
  static const MomentsOp op("channel_moments", {.channels_last = 1});
  return op;
}
const Op& channel_sums_op() {
  static const ChannelSumsOp op;
  return op;
}
const Op& norm_coefficients_op() {
  static const NormCoefficientsOp op;
  return op;
}

const Op& norm_gradient_sum_op() {
  static const NormGradientSumOp op;
  return op;
}

const Op& sum_of_affines_op() {
  static const SumOfAffinesOp op;
  return op;
}

Tensor channel_moments(const Tensor& x) {
  check_moments_of(x, "channel_moments");
  return record(channel_moments_op(), Shape{kMomentRows, x.size(1)}, x.dtype(), {x});
}

Tensor exact_moments(const Tensor& x) {
  static const MomentsOp op("exact_moments", {});
  check_moments_of(x, "exact_moments");
  return record(op, Shape{kMomentRows, x.size(1)}, DType::kFloat64, {x});
}

Tensor norm_coefficients(const Tensor& moments, const Tensor& weight, const Tensor& bias,
                         double eps) {
  const EpsAttributes a{eps, weight.defined(), bias.defined()};
  InlineVector<Tensor, 3> in{moments};
  if (weight.defined()) in.push_back(weight);
  if (bias.defined()) in.push_back(bias);
  return record(norm_coefficients_op(), Shape{3, moments.size(1)}, moments.dtype(),
                std::span<const Tensor>(in.data(), static_cast<size_t>(in.size())), Attributes(a));
}

Tensor channel_affine(const Tensor& x, const Tensor& coefficients) {
  static const ChannelAffineOp op;
  check(x.dim() >= 2 && coefficients.shape() == Shape({3, x.size(1)}),
        "channel_affine: coefficients of shape {} do not fit an input of shape {}",
        coefficients.shape(), x.shape());
  return record(op, x.shape(), x.dtype(), {x, coefficients});
}

void check_batch_norm(const Tensor& x, const BatchNormState* state, const Tensor& weight,
                      const Tensor& bias) {
  check(x.dim() >= 2, "batch_norm: expected an input (N, C, ...), got shape {}", x.shape());
  check(is_floating(x.dtype()), "batch_norm: expected a floating-point input, got {}",
        name_of(x.dtype()));
  if (state) {
    check_channels(state->mean, x, "running_mean");
    check_channels(state->var, x, "running_var");
  }
  check_channels(weight, x, "weight");
  check_channels(bias, x, "bias");
}

Tensor batch_norm(const Tensor& x, const BatchNormState* state, const Tensor& weight,
                  const Tensor& bias, bool training, double momentum, double eps) {
  if (x.dim() == 1 && x.numel() == 0 && !weight.defined() && !bias.defined())
    return clone(x);  // PyTorch does not ask for channels where there is no element
  check_batch_norm(x, state, weight, bias);
  check(training || state, "running_mean must be defined in evaluation mode");
  check<ValueError>(!training || eps > 0,
                    "batch_norm eps must be positive during training, but got {}", eps);
  const Tensor image = ops::widened(x);
  const Tensor moments =
      training ? batch_moments(image, state, momentum) : state_moments(*state, image.dtype());
  const Tensor y = channel_affine(
      image, norm_coefficients(moments, ops::widened(weight), ops::widened(bias), eps));
  return cast(y, x.dtype());
}

}  // namespace ballast
