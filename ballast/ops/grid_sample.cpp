#include "ballast/ops/grid_sample.h"

#include <cmath>

#include "ballast/ops/compare.h"
#include "ballast/ops/create.h"
#include "ballast/ops/math.h"
#include "ballast/ops/matmul.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

struct PixelAttributes {
  int64_t pixels;
};

Tensor read_pixels(const Tensor& x, const Tensor& index);
Tensor add_pixels(const Tensor& y, const Tensor& index, int64_t pixels);

/// x (N, C, pixels) at positions index (N, P), the same in all channels: (N, C, P), 0 for negative
/// ones.
class ReadPixelsOp final : public Op {
 public:
  ReadPixelsOp() : Op("read_pixels") {}
  void reference(const Call& c) const override {
    const Shape& s = c.in[0].shape;
    const int64_t p = c.in[1].shape[1];
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const T* x = c.input<T>(0);
      T* out = c.output<T>();
      for (int64_t i = 0; i < s[0] * s[1]; ++i, x += s[2], out += p) {
        const int64_t* index = c.input<int64_t>(1) + i / s[1] * p;
        for (int64_t k = 0; k < p; ++k) out[k] = index[k] < 0 ? T{0} : x[index[k]];
      }
    });
  }
  Gradients gradient(const Backward& b) const override {
    return {add_pixels(b.grad(), b.input(1), b.input_shape(0)[2]), Tensor()};
  }
  uint32_t gradient_reads() const override { return 2; }
};

/// Its transpose: y (N, C, P) added at those positions of zeros.
class AddPixelsOp final : public Op {
 public:
  AddPixelsOp() : Op("add_pixels") {}
  void reference(const Call& c) const override {
    const Shape& s = c.out.shape;
    const int64_t p = c.in[1].shape[1];
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const T* y = c.input<T>(0);
      T* out = c.output<T>();
      std::vector<double> sums(s[2]);
      for (int64_t i = 0; i < s[0] * s[1]; ++i, y += p, out += s[2]) {
        const int64_t* index = c.input<int64_t>(1) + i / s[1] * p;
        std::fill(sums.begin(), sums.end(), 0.0);
        for (int64_t k = 0; k < p; ++k)
          if (index[k] >= 0) sums[index[k]] += static_cast<double>(y[k]);
        for (int64_t k = 0; k < s[2]; ++k) out[k] = static_cast<T>(sums[k]);
      }
    });
  }
  Gradients gradient(const Backward& b) const override {
    return {read_pixels(b.grad(), b.input(1)), Tensor()};
  }
  uint32_t gradient_reads() const override { return 2; }
};

Tensor read_pixels(const Tensor& x, const Tensor& index) {
  static const ReadPixelsOp op;
  return record(op, Shape{x.size(0), x.size(1), index.size(1)}, x.dtype(), {x, index});
}
Tensor add_pixels(const Tensor& y, const Tensor& index, int64_t pixels) {
  static const AddPixelsOp op;
  return record(op, Shape{y.size(0), y.size(1), pixels}, y.dtype(), {y, index},
                PixelAttributes{pixels});
}

/// Positions along one dimension, in pixels.
struct Axis {
  int64_t size;
  GridPadding padding;
  bool align_corners;

  Tensor in_pixels(const Tensor& g) const {
    const auto n = static_cast<double>(size);
    return align_corners ? (g + 1) * ((n - 1) / 2) : ((g + 1) * n - 1) * 0.5;
  }
  /// Moves what lies outside to where it is read.
  Tensor padded(const Tensor& at) const {
    if (padding == GridPadding::kZeros) return at;
    return clipped(padding == GridPadding::kReflection ? reflected(at) : at);
  }
  Tensor clipped(const Tensor& at) const {
    const auto last = static_cast<double>(size - 1);
    // NaN is moved to 0, too; no derivative at the ends.
    const Tensor above_zero = where(gt(at, 0), at, zeros_like(at));
    return where(lt(above_zero, last), above_zero, full_like(at, last));
  }
  Tensor reflected(const Tensor& at) const {
    const double low = align_corners ? 0 : -0.5;
    const double span = static_cast<double>(align_corners ? size - 1 : size);
    if (span == 0) return zeros_like(at);
    const Tensor away = abs(at - low), period = full({}, span, at.dtype());
    const Tensor rest = fmod(away, period);
    const Tensor turned = remainder(floor(away.detach() / span), full({}, 2.0, at.dtype()));
    return where(eq(turned, 0), rest, span - rest) + low;
  }
};

/// The reading of one image: its axes, the fastest one first.
class Sampler {
 public:
  Sampler(const Tensor& x, std::vector<Axis> axes) : axes_(std::move(axes)) {
    pixels_ = reshape(x, Shape{x.size(0), x.size(1), x.shape().span_numel(2, x.dim())});
  }

  /// Whole positions (N, P) along each axis; where they lie outside, 0 is read.
  Tensor at(const std::vector<Tensor>& whole) const {
    Tensor index, inside;
    for (size_t k = axes_.size(); k-- > 0;) {
      const Tensor w = whole[k].detach();
      const Tensor here = logical_and(ge(w, 0), le(w, static_cast<double>(axes_[k].size - 1)));
      const Tensor i = cast(where(here, w, zeros_like(w)), DType::kInt64);
      index = index.defined() ? index * Scalar(axes_[k].size) + i : i;
      inside = inside.defined() ? logical_and(inside, here) : here;
    }
    return read_pixels(pixels_, where(inside, index, full_like(index, -1)));
  }

  /// The sum over all combinations of taps: each axis has some, with weights (N, P).
  struct Tap {
    Tensor position, weight;
  };
  Tensor weighted(const std::vector<std::vector<Tap>>& taps) const {
    std::vector<size_t> chosen(taps.size());
    Tensor sum;
    for (;;) {
      std::vector<Tensor> whole;
      Tensor weight;
      for (size_t k = 0; k < taps.size(); ++k) {
        const Tap& tap = taps[k][chosen[k]];
        whole.push_back(tap.position);
        weight = weight.defined() ? weight * tap.weight : tap.weight;
      }
      const Tensor part = at(whole) * unsqueeze(weight, 1);
      sum = sum.defined() ? sum + part : part;
      size_t k = 0;
      while (k < taps.size() && ++chosen[k] == taps[k].size()) chosen[k++] = 0;
      if (k == taps.size()) return sum;
    }
  }

 private:
  Tensor pixels_;
  std::vector<Axis> axes_;
};

/// Keys' cubic convolution with a = -0.75: weights of the pixels at -1, 0, 1, 2 of a position t
/// past pixel 0.
std::vector<Tensor> cubic_weights(const Tensor& t) {
  constexpr double a = -0.75;
  const auto near = [&](const Tensor& d) { return ((a + 2) * d - (a + 3)) * d * d + 1; };
  const auto far = [&](const Tensor& d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
  return {far(t + 1), near(t), near(1 - t), far(2 - t)};
}

void check_grid(const Tensor& x, const Tensor& grid) {
  const int d = x.dim() - 2;
  check(d == 2 || d == 3,
        "grid_sampler(): expected 4D or 5D input and grid with same number of "
        "dimensions, but got input with sizes {} and grid with sizes {}",
        x.shape(), grid.shape());
  check(
      grid.dim() == x.dim() && grid.size(-1) == d && grid.size(0) == x.size(0),
      "grid_sampler(): expected grid to have size {} in last dimension and the batch of the input, "
      "but got input with sizes {} and grid with sizes {}",
      d, x.shape(), grid.shape());
  check(grid.dtype() == x.dtype(),
        "grid_sampler(): expected input and grid to have same dtype, but "
        "input has {} and grid has {}",
        name_of(x.dtype()), name_of(grid.dtype()));
  for (int i = 2; i < x.dim(); ++i)
    check(x.shape()[i] > 0,
          "grid_sampler(): expected input to have non-empty spatial dimensions, "
          "but input has sizes {} with dimension {} being empty",
          x.shape(), i);
}

}  // namespace

Tensor grid_sample(const Tensor& x, const Tensor& grid, const GridOptions& o) {
  check_grid(x, grid);
  const int d = x.dim() - 2;
  Shape out{x.size(0), x.size(1)};
  for (int i = 1; i <= d; ++i) out.push_back(grid.shape()[i]);
  const int64_t points = out.span_numel(2, out.rank());
  const Tensor flat = reshape(grid, Shape{x.size(0), points, d});
  std::vector<Axis> axes;
  std::vector<std::vector<Sampler::Tap>> taps;
  for (int k = 0; k < d; ++k) {
    const Axis axis{x.size(-1 - k), o.padding, o.align_corners};
    axes.push_back(axis);
    const Tensor raw = axis.in_pixels(select(flat, -1, k));
    const Tensor at = o.mode == GridMode::kBicubic ? raw : axis.padded(raw);
    const Tensor below = floor(at.detach()), past = at - below;
    if (o.mode == GridMode::kNearest) {
      taps.push_back({{round(at.detach()), ones_like(at)}});
    } else if (o.mode == GridMode::kBilinear) {
      taps.push_back({{below, 1 - past}, {below + 1, past}});
    } else {
      const auto weights = cubic_weights(past);
      taps.emplace_back();
      for (int i = 0; i < 4; ++i) taps.back().push_back({axis.padded(below + (i - 1)), weights[i]});
    }
  }
  const Sampler image(x, axes);
  if (o.mode != GridMode::kNearest) return reshape(image.weighted(taps), out);
  std::vector<Tensor> whole;
  for (const auto& tap : taps) whole.push_back(tap[0].position);
  // The positions have a derivative, which is 0.
  return reshape(image.at(whole), out) +
         (grid.requires_grad() ? sum(grid) * 0.0 : zeros({}, x.dtype()));
}

Tensor affine_grid(const Tensor& theta, const std::vector<int64_t>& size, bool align_corners) {
  const int d = static_cast<int>(size.size()) - 2;
  check<NotImplementedError>(d == 2 || d == 3,
                             "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine "
                             "transforms, respectively. Got size of {} dimensions",
                             size.size());
  check<ValueError>(is_floating(theta.dtype()),
                    "Expected theta to have floating point type, but got {}",
                    name_of(theta.dtype()));
  check<ValueError>(
      theta.dim() == 3 && theta.size(0) == size[0] && theta.size(1) == d && theta.size(2) == d + 1,
      "Expected a batch of {} affine matrices of shape {}x{}, got {}", size[0], d, d + 1,
      theta.shape());
  for (int64_t n : size)
    check<ValueError>(n > 0, "Expected non-zero, positive output size. Got {}", n);
  const Shape pixels(std::span<const int64_t>(size).subspan(2));
  std::vector<Tensor> columns;
  for (int k = 0; k < d; ++k) {
    const int64_t n = size[size.size() - 1 - k];
    const double end = align_corners ? 1 : static_cast<double>(n - 1) / static_cast<double>(n);
    const Tensor line = n == 1 ? zeros({1}, theta.dtype()) : linspace(-end, end, n, theta.dtype());
    Shape s;
    for (int i = 0; i < d; ++i) s.push_back(i == d - 1 - k ? n : 1);
    columns.push_back(expand(reshape(line, s), pixels));
  }
  columns.push_back(ones(pixels, theta.dtype()));
  const Tensor base = reshape(stack(columns, -1), Shape{1, pixels.numel(), d + 1});
  Shape out{size[0]};
  for (int64_t n : pixels) out.push_back(n);
  out.push_back(d);
  return reshape(matmul(base, transpose(theta, 1, 2)), out);
}

}  // namespace ballast
