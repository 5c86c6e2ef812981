#include "ballast/ops/pool.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

using Pair = std::array<int64_t, 2>;

// ---- maxima ----

PoolWindow max_window(const MaxPool2dAttributes& a, int d, int64_t i, int64_t size) {
  int64_t begin = i * a.stride[d] - a.padding[d];
  const int64_t end = std::min(begin + (a.kernel[d] - 1) * a.dilation[d] + 1, size);
  if (begin < 0) begin += (-begin + a.dilation[d] - 1) / a.dilation[d] * a.dilation[d];
  return {begin, end, a.dilation[d], 1};
}

template <class T>
constexpr T kLeast = std::is_floating_point_v<T> ? -std::numeric_limits<T>::infinity()
                                                 : std::numeric_limits<T>::lowest();

/// Position of the first maximum in a plane of `width` columns; NaN is the largest. -1 where the
/// window holds nothing but padding (a dilated kernel can step over a small image).
template <class T>
int64_t argmax(const T* x, int64_t width, const PoolWindow& rows, const PoolWindow& columns) {
  if (rows.begin >= rows.end || columns.begin >= columns.end) return -1;
  int64_t best = rows.begin * width + columns.begin;
  T largest = kLeast<T>;
  for (int64_t r = rows.begin; r < rows.end; r += rows.step)
    for (int64_t c = columns.begin; c < columns.end; c += columns.step)
      if (const T v = x[r * width + c]; v > largest || v != v) {
        largest = v;
        best = r * width + c;
      }
  return best;
}

/// Calls f(position in y, position in x of the window's maximum, or -1) for every window.
template <class T, class F>
void for_each_maximum(const T* x, const Shape& in, const Shape& out, const MaxPool2dAttributes& a,
                      F&& f) {
  int64_t y = 0;
  for (int64_t plane = 0; plane < in[0] * in[1]; ++plane) {
    const int64_t offset = plane * in[2] * in[3];
    for (int64_t i = 0; i < out[2]; ++i)
      for (int64_t j = 0; j < out[3]; ++j) {
        const int64_t at =
            argmax(x + offset, in[3], max_window(a, 0, i, in[2]), max_window(a, 1, j, in[3]));
        f(y++, at < 0 ? at : offset + at);
      }
  }
}

class MaxPool2dOp final : public Op {
 public:
  MaxPool2dOp() : Op("max_pool2d") {}
  void reference(const Call& c) const override {
    dispatch_number(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const T* x = c.input<T>(0);
      T* out = c.output<T>();
      for_each_maximum(x, c.in[0].shape, c.out.shape, c.attributes.as<MaxPool2dAttributes>(),
                       [&](int64_t y, int64_t at) { out[y] = at < 0 ? kLeast<T> : x[at]; });
    });
  }
  Gradients gradient(const Backward& b) const override {
    const Tensor x = b.input(0);
    return {record(max_pool2d_grad_op(), x.shape(), x.dtype(), {b.grad(), x},
                   b.attributes<MaxPool2dAttributes>())};
  }
  Traits traits() const override { return {.channels_last = 1 | Traits::kOutput}; }
  uint32_t by_rows(const Attributes&) const override { return 1 | Traits::kOutput; }
};

class MaxPool2dGradOp final : public Op {
 public:
  MaxPool2dGradOp() : Op("max_pool2d_grad") {}
  void reference(const Call& c) const override {
    dispatch_number(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const T* g = c.input<T>(0);
      std::vector<double> sums(c.out.shape.numel());
      for_each_maximum(c.input<T>(1), c.out.shape, c.in[0].shape,
                       c.attributes.as<MaxPool2dAttributes>(), [&](int64_t y, int64_t at) {
                         if (at >= 0) sums[at] += g[y];
                       });
      for (size_t i = 0; i < sums.size(); ++i) c.output<T>()[i] = static_cast<T>(sums[i]);
    });
  }
  // Linear in the first input; piecewise constant in the second.
  Gradients gradient(const Backward& b) const override {
    Gradients out{Tensor(), Tensor()};
    if (b.needs(0))
      out[0] = record(max_pool2d_gather_op(), b.input_shape(0), b.grad().dtype(),
                      {b.grad(), b.input(1)}, b.attributes<MaxPool2dAttributes>());
    return out;
  }
  Traits traits() const override { return {.channels_last = 3 | Traits::kOutput}; }
  uint32_t by_rows(const Attributes&) const override { return 3 | Traits::kOutput; }
  uint32_t gradient_reads() const override { return 2; }
};

class MaxPool2dGatherOp final : public Op {
 public:
  MaxPool2dGatherOp() : Op("max_pool2d_gather") {}
  void reference(const Call& c) const override {
    dispatch_number(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const T* values = c.input<T>(0);
      T* out = c.output<T>();
      for_each_maximum(c.input<T>(1), c.in[1].shape, c.out.shape,
                       c.attributes.as<MaxPool2dAttributes>(),
                       [&](int64_t y, int64_t at) { out[y] = at < 0 ? T{0} : values[at]; });
    });
  }
  Gradients gradient(const Backward& b) const override {
    Gradients out{Tensor(), Tensor()};
    if (b.needs(0))
      out[0] = record(max_pool2d_grad_op(), b.input_shape(0), b.grad().dtype(),
                      {b.grad(), b.input(1)}, b.attributes<MaxPool2dAttributes>());
    return out;
  }
  Traits traits() const override { return {.channels_last = 3 | Traits::kOutput}; }
  uint32_t gradient_reads() const override { return 2; }
};

// ---- means ----

struct AvgWindows {
  using Attributes = AvgPool2dAttributes;
  static constexpr const char* kName = "avg_pool2d";
  static constexpr const char* kGradName = "avg_pool2d_grad";
  static PoolWindow window(const Attributes& a, int d, int64_t i, int64_t in, int64_t /*out*/) {
    const int64_t begin = i * a.stride[d] - a.padding[d];
    const int64_t end = std::min(begin + a.kernel[d], in + a.padding[d]);
    const int64_t from = std::max<int64_t>(begin, 0), to = std::min(end, in);
    return {from, to, 1, a.count_include_pad ? end - begin : to - from};
  }
};

struct AdaptiveWindows {
  struct Attributes {
    int64_t output[2];
  };
  static constexpr const char* kName = "adaptive_avg_pool2d";
  static constexpr const char* kGradName = "adaptive_avg_pool2d_grad";
  static PoolWindow window(const Attributes&, int /*d*/, int64_t i, int64_t in, int64_t out) {
    const int64_t begin = i * in / out, end = ((i + 1) * in + out - 1) / out;
    return {begin, end, 1, end - begin};
  }
};

/// Calls f(position in x, position in y, divisor) for every element of every window.
template <class Windows, class F>
void for_each_element(const Shape& in, const Shape& out, const typename Windows::Attributes& a,
                      F&& f) {
  int64_t y = 0;
  for (int64_t plane = 0; plane < in[0] * in[1]; ++plane)
    for (int64_t i = 0; i < out[2]; ++i) {
      const PoolWindow rows = Windows::window(a, 0, i, in[2], out[2]);
      for (int64_t j = 0; j < out[3]; ++j, ++y) {
        const PoolWindow columns = Windows::window(a, 1, j, in[3], out[3]);
        const double divisor = static_cast<double>(rows.count * columns.count);
        for (int64_t r = rows.begin; r < rows.end; ++r)
          for (int64_t c = columns.begin; c < columns.end; ++c)
            f((plane * in[2] + r) * in[3] + c, y, divisor);
      }
    }
}

/// Means over windows (Transposed: the gradient, which spreads each mean over its window).
template <class Windows, bool Transposed>
class MeanPoolOp final : public Op {
 public:
  MeanPoolOp() : Op(Transposed ? Windows::kGradName : Windows::kName) {}
  void reference(const Call& c) const override {
    dispatch_number(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const T* in = c.input<T>(0);
      const Shape &from = c.in[0].shape, &to = c.out.shape;
      if constexpr (!Transposed && std::is_integral_v<T>) return whole_means(c);
      std::vector<double> sums(to.numel());
      for_each_element<Windows>(Transposed ? to : from, Transposed ? from : to,
                                c.attributes.as<typename Windows::Attributes>(),
                                [&](int64_t x, int64_t y, double divisor) {
                                  if (Transposed) std::swap(x, y);
                                  sums[y] += in[x] / divisor;
                                });
      for (size_t i = 0; i < sums.size(); ++i) c.output<T>()[i] = static_cast<T>(sums[i]);
    });
  }
  /// Means of whole numbers are rounded towards zero.
  static void whole_means(const Call& c) {
    std::vector<int64_t> sums(c.out.shape.numel()), counts(sums.size());
    for_each_element<Windows>(c.in[0].shape, c.out.shape,
                              c.attributes.as<typename Windows::Attributes>(),
                              [&](int64_t x, int64_t y, double divisor) {
                                sums[y] += c.input<int64_t>(0)[x];
                                counts[y] = static_cast<int64_t>(divisor);
                              });
    for (size_t i = 0; i < sums.size(); ++i)
      c.output<int64_t>()[i] = counts[i] ? sums[i] / counts[i] : 0;
  }
  Gradients gradient(const Backward& b) const override {
    return {record(MeanPoolOp<Windows, !Transposed>::get(), b.input_shape(0), b.grad().dtype(),
                   {b.grad()}, b.attributes<typename Windows::Attributes>())};
  }
  Traits traits() const override { return {.channels_last = 1 | Traits::kOutput}; }
  uint32_t by_rows(const Attributes&) const override { return 1 | Traits::kOutput; }
  uint32_t gradient_reads() const override { return 0; }

  static const Op& get() {
    static const MeanPoolOp op;
    return op;
  }
};

// ---- checks ----

/// A pooling window, in one form for the checks.
struct Window {
  const char* name;
  Pair kernel, stride, padding, dilation;
  bool ceil_mode;
};

void check_window(const Window& w) {
  const auto& [name, kernel, stride, padding, dilation, ceil_mode] = w;
  for (const Pair& pair : {kernel, stride, padding, dilation})
    for (int64_t option : pair) ops::check_window_option(name, option);
  check(kernel[0] > 0 && kernel[1] > 0,
        "kernel size should be greater than zero, but got kH: {} kW: {}", kernel[0], kernel[1]);
  check(stride[0] != 0 && stride[1] != 0, "stride should not be zero");
  check(stride[0] > 0 && stride[1] > 0, "stride should be greater than zero, but got dH: {} dW: {}",
        stride[0], stride[1]);
  check(dilation[0] > 0 && dilation[1] > 0,
        "dilation should be greater than zero, but got dilationH: {} dilationW: {}", dilation[0],
        dilation[1]);
  for (int d : {0, 1}) {
    check(padding[d] >= 0, "pad must be non-negative, but got pad: {}", padding[d]);
    check(padding[d] <= ((kernel[d] - 1) * dilation[d] + 1) / 2,
          "pad should be at most half of effective kernel size, but got pad={}, kernel_size={} and "
          "dilation={}",
          padding[d], kernel[d], dilation[d]);
  }
}

void check_image(const char* name, const Tensor& x, bool type_is_supported) {
  check<NotImplementedError>(type_is_supported, "\"{}\" not implemented for '{}'", name,
                             ops::scalar_type_name(x.dtype()));
  const int rank = x.dim();
  bool full = rank == 3 || rank == 4;
  for (int d = rank == 4 ? 1 : 0; full && d < rank; ++d) full = x.shape()[d] > 0;
  check(full,
        "{}: Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but "
        "got: {}",
        name, x.shape().str());
}

/// Number of windows along a dimension.
int64_t windows_along(const Window& w, int d, int64_t size) {
  const int64_t span = size + 2 * w.padding[d] - w.dilation[d] * (w.kernel[d] - 1) - 1;
  if (span < 0 && (!w.ceil_mode || span + w.stride[d] - 1 < 0)) return 0;
  const int64_t n = (span + (w.ceil_mode ? w.stride[d] - 1 : 0)) / w.stride[d] + 1;
  return w.ceil_mode && (n - 1) * w.stride[d] >= size + w.padding[d] ? n - 1 : n;
}

/// The result's shape for a batched image.
Shape pooled_shape(const Window& w, const Shape& x) {
  const Shape out{x[0], x[1], windows_along(w, 0, x[2]), windows_along(w, 1, x[3])};
  check(out[2] > 0 && out[3] > 0,
        "Given input size: ({}x{}x{}). Calculated output size: ({}x{}x{}). Output size is too "
        "small",
        x[1], x[2], x[3], out[1], out[2], out[3]);
  return out;
}

/// Runs `f` on x with a batch dimension in front, which is taken off again where x had none.
template <class F>
Tensor batched(const Tensor& x, F&& f) {
  if (x.dim() != 3) return f(x);
  const Shape& s = x.shape();
  const Tensor y = f(reshape(x, Shape{1, s[0], s[1], s[2]}));
  return reshape(y, Shape{y.size(1), y.size(2), y.size(3)});
}

/// Runs `f` on x (..., L) seen as an image of one row.
template <class F>
Tensor one_row(const char* name, const Tensor& x, F&& f) {
  check(x.dim() == 2 || x.dim() == 3,
        "{}: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, but "
        "got:{}",
        name, x.shape().str());
  auto with_row = [](const Shape& s) {
    return s.rank() == 2 ? Shape{s[0], 1, s[1]} : Shape{s[0], s[1], 1, s[2]};
  };
  const Tensor y = f(reshape(x, with_row(x.shape())));
  Shape flat = x.shape();
  flat[flat.rank() - 1] = y.shape().back();
  return reshape(y, flat);
}

}  // namespace

const Op& max_pool2d_op() {
  static const MaxPool2dOp op;
  return op;
}
const Op& max_pool2d_grad_op() {
  static const MaxPool2dGradOp op;
  return op;
}
const Op& max_pool2d_gather_op() {
  static const MaxPool2dGatherOp op;
  return op;
}
const Op& avg_pool2d_op() { return MeanPoolOp<AvgWindows, false>::get(); }
const Op& avg_pool2d_grad_op() { return MeanPoolOp<AvgWindows, true>::get(); }
const Op& adaptive_avg_pool2d_op() { return MeanPoolOp<AdaptiveWindows, false>::get(); }
const Op& adaptive_avg_pool2d_grad_op() { return MeanPoolOp<AdaptiveWindows, true>::get(); }

PoolWindow pool_window(const Op& op, const Attributes& a, int d, int64_t i, int64_t in,
                       int64_t out) {
  if (&op == &avg_pool2d_op() || &op == &avg_pool2d_grad_op())
    return AvgWindows::window(a.as<AvgWindows::Attributes>(), d, i, in, out);
  if (&op == &adaptive_avg_pool2d_op() || &op == &adaptive_avg_pool2d_grad_op())
    return AdaptiveWindows::window(a.as<AdaptiveWindows::Attributes>(), d, i, in, out);
  return max_window(a.as<MaxPool2dAttributes>(), d, i, in);
}

Tensor max_pool2d(const Tensor& x, Pair kernel, const MaxPool2dOptions& o) {
  const Window w{"max_pool2d", kernel,     o.stride.value_or(kernel),
                 o.padding,    o.dilation, o.ceil_mode};
  check_window(w);
  check_image(w.name, x, x.dtype() != DType::kBool && x.dtype() != DType::kUint16);
  if (x.dtype() == DType::kUint8)
    return cast(max_pool2d(cast(x, DType::kInt64), kernel, o), DType::kUint8);
  return batched(x, [&](const Tensor& image) {
    const MaxPool2dAttributes a{{kernel[0], kernel[1]},
                                {w.stride[0], w.stride[1]},
                                {o.padding[0], o.padding[1]},
                                {o.dilation[0], o.dilation[1]}};
    return record(max_pool2d_op(), pooled_shape(w, image.shape()), x.dtype(), {image}, a);
  });
}

Tensor avg_pool2d(const Tensor& x, Pair kernel, const AvgPool2dOptions& o) {
  const Window w{"avg_pool2d", kernel, o.stride.value_or(kernel), o.padding, {1, 1}, o.ceil_mode};
  check_window(w);
  check_image(w.name, x, is_floating(x.dtype()) || x.dtype() == DType::kInt64);
  return batched(x, [&](const Tensor& image) {
    const AvgPool2dAttributes a{{kernel[0], kernel[1]},
                                {w.stride[0], w.stride[1]},
                                {o.padding[0], o.padding[1]},
                                o.count_include_pad};
    return record(avg_pool2d_op(), pooled_shape(w, image.shape()), x.dtype(), {image}, a);
  });
}

Tensor adaptive_avg_pool2d(const Tensor& x, Pair output) {
  check(output[0] >= 0 && output[1] >= 0,
        "adaptive_avg_pool2d: elements of output_size must be greater than or equal to 0 but "
        "received {{{}, {}}}",
        output[0], output[1]);
  check(x.dim() == 3 || x.dim() == 4, "adaptive_avg_pool2d(): Expected 3D or 4D tensor, but got {}",
        x.shape().str());
  for (int d = x.dim() - 2; d < x.dim(); ++d)
    check(x.shape()[d] > 0,
          "adaptive_avg_pool2d(): Expected input to have non-zero size for non-batch dimensions, "
          "but input has sizes {} with dimension {} being empty",
          x.shape().str(), d);
  check_image("adaptive_avg_pool2d", x, is_floating(x.dtype()));
  if (output == Pair{1, 1}) return mean(x, {-2, -1}, true);
  return batched(x, [&](const Tensor& image) {
    return record(adaptive_avg_pool2d_op(),
                  Shape{image.size(0), image.size(1), output[0], output[1]}, x.dtype(), {image},
                  AdaptiveWindows::Attributes{{output[0], output[1]}});
  });
}

Tensor max_pool1d(const Tensor& x, int64_t kernel, const MaxPool1dOptions& o) {
  return one_row("max_pool1d", x, [&](const Tensor& row) {
    return max_pool2d(row, {1, kernel},
                      {.stride = Pair{1, o.stride.value_or(kernel)},
                       .padding = {0, o.padding},
                       .dilation = {1, o.dilation},
                       .ceil_mode = o.ceil_mode});
  });
}

Tensor avg_pool1d(const Tensor& x, int64_t kernel, const AvgPool1dOptions& o) {
  return one_row("avg_pool1d", x, [&](const Tensor& row) {
    return avg_pool2d(row, {1, kernel},
                      {.stride = Pair{1, o.stride.value_or(kernel)},
                       .padding = {0, o.padding},
                       .ceil_mode = o.ceil_mode,
                       .count_include_pad = o.count_include_pad});
  });
}

Tensor adaptive_avg_pool1d(const Tensor& x, int64_t output) {
  return one_row("adaptive_avg_pool1d", x, [&](const Tensor& row) {
    return adaptive_avg_pool2d(row, {1, output});
  });
}

}  // namespace ballast
