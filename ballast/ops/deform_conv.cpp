#include "ballast/ops/deform_conv.h"

#include <cmath>

#include "ballast/base/threads.h"
#include "ballast/ops/matmul.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

struct DeformAttributes {
  int64_t kernel[2], stride[2], padding[2], dilation[2], groups, masked;

  int64_t taps() const { return kernel[0] * kernel[1]; }
};

/// A position between four pixels.
class Position {
 public:
  Position(double y, double x, int64_t height, int64_t width) : height_(height), width_(width) {
    // Beyond these bounds no pixel is read; within, positions are small enough to convert.
    inside_ = y > -1 && x > -1 && y < static_cast<double>(height) && x < static_cast<double>(width);
    near_ =
        y >= -1 && x >= -1 && y <= static_cast<double>(height) && x <= static_cast<double>(width);
    if (!near_) return;
    top_ = static_cast<int64_t>(std::floor(y));
    left_ = static_cast<int64_t>(std::floor(x));
    down_ = y - static_cast<double>(top_);
    across_ = x - static_cast<double>(left_);
  }
  bool inside() const { return inside_; }

  template <class T>
  double value(const T* plane) const {
    double sum = 0;
    for_each([&](int64_t at, double w) { sum += w * static_cast<double>(plane[at]); });
    return sum;
  }
  /// Calls f(pixel, weight).
  template <class F>
  void for_each(const F& f) const {
    if (!inside_) return;
    for (int i : {0, 1})
      for (int j : {0, 1})
        if (there(i, j)) f(at(i, j), (i ? down_ : 1 - down_) * (j ? across_ : 1 - across_));
  }
  /// The derivative of the value by y or by x.
  template <class T>
  double slope(const T* plane, bool by_x) const {
    if (!near_) return 0;
    double sum = 0;
    for (int i : {0, 1})
      for (int j : {0, 1}) {
        if (!there(i, j)) continue;
        const double other = by_x ? (i ? down_ : 1 - down_) : (j ? across_ : 1 - across_);
        sum += ((by_x ? j : i) ? other : -other) * static_cast<double>(plane[at(i, j)]);
      }
    return sum;
  }

 private:
  bool there(int i, int j) const {
    return top_ + i >= 0 && top_ + i < height_ && left_ + j >= 0 && left_ + j < width_;
  }
  int64_t at(int i, int j) const { return (top_ + i) * width_ + left_ + j; }

  int64_t height_, width_, top_ = 0, left_ = 0;
  double down_ = 0, across_ = 0;
  bool inside_, near_;
};

/// The windows of one call: where their elements are read.
template <class T>
struct Windows {
  const DeformAttributes& a;
  Shape x, offsets;  // of the image and of the offsets
  const T *offset, *mask;

  int64_t positions() const { return offsets[2] * offsets[3]; }
  int64_t channels_per_group() const { return x[1] / a.groups; }
  /// Calls f(tap, window, position, mask) for all elements of image n that group d reads.
  template <class F>
  void for_each(int64_t n, int64_t d, const F& f) const {
    const int64_t taps = a.taps(), count = positions(), first = (n * a.groups + d) * taps;
    for (int64_t t = 0; t < taps; ++t) {
      poll_interrupt();
      const T* dy = offset + (first + t) * 2 * count;
      const T* m = mask ? mask + (first + t) * count : nullptr;
      for (int64_t p = 0; p < count; ++p) {
        const auto y = static_cast<double>(p / offsets[3] * a.stride[0] - a.padding[0] +
                                           t / a.kernel[1] * a.dilation[0]);
        const auto z = static_cast<double>(p % offsets[3] * a.stride[1] - a.padding[1] +
                                           t % a.kernel[1] * a.dilation[1]);
        f(t, p, Position(y + dy[p], z + dy[count + p], x[2], x[3]),
          m ? static_cast<double>(m[p]) : 1.0);
      }
    }
  }
  double cost() const { return static_cast<double>(x[0] * x[1] * a.taps() * positions()) * 16; }
};

/// What all operations here have in common: the first inputs are the columns' gradient (but for the
/// columns themselves), the image (but for its gradient), the offsets and, where there is one, the
/// mask.
class DeformOp : public Op {
 public:
  using Op::Op;
  Gradients gradient(const Backward&) const override {
    fail("double backwards on deform_conv2d not supported");
  }

 protected:
  template <class T>
  static Windows<T> windows(const Call& c, int offset, const Shape& x) {
    const auto at = static_cast<size_t>(offset);
    return {c.attributes.as<DeformAttributes>(), x, c.in[at].shape, c.input<T>(offset),
            c.in.size() > at + 1 ? c.input<T>(offset + 1) : nullptr};
  }
};

/// (x, offset[, mask]) -> columns (N, C*taps, windows).
class DeformColumnsOp final : public DeformOp {
 public:
  DeformColumnsOp() : DeformOp("deform_columns") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const auto w = windows<T>(c, 1, c.in[0].shape);
      const int64_t pixels = w.x[2] * w.x[3];
      parallel_for(w.x[0] * w.x[1], w.cost(), [&](int64_t i) {
        const T* plane = c.input<T>(0) + i * pixels;
        T* out = c.output<T>() + i * w.a.taps() * w.positions();
        const int64_t n = i / w.x[1], d = i % w.x[1] / w.channels_per_group();
        w.for_each(n, d, [&](int64_t t, int64_t p, const Position& at, double m) {
          out[t * w.positions() + p] = static_cast<T>(m * at.value(plane));
        });
      });
    });
  }
  Gradients gradient(const Backward& b) const override;
};

/// (g, offset[, mask]) -> the columns' gradient g by x.
class DeformImageGradOp final : public DeformOp {
 public:
  DeformImageGradOp() : DeformOp("deform_image_grad") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const auto w = windows<T>(c, 1, c.out.shape);
      const int64_t pixels = w.x[2] * w.x[3];
      parallel_for(w.x[0] * w.x[1], w.cost(), [&](int64_t i) {
        const T* g = c.input<T>(0) + i * w.a.taps() * w.positions();
        std::vector<double> sums(pixels);
        const int64_t n = i / w.x[1], d = i % w.x[1] / w.channels_per_group();
        w.for_each(n, d, [&](int64_t t, int64_t p, const Position& at, double m) {
          const double by = m * static_cast<double>(g[t * w.positions() + p]);
          at.for_each([&](int64_t pixel, double weight) { sums[pixel] += by * weight; });
        });
        for (int64_t k = 0; k < pixels; ++k)
          c.output<T>()[i * pixels + k] = static_cast<T>(sums[k]);
      });
    });
  }
};

/// (g, x, offset[, mask]) -> the columns' gradient g by the offsets, or by the mask.
template <bool ByMask>
class DeformPlaceGradOp final : public DeformOp {
 public:
  DeformPlaceGradOp() : DeformOp(ByMask ? "deform_mask_grad" : "deform_offset_grad") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const auto w = windows<T>(c, 2, c.in[1].shape);
      const int64_t pixels = w.x[2] * w.x[3], count = w.positions(), taps = w.a.taps();
      const int64_t channels = w.channels_per_group();
      parallel_for(w.x[0] * w.a.groups, w.cost(), [&](int64_t i) {
        const int64_t n = i / w.a.groups, d = i % w.a.groups, first = n * w.x[1] + d * channels;
        T* out = c.output<T>() + i * taps * count * (ByMask ? 1 : 2);
        w.for_each(n, d, [&](int64_t t, int64_t p, const Position& at, double m) {
          double sums[2] = {};
          for (int64_t k = first; k < first + channels; ++k) {
            const T* plane = c.input<T>(1) + k * pixels;
            const auto g = static_cast<double>(c.input<T>(0)[(k * taps + t) * count + p]);
            if constexpr (ByMask) {
              sums[0] += g * at.value(plane);
            } else {
              for (int s : {0, 1}) sums[s] += g * m * at.slope(plane, s == 1);
            }
          }
          for (int s = 0; s < (ByMask ? 1 : 2); ++s)
            out[(t * (ByMask ? 1 : 2) + s) * count + p] = static_cast<T>(sums[s]);
        });
      });
    });
  }
};

/// The inputs of an operation that begin with `first` and end with the mask, where there is one.
template <class... First>
InlineVector<Tensor, 4> operands(const Tensor& mask, const First&... first) {
  InlineVector<Tensor, 4> in{first...};
  if (mask.defined()) in.push_back(mask);
  return in;
}
Tensor recorded(const Op& op, const Shape& shape, const InlineVector<Tensor, 4>& in,
                const DeformAttributes& a) {
  const std::span<const Tensor> inputs(in.data(), static_cast<size_t>(in.size()));
  return record(op, shape, in[0].dtype(), inputs, Attributes(a));
}

Tensor columns_of(const Tensor& x, const Tensor& offset, const Tensor& mask,
                  const DeformAttributes& a) {
  static const DeformColumnsOp op;
  return recorded(op, {x.size(0), x.size(1) * a.taps(), offset.size(2) * offset.size(3)},
                  operands(mask, x, offset), a);
}
Tensor image_grad(const Tensor& g, const Shape& x, const Tensor& offset, const Tensor& mask,
                  const DeformAttributes& a) {
  static const DeformImageGradOp op;
  return recorded(op, x, operands(mask, g, offset), a);
}
Tensor offset_grad(const Tensor& g, const Tensor& x, const Tensor& offset, const Tensor& mask,
                   const DeformAttributes& a) {
  static const DeformPlaceGradOp<false> op;
  return recorded(op, offset.shape(), operands(mask, g, x, offset), a);
}
Tensor mask_grad(const Tensor& g, const Tensor& x, const Tensor& offset, const Tensor& mask,
                 const DeformAttributes& a) {
  static const DeformPlaceGradOp<true> op;
  return recorded(op, mask.shape(), operands(mask, g, x, offset), a);
}

Gradients DeformColumnsOp::gradient(const Backward& b) const {
  const auto& a = b.attributes<DeformAttributes>();
  const Tensor &g = b.grad(), x = b.input(0), offset = b.input(1);
  const Tensor mask = a.masked ? b.input(2) : Tensor();
  Gradients out;
  out.push_back(b.needs(0) ? image_grad(g, x.shape(), offset, mask, a) : Tensor());
  out.push_back(b.needs(1) ? offset_grad(g, x, offset, mask, a) : Tensor());
  if (a.masked) out.push_back(b.needs(2) ? mask_grad(g, x, offset, mask, a) : Tensor());
  return out;
}

DeformAttributes checked(const Tensor& x, const Tensor& offset, const Tensor& weight,
                         const Tensor& bias, const DeformConvOptions& o, const Tensor& mask) {
  check(x.dim() == 4 && offset.dim() == 4 && weight.dim() == 4,
        "deform_conv2d: expected an input, offsets and a weight of 4 dimensions, got shapes {}, {} "
        "and {}",
        x.shape(), offset.shape(), weight.shape());
  check<NotImplementedError>(is_floating(x.dtype()), "\"deform_conv2d\" not implemented for '{}'",
                             ops::scalar_type_name(x.dtype()));
  for (const Tensor& t : {offset, weight, bias, mask})
    check(!t.defined() || t.dtype() == x.dtype(),
          "deform_conv2d: expected one type of all tensors, got {} and {}", name_of(x.dtype()),
          name_of(t.defined() ? t.dtype() : x.dtype()));
  DeformAttributes a{{weight.size(2), weight.size(3)}, {}, {}, {}, 0, mask.defined()};
  int64_t out[2];
  for (int d : {0, 1}) {
    for (int64_t option : {o.stride[d], o.padding[d], o.dilation[d], a.kernel[d]})
      ops::check_window_option("deform_conv2d", option);
    check(a.kernel[d] > 0, "weight_h: {} weight_w: {}", a.kernel[0], a.kernel[1]);
    check(o.stride[d] > 0, "stride_h: {} stride_w: {}", o.stride[0], o.stride[1]);
    check(o.padding[d] >= 0, "pad_h: {} pad_w: {}", o.padding[0], o.padding[1]);
    check(o.dilation[d] > 0, "dilation_h: {} dilation_w: {}", o.dilation[0], o.dilation[1]);
    a.stride[d] = o.stride[d], a.padding[d] = o.padding[d], a.dilation[d] = o.dilation[d];
    out[d] =
        (x.size(2 + d) + 2 * a.padding[d] - a.dilation[d] * (a.kernel[d] - 1) - 1) / a.stride[d] +
        1;
  }
  const int64_t groups = weight.size(1) > 0 ? x.size(1) / weight.size(1) : 0;
  check(groups > 0 && groups * weight.size(1) == x.size(1) && weight.size(0) % groups == 0,
        "deform_conv2d: a weight of shape {} does not fit {} channels in groups", weight.shape(),
        x.size(1));
  a.groups = offset.size(1) / (2 * a.taps());
  check(a.groups > 0 && a.groups * 2 * a.taps() == offset.size(1),
        "the shape of the offset tensor at dimension 1 is not valid: got {}, a multiple of {} is "
        "expected",
        offset.size(1), 2 * a.taps());
  check(x.size(1) % a.groups == 0, "deform_conv2d: {} groups of offsets do not divide {} channels",
        a.groups, x.size(1));
  check(out[0] > 0 && out[1] > 0, "Calculated output size too small - out_h: {} out_w: {}", out[0],
        out[1]);
  check(offset.size(0) == x.size(0), "invalid batch size of offset");
  check(offset.size(2) == out[0] && offset.size(3) == out[1],
        "offset output dims: ({}, {}) - computed output dims: ({}, {})", offset.size(2),
        offset.size(3), out[0], out[1]);
  if (mask.defined()) {
    check(mask.dim() == 4 && mask.size(1) == a.groups * a.taps(),
          "mask.shape[1] is not valid: got: {} expected: {}", mask.dim() == 4 ? mask.size(1) : 0,
          a.groups * a.taps());
    check(mask.size(0) == x.size(0), "invalid batch size of mask");
    check(mask.size(2) == out[0] && mask.size(3) == out[1],
          "mask output dims: ({}, {}) - computed output dims: ({}, {})", mask.size(2), mask.size(3),
          out[0], out[1]);
  }
  check(!bias.defined() || bias.shape() == Shape{weight.size(0)},
        "deform_conv2d: expected a bias of {} elements, got shape {}", weight.size(0),
        bias.defined() ? bias.shape() : Shape{});
  return a;
}

/// The weights as matrices (1, groups, O/groups, C/groups*taps).
Tensor matrices(const Tensor& weight, int64_t groups) {
  const int64_t out = weight.size(0) / groups;
  return reshape(weight, Shape{1, groups, out, weight.shape().span_numel(1, 4)});
}
/// (N, channels, ...) as (N, groups, channels/groups, rest).
Tensor in_groups(const Tensor& t, int64_t groups) {
  return reshape(t, Shape{t.size(0), groups, t.size(1) / groups, t.shape().span_numel(2, t.dim())});
}

}  // namespace

Tensor deform_conv2d(const Tensor& x, const Tensor& offset, const Tensor& weight,
                     const Tensor& bias, const DeformConvOptions& options, const Tensor& mask) {
  const DeformAttributes a = checked(x, offset, weight, bias, options, mask);
  if (is_half(x.dtype()))
    return cast(deform_conv2d(ops::widened(x), ops::widened(offset), ops::widened(weight),
                              ops::widened(bias), options, ops::widened(mask)),
                x.dtype());
  const int64_t groups = x.size(1) / weight.size(1);
  const Tensor columns = in_groups(columns_of(x, offset, mask, a), groups);
  const Tensor y = reshape(matmul(matrices(weight, groups), columns),
                           Shape{x.size(0), weight.size(0), offset.size(2), offset.size(3)});
  return bias.defined() ? y + reshape(bias, Shape{1, bias.numel(), 1, 1}) : y;
}

DeformConvGradients deform_conv2d_backward(const Tensor& grad, const Tensor& x,
                                           const Tensor& offset, const Tensor& weight,
                                           const DeformConvOptions& options, const Tensor& mask) {
  const DeformAttributes a = checked(x, offset, weight, {}, options, mask);
  const Shape out{x.size(0), weight.size(0), offset.size(2), offset.size(3)};
  check(grad.shape() == out && grad.dtype() == x.dtype(),
        "deform_conv2d_backward: expected a gradient of shape {} and type {}, got {} and {}", out,
        name_of(x.dtype()), grad.shape(), name_of(grad.dtype()));
  const int64_t groups = x.size(1) / weight.size(1);
  const Tensor g = in_groups(grad, groups), columns = columns_of(x, offset, mask, a);
  const Tensor of_columns =
      reshape(matmul(transpose(matrices(weight, groups), 2, 3), g), columns.shape());
  const Tensor of_weights = matmul(g, transpose(in_groups(columns, groups), 2, 3));
  return {image_grad(of_columns, x.shape(), offset, mask, a),
          offset_grad(of_columns, x, offset, mask, a),
          reshape(sum(of_weights, {0}), weight.shape()), sum(grad, {0, 2, 3}),
          mask.defined() ? mask_grad(of_columns, x, offset, mask, a) : Tensor()};
}

}  // namespace ballast
