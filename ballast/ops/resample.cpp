#include "ballast/ops/resample.h"

#include <algorithm>
#include <cmath>

#include "ballast/ops/activation.h"
#include "ballast/ops/index.h"
#include "ballast/ops/math.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"
#include "ballast/ops/view.h"
#include "ballast/ops/window.h"

namespace ballast {
namespace {

struct DimAttributes {
  int64_t dim;
};

/// (x, positions (taps, count), weights (taps, count)) -> weighted sums, or the transpose of that.
template <bool Transposed>
class ResampleOp final : public Op {
 public:
  ResampleOp() : Op(Transposed ? "resample_grad" : "resample") {}
  void reference(const Call& c) const override {
    dispatch_number(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      using Sum = SumOf<T>;
      const int dim = static_cast<int>(c.attributes.as<DimAttributes>().dim);
      const Shape &in = c.in[0].shape, &out = c.out.shape, &taps = c.in[1].shape;
      const int64_t outer = in.span_numel(0, dim), inner = in.span_numel(dim + 1, in.rank());
      const auto* from = c.input<int64_t>(1);
      const auto* weights = c.input<double>(2);
      std::vector<Sum> sums(out.numel());
      for (int64_t o = 0; o < outer; ++o) {
        const T* x = c.input<T>(0) + o * in[dim] * inner;
        Sum* y = sums.data() + o * out[dim] * inner;
        for (int64_t t = 0; t < taps.numel(); ++t) {
          if (t % 256 == 0) poll_interrupt();
          if (weights[t] == 0) continue;
          const int64_t at = t % taps[1], source = Transposed ? at : from[t];
          Sum* row = y + (Transposed ? from[t] : at) * inner;
          const auto weight = static_cast<Sum>(weights[t]);
          for (int64_t i = 0; i < inner; ++i)
            row[i] += weight * static_cast<Sum>(x[source * inner + i]);
        }
      }
      std::transform(sums.begin(), sums.end(), c.output<T>(),
                     [](Sum v) { return static_cast<T>(v); });
    });
  }
  Gradients gradient(const Backward& b) const override {
    static const ResampleOp<!Transposed> transpose;
    return {record(transpose, b.input_shape(0), b.grad().dtype(),
                   {b.grad(), b.input(1), b.input(2)}, b.attributes<DimAttributes>()),
            Tensor(), Tensor()};
  }
  uint32_t gradient_reads() const override { return 6; }
};

void check_floating(const char* who, const Tensor& x) {
  check<NotImplementedError>(is_floating(x.dtype()), "\"{}\" not implemented for '{}'", who,
                             name_of(x.dtype()));
}

}  // namespace

Tensor resample(const Tensor& x, int64_t dim, const Taps& taps) {
  static const ResampleOp<false> op;
  const int at = x.shape().normalize(dim);
  const Shape table{taps.taps, taps.count};
  Shape out = x.shape();
  out[at] = taps.count;
  return record(op, out, x.dtype(),
                {x, Tensor::from(taps.from, table), Tensor::from(taps.weights, table)},
                DimAttributes{at});
}

// ---- means over windows ----

namespace {

/// An empty list with room for `taps` * `count`.
Taps room_for(int64_t taps, int64_t count) {
  ops::require_memory(Shape{taps, count}, DType::kFloat64);
  Taps t{taps, count, {}, {}};
  t.from.reserve(taps * count);
  t.weights.reserve(taps * count);
  return t;
}

/// int64 numbers divided by whole ones, rounded towards zero.
Tensor truncated(const Tensor& x, const Tensor& by) { return floor_divide(x - fmod(x, by), by); }

/// How many elements each window of one dimension of n elements counts.
std::vector<int64_t> window_sizes(const ops::Windows& w, int d, int64_t n, bool count_include_pad) {
  std::vector<int64_t> out(w.count(d, n));
  for (size_t o = 0; o < out.size(); ++o) {
    const int64_t begin = static_cast<int64_t>(o) * w.stride[d] - w.padding[d];
    const int64_t end = std::min(begin + w.kernel[d], n + w.padding[d]);
    out[o] = count_include_pad ? end - begin : std::min(end, n) - std::max<int64_t>(begin, 0);
  }
  return out;
}

/// Means over windows of one dimension of n elements, or their sums.
Taps mean_taps(const ops::Windows& w, int d, int64_t n, bool count_include_pad, bool sums) {
  Taps t = room_for(w.kernel[d], w.count(d, n));
  const std::vector<int64_t> sizes = window_sizes(w, d, n, count_include_pad);
  for (int64_t k = 0; k < t.taps; ++k) {
    poll_interrupt();
    for (int64_t o = 0; o < t.count; ++o) {
      const int64_t begin = o * w.stride[d] - w.padding[d];
      const int64_t at = begin + k;
      const bool read = at >= 0 && at < n;
      t.from.push_back(read ? at : 0);
      t.weights.push_back(!read ? 0.0 : sums ? 1.0 : 1.0 / static_cast<double>(sizes[o]));
    }
  }
  return t;
}

Taps adaptive_taps(int64_t n, int64_t output) {
  Taps t = room_for(output > 0 ? n / output + 2 : 0, output);
  for (int64_t k = 0; k < t.taps; ++k) {
    poll_interrupt();
    for (int64_t o = 0; o < output; ++o) {
      const int64_t begin = o * n / output, end = ((o + 1) * n + output - 1) / output;
      const bool read = begin + k < end;
      t.from.push_back(read ? begin + k : 0);
      t.weights.push_back(read ? 1.0 / static_cast<double>(end - begin) : 0.0);
    }
  }
  return t;
}

}  // namespace

Tensor avg_pool(int rank, const Tensor& x, const std::vector<int64_t>& kernel,
                const AvgPoolOptions& o) {
  if (is_half(x.dtype())) return cast(avg_pool(rank, ops::widened(x), kernel, o), x.dtype());
  const ops::Windows w("avg_pool", rank, kernel, o.stride, o.padding, {1}, o.ceil_mode);
  const bool whole = x.dtype() == DType::kInt64, sums = whole || o.divisor_override;
  check<NotImplementedError>(whole || is_floating(x.dtype()),
                             "\"avg_pool{}d\" not implemented for '{}'", rank,
                             ops::scalar_type_name(x.dtype()));
  w.check_image(x);
  check(!o.divisor_override || *o.divisor_override != 0, "divisor must be not zero");
  Tensor y = x, count = o.divisor_override ? Scalar(*o.divisor_override).beside(x) : Tensor();
  for (int d = 0; d < rank; ++d) {
    const int dim = x.dim() - rank + d;
    y = resample(y, dim, mean_taps(w, d, x.size(dim), o.count_include_pad, sums));
    if (!whole || o.divisor_override) continue;
    std::vector<int64_t> line(x.dim() - dim, 1);
    line[0] = -1;
    const auto sizes = window_sizes(w, d, x.size(dim), o.count_include_pad);
    const Tensor beside = reshape(Tensor::from(sizes, Shape{y.size(dim)}), line);
    count = count.defined() ? count * beside : beside;
  }
  if (!sums) return y;
  return whole ? truncated(y, count) : y / count;
}

Tensor adaptive_avg_pool(int rank, const Tensor& x, const std::vector<int64_t>& output) {
  if (is_half(x.dtype())) return cast(adaptive_avg_pool(rank, ops::widened(x), output), x.dtype());
  check_floating("adaptive_avg_pool", x);
  check(x.dim() == rank + 1 || x.dim() == rank + 2,
        "adaptive_avg_pool{}d(): Expected {}D or {}D tensor, but got {}", rank, rank + 1, rank + 2,
        x.shape());
  Tensor y = x;
  for (int d = 0; d < rank; ++d) {
    const int dim = x.dim() - rank + d;
    const int64_t n = output.size() == 1 ? output[0] : output.at(d);
    check(n >= 0,
          "adaptive_avg_pool{}d: elements of output_size must be greater than or equal to "
          "0 but received {}",
          rank, n);
    check(x.size(dim) > 0,
          "adaptive_avg_pool{}d(): Expected input to have non-zero size for non-batch dimensions, "
          "but input has sizes {} with dimension {} being empty",
          rank, x.shape(), dim);
    y = resample(y, dim, adaptive_taps(x.size(dim), n));
  }
  return ops::fresh(y, {&x, 1});
}

Tensor lp_pool(int rank, const Tensor& x, double p, const std::vector<int64_t>& kernel,
               const std::vector<int64_t>& stride, bool ceil_mode) {
  if (is_half(x.dtype()))
    return cast(lp_pool(rank, ops::widened(x), p, kernel, stride, ceil_mode), x.dtype());
  // Windows that reach over the end count as whole ones.
  const Tensor means =
      avg_pool(rank, pow(x, p), kernel, {.stride = stride, .ceil_mode = ceil_mode});
  double size = 1;
  for (int d = 0; d < rank; ++d) size *= static_cast<double>(kernel[kernel.size() == 1 ? 0 : d]);
  return pow(means * size, 1 / p);
}

// ---- resizing ----

namespace {

/// Keys' cubic convolution kernel (1981) with parameter a, at distance x.
double cubic(double x, double a) {
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((x - 5) * x + 8) * x * a - 4 * a : 0;
}

/// Taps of a filter that widens where the image shrinks.
Taps antialiased(int64_t n, int64_t count, double scale, bool is_cubic) {
  const double widen = std::max(scale, 1.0), support = (is_cubic ? 2.0 : 1.0) * widen;
  Taps t = room_for(static_cast<int64_t>(std::ceil(support)) * 2 + 1, count);
  t.from.resize(t.taps * count);
  t.weights.resize(t.taps * count);
  for (int64_t o = 0; o < count; ++o) {
    poll_interrupt();
    const double centre = scale * (static_cast<double>(o) + 0.5);
    const auto first = std::max<int64_t>(static_cast<int64_t>(centre - support + 0.5), 0);
    const auto end = std::min<int64_t>(static_cast<int64_t>(centre + support + 0.5), n);
    double total = 0;
    for (int64_t i = first; i < end; ++i) {
      const double x = (static_cast<double>(i) - centre + 0.5) / widen;
      const double w = is_cubic ? cubic(x, -0.5) : std::max(1 - std::abs(x), 0.0);
      t.from[(i - first) * count + o] = i;
      t.weights[(i - first) * count + o] = w;
      total += w;
    }
    for (int64_t i = first; i < end; ++i) t.weights[(i - first) * count + o] /= total;
  }
  return t;
}

/// `Real` is the type in which PyTorch works out positions: that of the image.
template <class Real>
Taps nearest(int64_t n, int64_t count, Real scale, bool exact) {
  Taps t = room_for(1, count);
  t.weights.assign(count, 1.0);
  for (int64_t o = 0; o < count; ++o) {
    const Real at = (static_cast<Real>(o) + (exact ? Real(0.5) : Real(0))) * scale;
    t.from.push_back(std::min(static_cast<int64_t>(std::floor(at)), n - 1));
  }
  return t;
}

/// Two taps of linear, or four of cubic interpolation.
Taps interpolated(int64_t n, int64_t count, double scale, bool align_corners, bool is_cubic) {
  Taps t = room_for(is_cubic ? 4 : 2, count);
  for (int64_t k = 0; k < t.taps; ++k) {
    poll_interrupt();
    for (int64_t o = 0; o < count; ++o) {
      double at = align_corners ? scale * static_cast<double>(o)
                                : scale * (static_cast<double>(o) + 0.5) - 0.5;
      if (!is_cubic) at = std::clamp<double>(at, 0, static_cast<double>(n - 1));
      const double below = std::floor(at);
      const double source = below + static_cast<double>(k - (is_cubic ? 1 : 0));
      t.from.push_back(std::clamp<int64_t>(static_cast<int64_t>(source), 0, n - 1));
      t.weights.push_back(is_cubic ? cubic(at - source, -0.75) : 1 - std::abs(at - source));
    }
  }
  return t;
}

/// PyTorch keeps the ratio of sizes in the image's precision; where a position falls depends on it.
template <class Real>
Taps resize_taps(int64_t n, int64_t count, std::optional<double> factor, const ResizeOptions& o) {
  Real scale = static_cast<Real>(n) / static_cast<Real>(count);
  if (factor && *factor > 0) scale = static_cast<Real>(1.0 / *factor);
  const bool is_cubic = o.mode == ResizeMode::kCubic;
  if (o.mode == ResizeMode::kNearest || o.mode == ResizeMode::kNearestExact)
    return nearest(n, count, scale, o.mode == ResizeMode::kNearestExact);
  if (o.align_corners)
    scale = count > 1 ? static_cast<Real>(n - 1) / static_cast<Real>(count - 1) : 0;
  if (o.antialias) return antialiased(n, count, scale, is_cubic);
  return interpolated(n, count, scale, o.align_corners, is_cubic);
}

}  // namespace

Tensor resize(const Tensor& x, const std::vector<int64_t>& size, const ResizeOptions& o) {
  if (is_half(x.dtype())) return cast(resize(ops::widened(x), size, o), x.dtype());
  check(x.dim() == static_cast<int>(size.size()) + 2,
        "Input and output must have the same number of spatial dimensions, but got input with "
        "spatial dimensions of {} and output size of {} dimensions",
        x.shape(), size.size());
  Shape whole = x.shape();
  for (int d = 2; d < x.dim(); ++d) whole[d] = std::max<int64_t>(size[d - 2], 0);
  ops::require_memory(whole, x.dtype());
  Tensor y = x;
  const bool nearest = o.mode == ResizeMode::kNearest || o.mode == ResizeMode::kNearestExact;
  // Bytes can be repeated; whole numbers are not averaged.
  const bool repeats = nearest && x.dtype() == DType::kUint8;
  if (!repeats) check_floating("resample", x);
  for (int d = 2; d < x.dim(); ++d) {
    const int64_t n = x.size(d), count = size[d - 2];
    check(n > 0 && count > 0,
          "Input and output sizes should be greater than 0, but got input (size {}) and output "
          "(size {}) at dimension {}",
          n, count, d);
    std::optional<double> factor;
    if (!o.scale.empty()) factor = o.scale.at(d - 2);
    const Taps taps = x.dtype() == DType::kFloat64 ? resize_taps<double>(n, count, factor, o)
                                                   : resize_taps<float>(n, count, factor, o);
    y = repeats ? index_select(y, d, Tensor::from(taps.from, {count})) : resample(y, d, taps);
  }
  return ops::fresh(y, {&x, 1});
}

Tensor local_response_norm(const Tensor& x, int64_t size, double alpha, double beta, double k) {
  if (is_half(x.dtype()))
    return cast(local_response_norm(ops::widened(x), size, alpha, beta, k), x.dtype());
  check<ValueError>(x.dim() >= 3, "Expected 3D or higher dimensionality input (got {} dimensions)",
                    x.dim());
  if (x.numel() == 0) return clone(x);
  check(size > 0, "local_response_norm: size must be greater than 0, got {}", size);
  const int64_t channels = x.size(1);
  const bool whole = !is_floating(x.dtype());
  check<NotImplementedError>(!whole || x.dtype() == DType::kInt64,
                             "\"avg_pool\" not implemented for '{}'",
                             ops::scalar_type_name(x.dtype()));
  Taps t = room_for(size, channels);
  for (int64_t i = 0; i < size; ++i) {
    poll_interrupt();
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t at = c + i - size / 2;
      const bool read = at >= 0 && at < channels;
      t.from.push_back(read ? at : 0);
      t.weights.push_back(!read ? 0.0 : whole ? 1.0 : 1.0 / static_cast<double>(size));
    }
  }
  Tensor squares = resample(square(x), 1, t);
  if (whole) squares = truncated(squares, Scalar(size).beside(x));
  return x / pow(squares * alpha + k, beta);
}

}  // namespace ballast
