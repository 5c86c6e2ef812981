#include "ballast/ops/roi.h"

#include <cmath>

#include "ballast/base/threads.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

using Bins = std::array<int64_t, 2>;

// ---- the bins of a box along one dimension ----

/// A row (or column) of the image and its weight in a bin.
struct Entry {
  int64_t at;
  double weight;
};

/// The rows that bins read along one dimension, as one list, and where each bin begins in it. A
/// bin's mean is a sum over its rows and columns, weighted by the product of both.
class AxisBins {
 public:
  AxisBins(int64_t bins, int64_t image) : image_(image) { begin_.reserve(bins + 1); }

  void begin() { begin_.push_back(static_cast<int64_t>(entries_.size())); }
  void end() { begin(); }
  /// Adds the pixels on both sides of a point, unless it is further than one pixel outside.
  void add_point(double y) {
    if (!(y >= -1 && y <= static_cast<double>(image_))) return;  // also NaN
    y = std::max(y, 0.0);
    const auto low = static_cast<int64_t>(y);
    if (low >= image_ - 1) return add(image_ - 1, 1);
    const double past = y - static_cast<double>(low);
    add(low, 1 - past);
    add(low + 1, past);
  }
  void add(int64_t at, double weight) { entries_.push_back({at, weight}); }

  std::span<const Entry> bin(int64_t i) const {
    return std::span(entries_).subspan(begin_[i], begin_[i + 1] - begin_[i]);
  }
  /// What sums are divided by, for all bins.
  double count = 1;

 private:
  int64_t image_;
  std::vector<Entry> entries_;
  std::vector<int64_t> begin_;
};

enum class Kind : int64_t { kAlign, kAligned, kPositionAlign, kPositionPool };
struct RoiAttributes {
  Kind kind;
  double scale;
  int64_t size[2], sampling;

  bool by_position() const { return kind >= Kind::kPositionAlign; }
  int64_t bins() const { return size[0] * size[1]; }
};

/// `v` as a whole number: 0 for NaN, and no further from 0 than boxes of any use.
int64_t whole(double v) {
  return v != v ? 0 : static_cast<int64_t>(std::clamp(v, -0x1p30, 0x1p30));
}

/// The edges of a bin in whole pixels: a box of `size` pixels, but at least one, from `start` on.
template <class T>
struct WholeBins {
  int64_t start;
  T step;
  WholeBins(T from, T to, T scale, int64_t bins, int64_t more) {
    start = whole(std::round(from * scale));
    const int64_t end = whole(std::round(to * scale));
    step = static_cast<T>(std::max<int64_t>(end - start + more, 1)) / static_cast<T>(bins);
  }
  /// Clipped to [0, limit].
  std::array<int64_t, 2> edges(int64_t bin, int64_t limit) const {
    const auto low = whole(std::floor(static_cast<T>(bin) * step));
    const auto high = whole(std::ceil(static_cast<T>(bin + 1) * step));
    return {std::clamp<int64_t>(low + start, 0, limit),
            std::clamp<int64_t>(high + start, 0, limit)};
  }
};

/// Means over points. Positions are computed in the boxes' type, as torchvision does: the number of
/// points hangs on their last digit.
template <class T>
AxisBins points_of(T from, T to, const RoiAttributes& a, int64_t bins, int64_t image) {
  const T shift = a.kind == Kind::kAlign ? T(0) : T(0.5), scale = static_cast<T>(a.scale);
  const T start = from * scale - shift;
  T length = (to * scale - shift) - start;
  if (a.kind == Kind::kAlign) length = std::max(length, T(1));
  const T step = length / static_cast<T>(bins);
  const double covered = std::ceil(static_cast<double>(length / static_cast<T>(bins)));
  const int64_t points = a.sampling > 0 ? a.sampling : covered < 0x1p30 ? whole(covered) : 0;
  AxisBins out(bins, image);
  for (int64_t bin = 0; bin < bins; ++bin) {
    out.begin();
    const T first = start + static_cast<T>(bin) * step;
    for (int64_t i = 0; i < points; ++i) {
      if (i % 1024 == 0) poll_interrupt();
      const T inside = (static_cast<T>(i) + T(0.5)) * step / static_cast<T>(points);
      out.add_point(static_cast<double>(first + inside));
    }
  }
  out.end();
  out.count = static_cast<double>(points);
  return out;
}

/// Means over pixels: weights of a bin add up to one.
template <class T>
AxisBins pixels_of(T from, T to, const RoiAttributes& a, int64_t bins, int64_t image) {
  const WholeBins<T> w(from, to, static_cast<T>(a.scale), bins, 0);
  AxisBins out(bins, image);
  for (int64_t bin = 0; bin < bins; ++bin) {
    out.begin();
    const auto [low, high] = w.edges(bin, image - 1);
    for (int64_t i = low; i < high; ++i) out.add(i, 1 / static_cast<double>(high - low));
  }
  out.end();
  return out;
}

/// One box.
template <class T>
struct Region {
  int64_t image, width, across;  // columns of the image and of bins
  AxisBins rows, columns;
  double factor;  // of each bin's sum

  Region(const T* roi, const RoiAttributes& a, const Shape& x)
      : image(image_of(roi[0], x[0])),
        width(x[3]),
        across(a.size[1]),
        rows(axis(roi[2], roi[4], a, a.size[0], x[2])),
        columns(axis(roi[1], roi[3], a, a.size[1], x[3])) {
    const double count = rows.count * columns.count;
    // A box without points is 0, but by position the mean of nothing.
    factor = 1 / (a.by_position() ? count : std::max(count, 1.0));
  }

  static int64_t image_of(T number, int64_t images) {
    const bool there = number > T(-1) && number < static_cast<T>(images);
    check<IndexError>(there, "a box is of image {}, but there are {}", number, images);
    return static_cast<int64_t>(number);
  }
  static AxisBins axis(T from, T to, const RoiAttributes& a, int64_t bins, int64_t image) {
    return a.kind == Kind::kPositionPool ? pixels_of(from, to, a, bins, image)
                                         : points_of(from, to, a, bins, image);
  }

  /// Calls f(position, weight) for the pixels of a bin.
  template <class F>
  void for_each(int64_t bin, const F& f) const {
    for (const Entry& r : rows.bin(bin / across))
      for (const Entry& c : columns.bin(bin % across)) f(r.at * width + c.at, r.weight * c.weight);
  }
};

// ---- means ----

template <bool Transposed>
Tensor region_means(const Tensor& x, const Tensor& rois, const Shape& out, const RoiAttributes& a);

/// (x, rois) -> means over bins, or the transpose of that.
template <bool Transposed>
class RegionMeansOp final : public Op {
 public:
  RegionMeansOp() : Op(Transposed ? "roi_means_grad" : "roi_means") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const auto& a = c.attributes.as<RoiAttributes>();
      const Shape& image = Transposed ? c.out.shape : c.in[0].shape;
      const Shape& bins = Transposed ? c.in[0].shape : c.out.shape;
      const int64_t pixels = image[2] * image[3], channels = bins[1], count = a.bins();
      std::vector<double> sums(Transposed ? c.out.shape.numel() : 0);
      for (int64_t k = 0; k < bins[0]; ++k) {
        const Region<T> region(c.input<T>(1) + 5 * k, a, image);
        const double cost = static_cast<double>(channels * count) * 16;
        parallel_for(channels, cost, [&](int64_t channel) {
          const int64_t at = (k * channels + channel) * count;
          for (int64_t b = 0; b < count; ++b) {
            const int64_t from = a.by_position() ? channel * count + b : channel;
            const int64_t plane = (region.image * image[1] + from) * pixels;
            if constexpr (Transposed) {
              const double g = static_cast<double>(c.input<T>(0)[at + b]) * region.factor;
              region.for_each(b, [&](int64_t i, double w) { sums[plane + i] += g * w; });
            } else {
              const T* x = c.input<T>(0) + plane;
              double sum = 0;
              region.for_each(b, [&](int64_t i, double w) { sum += w * x[i]; });
              c.output<T>()[at + b] = static_cast<T>(sum * region.factor);
            }
          }
        });
      }
      if constexpr (Transposed)
        std::transform(sums.begin(), sums.end(), c.output<T>(),
                       [](double v) { return static_cast<T>(v); });
    });
  }
  Gradients gradient(const Backward& b) const override {
    return {region_means<!Transposed>(b.grad(), b.input(1), b.input_shape(0),
                                      b.attributes<RoiAttributes>()),
            Tensor()};
  }
  uint32_t gradient_reads() const override { return 2; }
};

template <bool Transposed>
Tensor region_means(const Tensor& x, const Tensor& rois, const Shape& out, const RoiAttributes& a) {
  static const RegionMeansOp<Transposed> op;
  return record(op, out, x.dtype(), {x, rois}, a);
}

void check_boxes(const char* who, const Tensor& x, const Shape& image, const Tensor& rois,
                 const Bins& size) {
  check(image.rank() == 4, "{}: expected an input (N, C, H, W), got shape {}", who, image);
  check(rois.dim() == 2 && rois.size(1) == 5, "rois must have shape as Tensor[K, 5]");
  check(x.dtype() == rois.dtype(), "{}: expected the input to have the type of rois, got {} and {}",
        who, name_of(x.dtype()), name_of(rois.dtype()));
  check<NotImplementedError>(is_floating(x.dtype()), "\"{}\" not implemented for '{}'", who,
                             ops::scalar_type_name(x.dtype()));
  check(size[0] >= 0 && size[1] >= 0, "{}: expected an output size, got {} x {}", who, size[0],
        size[1]);
  check(image[2] > 0 && image[3] > 0, "{}: the input of shape {} has no pixels", who, image);
  if (!rois.node().evaluated() || is_half(rois.dtype())) return;  // else the kernel finds out
  dispatch_floating(rois.dtype(), who, [&](auto zero) {
    using T = decltype(zero);
    const auto data = rois.detach().template data<T>();
    for (size_t k = 0; k < data.size(); k += 5) Region<T>::image_of(data[k], image[0]);
  });
}

Tensor means(const char* who, const Tensor& x, const Tensor& rois, const RoiAttributes& a) {
  check_boxes(who, x, x.shape(), rois, {a.size[0], a.size[1]});
  int64_t channels = x.size(1);
  if (a.by_position()) {
    check(a.bins() > 0 && channels % a.bins() == 0,
          "input channels must be a multiple of pooling height * pooling width");
    channels /= a.bins();
  }
  return region_means<false>(x, rois.detach(), {rois.size(0), channels, a.size[0], a.size[1]}, a);
}

Tensor means_backward(const char* who, const Tensor& grad, const Tensor& rois, const Shape& x,
                      RoiAttributes a) {
  check(grad.dim() == 4, "{}: expected a gradient of 4 dimensions, got shape {}", who,
        grad.shape());
  a.size[0] = grad.size(2), a.size[1] = grad.size(3);
  check_boxes(who, grad, x, rois, {a.size[0], a.size[1]});
  const int64_t channels = a.by_position() ? grad.size(1) * a.bins() : grad.size(1);
  check(channels == x[1] && grad.size(0) == rois.size(0),
        "{}: a gradient of shape {} does not fit {} boxes of an input of shape {}", who,
        grad.shape(), rois.size(0), x);
  return region_means<true>(grad, rois.detach(), x, a);
}

Kind align_kind(const RoiAlignOptions& o) { return o.aligned ? Kind::kAligned : Kind::kAlign; }

}  // namespace

Tensor roi_align(const Tensor& x, const Tensor& rois, const Bins& size, const RoiAlignOptions& o) {
  return means("roi_align", x, rois,
               {align_kind(o), o.spatial_scale, {size[0], size[1]}, o.sampling_ratio});
}
Tensor roi_align_backward(const Tensor& grad, const Tensor& rois, const Shape& x,
                          const RoiAlignOptions& o) {
  return means_backward("roi_align_backward", grad, rois, x,
                        {align_kind(o), o.spatial_scale, {}, o.sampling_ratio});
}
Tensor ps_roi_align(const Tensor& x, const Tensor& rois, const Bins& size, double spatial_scale,
                    int64_t sampling_ratio) {
  return means("ps_roi_align", x, rois,
               {Kind::kPositionAlign, spatial_scale, {size[0], size[1]}, sampling_ratio});
}
Tensor ps_roi_align_backward(const Tensor& grad, const Tensor& rois, const Shape& x,
                             double spatial_scale, int64_t sampling_ratio) {
  return means_backward("ps_roi_align_backward", grad, rois, x,
                        {Kind::kPositionAlign, spatial_scale, {}, sampling_ratio});
}
Tensor ps_roi_pool(const Tensor& x, const Tensor& rois, const Bins& size, double spatial_scale) {
  return means("ps_roi_pool", x, rois, {Kind::kPositionPool, spatial_scale, {size[0], size[1]}, 0});
}
Tensor ps_roi_pool_backward(const Tensor& grad, const Tensor& rois, const Shape& x,
                            double spatial_scale) {
  return means_backward("ps_roi_pool_backward", grad, rois, x,
                        {Kind::kPositionPool, spatial_scale, {}, 0});
}

// ---- maxima ----

namespace {

/// (x, rois) -> positions of the largest pixels, -1 for empty bins.
class RegionMaximaOp final : public Op {
 public:
  RegionMaximaOp() : Op("roi_maxima") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.in[0].dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const auto& a = c.attributes.as<RoiAttributes>();
      const Shape &x = c.in[0].shape, &out = c.out.shape;
      for (int64_t k = 0; k < out[0]; ++k) {
        const T* roi = c.input<T>(1) + 5 * k;
        const int64_t image = Region<T>::image_of(roi[0], x[0]);
        const T scale = static_cast<T>(a.scale);
        const WholeBins<T> rows(roi[2], roi[4], scale, a.size[0], 1);
        const WholeBins<T> columns(roi[1], roi[3], scale, a.size[1], 1);
        parallel_for(x[1], static_cast<double>(x[1] * a.bins()) * 16, [&](int64_t channel) {
          const T* plane = c.input<T>(0) + (image * x[1] + channel) * x[2] * x[3];
          int64_t* to = c.output<int64_t>() + (k * x[1] + channel) * a.bins();
          for (int64_t b = 0; b < a.bins(); ++b)
            to[b] = largest(plane, x[3], rows.edges(b / a.size[1], x[2]),
                            columns.edges(b % a.size[1], x[3]));
        });
      }
    });
  }

 private:
  template <class T>
  static int64_t largest(const T* plane, int64_t width, const std::array<int64_t, 2>& rows,
                         const std::array<int64_t, 2>& columns) {
    int64_t best = -1;
    for (int64_t h = rows[0]; h < rows[1]; ++h)
      for (int64_t w = columns[0]; w < columns[1]; ++w) {
        const int64_t i = h * width + w;
        if (best < 0 || plane[i] > plane[best] ||
            (plane[i] != plane[i] && plane[best] == plane[best]))
          best = i;
      }
    return best;
  }
};

template <bool Transposed>
Tensor read_regions(const Tensor& x, const Tensor& rois, const Tensor& argmax, const Shape& out);

/// (x, rois, positions) -> the pixels there, or the transpose of that.
template <bool Transposed>
class ReadRegionsOp final : public Op {
 public:
  ReadRegionsOp() : Op(Transposed ? "roi_read_grad" : "roi_read") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const Shape& image = Transposed ? c.out.shape : c.in[0].shape;
      const Shape& bins = c.in[2].shape;
      const int64_t pixels = image[2] * image[3], count = bins[2] * bins[3];
      const T* x = c.input<T>(0);
      const int64_t* at = c.input<int64_t>(2);
      std::vector<double> sums(Transposed ? c.out.shape.numel() : 0);
      for (int64_t i = 0; i < bins.numel(); ++i) {
        if (i % 65536 == 0) poll_interrupt();
        const int64_t k = i / count / bins[1], channel = i / count % bins[1];
        const int64_t plane = Region<T>::image_of(c.input<T>(1)[5 * k], image[0]) * image[1];
        check<IndexError>(at[i] >= -1 && at[i] < pixels, "{}: position {} is outside {} pixels",
                          name(), at[i], pixels);
        const int64_t pixel = (plane + channel) * pixels + at[i];
        if constexpr (!Transposed) {
          c.output<T>()[i] = at[i] < 0 ? T{0} : x[pixel];
        } else if (at[i] >= 0) {
          sums[pixel] += static_cast<double>(x[i]);
        }
      }
      if constexpr (Transposed)
        std::transform(sums.begin(), sums.end(), c.output<T>(),
                       [](double v) { return static_cast<T>(v); });
    });
  }
  Gradients gradient(const Backward& b) const override {
    return {read_regions<!Transposed>(b.grad(), b.input(1), b.input(2), b.input_shape(0)), Tensor(),
            Tensor()};
  }
  uint32_t gradient_reads() const override { return 6; }
};

template <bool Transposed>
Tensor read_regions(const Tensor& x, const Tensor& rois, const Tensor& argmax, const Shape& out) {
  static const ReadRegionsOp<Transposed> op;
  return record(op, out, x.dtype(), {x, rois, argmax});
}

}  // namespace

RoiPool roi_pool(const Tensor& x, const Tensor& rois, const Bins& size, double spatial_scale) {
  static const RegionMaximaOp op;
  check_boxes("roi_pool", x, x.shape(), rois, size);
  const Shape out{rois.size(0), x.size(1), size[0], size[1]};
  const Tensor boxes = rois.detach();
  const Tensor argmax = record(op, out, DType::kInt64, {x.detach(), boxes},
                               RoiAttributes{{}, spatial_scale, {size[0], size[1]}, 0});
  return {read_regions<false>(x, boxes, argmax, out), cast(argmax, DType::kInt32)};
}

Tensor roi_pool_backward(const Tensor& grad, const Tensor& rois, const Tensor& argmax,
                         const Shape& x) {
  check(grad.dim() == 4 && argmax.shape() == grad.shape() && grad.size(0) == rois.size(0) &&
            x.rank() == 4 && grad.size(1) == x[1],
        "roi_pool_backward: a gradient of shape {} and positions of shape {} do not fit {} boxes "
        "of an input of shape {}",
        grad.shape(), argmax.shape(), rois.shape(), x);
  check_boxes("roi_pool_backward", grad, x, rois, {grad.size(2), grad.size(3)});
  return read_regions<true>(grad, rois.detach(), cast(argmax, DType::kInt64), x);
}

}  // namespace ballast
