#include "ballast/ops/conv.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

std::atomic<bool> g_winograd{true};
thread_local int t_direct = 0;  // scopes that ask this thread for direct convolutions

/// Rounded down, also below zero; b > 0.
int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

/// The products a convolution is made of: the same for it and for both its derivatives.
struct Products {
  const Shape &x, &w, &y;
  const Conv2dAttributes& at;

  /// Calls f(x position, x step, weight position, y position, count) for every run of products
  /// x[x position + k*step] * w[weight position] that add to y[y position + k], 0 <= k < count.
  template <class F>
  void for_each_run(F&& f) const {
    const int64_t per_group = w[0] / at.groups, kernel = w.span_numel(2, 4);
    for (int64_t n = 0; n < y[0]; ++n)
      for (int64_t o = 0; o < y[1]; ++o)
        for (int64_t c = 0; c < w[1]; ++c) {
          const int64_t channel = o / per_group * w[1] + c;
          plane((n * x[1] + channel) * x[2] * x[3], (o * w[1] + c) * kernel,
                (n * y[1] + o) * y[2] * y[3], f);
        }
  }

 private:
  template <class F>
  void plane(int64_t x0, int64_t w0, int64_t y0, F& f) const {
    for (int64_t k = 0; k < w[2]; ++k)
      for (int64_t l = 0; l < w[3]; ++l) {
        // Outputs [first, last) of a row read inside the image.
        const int64_t shift = l * at.dilation[1] - at.padding[1];
        const int64_t first = std::max<int64_t>(0, -floor_div(shift, at.stride[1]));
        const int64_t last = std::min(y[3], floor_div(x[3] - 1 - shift, at.stride[1]) + 1);
        if (first >= last) continue;
        for (int64_t i = 0; i < y[2]; ++i) {
          const int64_t row = i * at.stride[0] + k * at.dilation[0] - at.padding[0];
          if (row < 0 || row >= x[2]) continue;
          f(x0 + row * x[3] + first * at.stride[1] + shift, at.stride[1], w0 + k * w[3] + l,
            y0 + i * y[3] + first, last - first);
        }
      }
  }
};

template <class T>
void store(const std::vector<SumOf<T>>& sums, T* out) {
  for (size_t i = 0; i < sums.size(); ++i) out[i] = static_cast<T>(sums[i]);
}

class Conv2dOp final : public Op {
 public:
  Conv2dOp() : Op("conv2d") {}
  void reference(const Call& c) const override {
    dispatch_number(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const T *x = c.input<T>(0), *w = c.input<T>(1);
      std::vector<SumOf<T>> sums(c.out.shape.numel());
      if (c.in.size() > 2) {
        const int64_t channels = c.out.shape[1], pixels = c.out.shape.span_numel(2, 4);
        for (size_t i = 0; i < sums.size(); ++i)
          sums[i] = c.input<T>(2)[static_cast<int64_t>(i) / pixels % channels];
      }
      Products{c.in[0].shape, c.in[1].shape, c.out.shape, c.attributes.as<Conv2dAttributes>()}
          .for_each_run([&](int64_t xi, int64_t step, int64_t wi, int64_t yi, int64_t count) {
            for (int64_t k = 0; k < count; ++k)
              sums[yi + k] += static_cast<SumOf<T>>(w[wi]) * x[xi + k * step];
          });
      store(sums, c.output<T>());
    });
  }
  Gradients gradient(const Backward& b) const override {
    const auto& at = b.attributes<Conv2dAttributes>();
    const Tensor &g = b.grad(), x = b.input(0), w = b.input(1);
    Gradients out{Tensor(), Tensor(), sum(g, {0, 2, 3})};
    if (b.needs(0)) out[0] = record(conv2d_input_grad_op(), x.shape(), g.dtype(), {g, w}, at);
    if (b.needs(1)) out[1] = record(conv2d_weight_grad_op(), w.shape(), g.dtype(), {g, x}, at);
    return out;
  }
  uint32_t by_rows(const Attributes&) const override { return 1 | Traits::kOutput; }
  Traits traits() const override { return {.channels_last = 1 | Traits::kOutput}; }
  uint32_t gradient_reads() const override { return 3; }
  uint32_t reads_for(uint32_t needed) const override {
    return (needed & 1) << 1 | (needed >> 1 & 1);
  }
};

class Conv2dInputGradOp final : public Op {
 public:
  Conv2dInputGradOp() : Op("conv2d_input_grad") {}
  void reference(const Call& c) const override {
    dispatch_number(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const T *g = c.input<T>(0), *w = c.input<T>(1);
      std::vector<SumOf<T>> sums(c.out.shape.numel());
      Products{c.out.shape, c.in[1].shape, c.in[0].shape, c.attributes.as<Conv2dAttributes>()}
          .for_each_run([&](int64_t xi, int64_t step, int64_t wi, int64_t yi, int64_t count) {
            for (int64_t k = 0; k < count; ++k)
              sums[xi + k * step] += static_cast<SumOf<T>>(w[wi]) * g[yi + k];
          });
      store(sums, c.output<T>());
    });
  }
  Gradients gradient(const Backward& b) const override {
    const auto& at = b.attributes<Conv2dAttributes>();
    const Tensor g = b.input(0), w = b.input(1), &x = b.grad();
    Gradients out{Tensor(), Tensor()};
    if (b.needs(0)) out[0] = record(conv2d_op(), g.shape(), g.dtype(), {x, w}, at);
    if (b.needs(1)) out[1] = record(conv2d_weight_grad_op(), w.shape(), g.dtype(), {g, x}, at);
    return out;
  }
  uint32_t by_rows(const Attributes&) const override { return 1 | Traits::kOutput; }
  Traits traits() const override { return {.channels_last = 1 | Traits::kOutput}; }
};

class Conv2dWeightGradOp final : public Op {
 public:
  Conv2dWeightGradOp() : Op("conv2d_weight_grad") {}
  void reference(const Call& c) const override {
    dispatch_number(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const T *g = c.input<T>(0), *x = c.input<T>(1);
      std::vector<SumOf<T>> sums(c.out.shape.numel());
      Products{c.in[1].shape, c.out.shape, c.in[0].shape, c.attributes.as<Conv2dAttributes>()}
          .for_each_run([&](int64_t xi, int64_t step, int64_t wi, int64_t yi, int64_t count) {
            SumOf<T> s = 0;
            for (int64_t k = 0; k < count; ++k)
              s += static_cast<SumOf<T>>(g[yi + k]) * x[xi + k * step];
            sums[wi] += s;
          });
      store(sums, c.output<T>());
    });
  }
  Gradients gradient(const Backward& b) const override {
    const auto& at = b.attributes<Conv2dAttributes>();
    const Tensor g = b.input(0), x = b.input(1), &w = b.grad();
    Gradients out{Tensor(), Tensor()};
    if (b.needs(0)) out[0] = record(conv2d_op(), g.shape(), g.dtype(), {x, w}, at);
    if (b.needs(1)) out[1] = record(conv2d_input_grad_op(), x.shape(), g.dtype(), {g, w}, at);
    return out;
  }
  uint32_t by_rows(const Attributes&) const override { return 3; }
  Traits traits() const override { return {.channels_last = 3}; }
};

void check_options(const Conv2dOptions& o) {
  for (int d : {0, 1}) {
    for (int64_t option : {o.stride[d], o.padding[d], o.dilation[d]})
      ops::check_window_option("conv2d", option);
    check(o.stride[d] > 0, "non-positive stride is not supported");
    check(o.padding[d] >= 0, "negative padding is not supported");
    check(o.dilation[d] > 0, "dilation should be greater than zero, but got [{}, {}]",
          o.dilation[0], o.dilation[1]);
  }
  check(o.groups > 0, "non-positive groups is not supported");
}

/// x is batched here.
void check_operands(const Tensor& x, const Tensor& w, const Tensor& bias, int64_t groups) {
  check<NotImplementedError>(x.dtype() != DType::kBool && x.dtype() != DType::kUint16,
                             "\"conv2d\" not implemented for '{}'",
                             ops::scalar_type_name(x.dtype()));
  check(w.dtype() == x.dtype(), "expected scalar type {} but found {}",
        ops::scalar_type_name(x.dtype()), ops::scalar_type_name(w.dtype()));
  check(w.dim() == 4, "conv2d: expected a weight (O, C/groups, kH, kW), got shape {}", w.shape());
  const int64_t out = w.size(0);
  check(out >= groups,
        "Given groups={}, expected weight to be at least {} at dimension 0, but got weight of size "
        "{} instead",
        groups, groups, w.shape());
  check(out % groups == 0,
        "Given groups={}, expected weight to be divisible by {} at dimension 0, but got weight of "
        "size [{}] instead",
        groups, groups, w.shape());
  check(x.size(1) == w.size(1) * groups,
        "Given groups={}, weight of size {}, expected input{} to have {} channels, but got {} "
        "channels instead",
        groups, w.shape(), x.shape(), w.size(1) * groups, x.size(1));
  if (!bias.defined()) return;
  check(bias.shape() == Shape{out},
        "Given weight of size {}, expected bias to be 1-dimensional with {} elements, but got bias "
        "of size {} instead",
        w.shape(), out, bias.shape());
  check(bias.dtype() == x.dtype(), "Input type ({}) and bias type ({}) should be the same",
        facts_of(x.dtype()).c_name, facts_of(bias.dtype()).c_name);
}

Shape output_shape(const Shape& x, const Shape& w, const Conv2dOptions& o) {
  int64_t padded[2], kernel[2];
  for (int d : {0, 1}) {
    check(w[2 + d] > 0, "conv2d: the kernel must not be empty, got a weight of shape {}", w);
    padded[d] = (Checked(x[2 + d]) + 2 * o.padding[d]).value();
    kernel[d] = (Checked(o.dilation[d]) * (w[2 + d] - 1) + 1).value();
  }
  check(kernel[0] <= padded[0] && kernel[1] <= padded[1],
        "Calculated padded input size per channel: ({} x {}). Kernel size: ({} x {}). Kernel size "
        "can't be greater than actual input size",
        padded[0], padded[1], kernel[0], kernel[1]);
  return {x[0], w[0], (padded[0] - kernel[0]) / o.stride[0] + 1,
          (padded[1] - kernel[1]) / o.stride[1] + 1};
}

}  // namespace

void set_winograd(bool on) { g_winograd.store(on, std::memory_order_relaxed); }
bool winograd() { return g_winograd.load(std::memory_order_relaxed); }
DirectConv::DirectConv(bool on) : on_(on) { t_direct += on_; }
DirectConv::~DirectConv() { t_direct -= on_; }
int64_t direct_conv() { return t_direct > 0 || !winograd(); }

const Op& conv2d_op() {
  static const Conv2dOp op;
  return op;
}
const Op& conv2d_input_grad_op() {
  static const Conv2dInputGradOp op;
  return op;
}
const Op& conv2d_weight_grad_op() {
  static const Conv2dWeightGradOp op;
  return op;
}

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
              const Conv2dOptions& options) {
  check(x.dim() == 3 || x.dim() == 4,
        "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: {}",
        x.shape());
  if (x.dim() == 3) {
    const Shape& s = x.shape();
    const Tensor y = conv2d(reshape(x, Shape{1, s[0], s[1], s[2]}), weight, bias, options);
    return reshape(y, Shape{y.size(1), y.size(2), y.size(3)});
  }
  check_options(options);
  check_operands(x, weight, bias, options.groups);
  if (x.dtype() == DType::kUint8) {
    const auto wide = [](const Tensor& t) { return t.defined() ? cast(t, DType::kInt64) : t; };
    return cast(conv2d(wide(x), wide(weight), wide(bias), options), DType::kUint8);
  }
  const Shape out = output_shape(x.shape(), weight.shape(), options);
  const Conv2dAttributes at{{options.stride[0], options.stride[1]},
                            {options.padding[0], options.padding[1]},
                            {options.dilation[0], options.dilation[1]},
                            options.groups,
                            direct_conv()};
  if (!bias.defined()) return record(conv2d_op(), out, x.dtype(), {x, weight}, at);
  return record(conv2d_op(), out, x.dtype(), {x, weight, bias}, at);
}

}  // namespace ballast
