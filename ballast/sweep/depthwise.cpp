// Convolution in groups of as many channels in as out that fit a vector (depthwise: of one) and its
// derivatives: rows of pixels go past a window of as many rows as the kernel has, each read once.
#include "ballast/kernels/depthwise.h"

#include <algorithm>
#include <array>
#include <vector>

#include "ballast/base/threads.h"
#include "ballast/ops/conv.h"
#include "ballast/sweep/ends.h"
#include "ballast/sweep/pieces.h"
#include "ballast/sweep/sweep.h"
#include "ballast/sweep/window.h"

namespace ballast::sweep {
namespace {

// Floats of the result after which its epilogue runs: an L1.
constexpr int64_t kTaken = 8 * 1024;
// Sums of the weights' gradient, merged in order.
constexpr int64_t kMaxSlabs = 16;
constexpr int64_t kMaxTaps = 128;

/// Element `weight` of the kernel, and the pixel it reads relative to the output's.
struct Tap {
  int64_t weight, offset;
};

/// One dimension of a convolution. Output i*every + phase reads, for each tap of the phase, input
/// i*step + offset. The forward pass has one phase; the gradient of the input of a convolution with
/// stride s has s of them.
struct Axis {
  struct Phase {
    int64_t outputs;
    std::vector<Tap> taps;  // from the least offset to the largest
  };

  static Axis forward(int64_t in, int64_t out, int64_t kernel, const Conv2dAttributes& a, int d) {
    Axis axis{in, out, 1, a.stride[d]};
    axis.phases.push_back({out, {}});
    for (int64_t k = 0; k < kernel; ++k)
      axis.phases[0].taps.push_back({k, k * a.dilation[d] - a.padding[d]});
    axis.finish();
    return axis;
  }

  static Axis gradient(int64_t in, int64_t out, int64_t kernel, const Conv2dAttributes& a, int d) {
    Axis axis{in, out, a.stride[d], 1};
    for (int64_t f = 0; f < std::min(a.stride[d], out); ++f) {
      axis.phases.push_back({ceil_div(out - f, a.stride[d]), {}});
      for (int64_t k = 0; k < kernel; ++k)
        if (const int64_t at = f + a.padding[d] - k * a.dilation[d]; at % a.stride[d] == 0)
          axis.phases.back().taps.push_back({k, at / a.stride[d]});
    }
    axis.finish();
    return axis;
  }

  int64_t span() const { return high - low + 1; }

  int64_t in, out, every, step;
  std::vector<Phase> phases = {};
  int64_t low = 0, high = 0;  // least and largest offset
  int64_t end = 0;            // of the inputs read, if there were no end to them

 private:
  void finish() {
    bool first = true;
    for (Phase& phase : phases) {
      std::ranges::sort(phase.taps, {}, &Tap::offset);
      for (const Tap& tap : phase.taps) {
        low = first ? tap.offset : std::min(low, tap.offset);
        high = first ? tap.offset : std::max(high, tap.offset);
        end = std::max(first ? tap.offset + 1 : end, (phase.outputs - 1) * step + tap.offset + 1);
        first = false;
      }
    }
    end = std::max(end, low + 1);
  }
};

/// What a convolution or one of its derivatives goes over.
struct Problem {
  Axis rows, columns;
  int64_t images, channels, group, kernel_columns, taps;

  /// Weights in all: of every channel, one for each tap and channel of its group.
  int64_t weights() const { return channels * group * taps; }

  WindowShape window() const {
    return {rows.in, columns.in, rows.span(), columns.low, columns.end - columns.low};
  }
  ImageCut cut() const {
    return {images, rows.out, channels, rows.span() * (columns.end - columns.low)};
  }
  /// The first input row that output rows from `row` on read.
  int64_t first_row(int64_t row) const {
    return std::max<int64_t>(row / rows.every * rows.step + rows.low, 0);
  }
  /// Calls f(row of the kernel, input row) for what output row `row` reads of the image.
  template <class F>
  void for_rows(int64_t row, const F& f) const {
    for (const Tap& tap : rows.phases[row % rows.every].taps)
      if (const int64_t in = row / rows.every * rows.step + tap.offset; in >= 0 && in < rows.in)
        f(tap.weight, in);
  }
  double cost() const {
    return 0.25 * static_cast<double>(images * rows.out * columns.out) *
           static_cast<double>(weights());
  }
};

const char* kernel_name(const Problem& q) { return q.group == 1 ? "depthwise" : "grouped"; }

/// The forward pass, or the gradient of the input: which of them is in the axes and `forward`.
class DepthwiseSweep final : public Sweep {
 public:
  DepthwiseSweep(const plan::Plan& plan, const plan::Group& group, Problem q, int x, int w,
                 int bias, bool forward)
      : q_(std::move(q)),
        cut_(q_.cut()),
        x_(plan, x),
        sink_(plan, group),
        w_(w),
        bias_(bias),
        forward_(forward) {}

  int64_t prepared_bytes() const override { return q_.weights() * sizeof(float); }
  std::vector<int> prepared_from() const override { return {w_}; }
  /// (output, input of its group, tap) -> (tap, which channel of the group is read, channel made)
  void prepare(Pointers p, std::byte* prepared) const override {
    const auto* w = reinterpret_cast<const float*>(p[w_]);
    auto* to = reinterpret_cast<float*>(prepared);
    for (int64_t t = 0; t < q_.taps; ++t)
      for (int64_t i = 0; i < q_.group; ++i)
        for (int64_t c = 0; c < q_.channels; ++c) {
          const int64_t in_group = c % q_.group,
                        row =
                            forward_ ? c * q_.group + i : (c - in_group + i) * q_.group + in_group;
          *to++ = w[row * q_.taps + t];
        }
  }

  const char* kernel() const override { return kernel_name(q_); }
  void run(Pointers p, const Lent& lent) const override {
    run_pieces(sink_, p, cut_.pieces(), q_.cost(),
               [&](const Sink::Run& result, int64_t slot, int64_t i) {
                 piece(p, reinterpret_cast<const float*>(lent.prepared), result, slot, i);
               });
  }

 private:
  void piece(Pointers p, const float* weights, const Sink::Run& result, int64_t slot,
             int64_t i) const {
    const auto [image, begin, end, c, n] = cut_.piece(i);
    const WindowShape shape = q_.window();
    auto* memory = reinterpret_cast<float*>(scratch(Window::floats(shape, n) * sizeof(float)));
    Window window(shape, x_, p, c, n, memory);
    window.start(image, q_.first_row(begin));
    const int64_t rows = std::max<int64_t>(kTaken / (q_.columns.out * n), 1);
    for (int64_t r = begin; r < end; r += rows) {
      const int64_t stop = std::min(r + rows, end);
      for (int64_t k = r; k < stop; ++k) row(p, weights, window, image, k, c, n);
      result.take(slot, (image * q_.rows.out + r) * q_.columns.out, (stop - r) * q_.columns.out, c,
                  n);
    }
  }

  void row(Pointers p, const float* weights, Window& window, int64_t image, int64_t r, int64_t c,
           int64_t n) const {
    std::array<std::pair<int64_t, const float*>, kMaxTaps> rows;  // of the kernel, of the input
    std::array<const float*, kMaxTaps> x, w;
    std::array<int64_t, kMaxTaps> offset;
    kernels::DepthwiseRow q{};
    q_.for_rows(r, [&](int64_t k, int64_t in) { rows[q.rows++] = {k, window.row(in)}; });
    q.channels = n;
    q.group = q_.group;
    q.x = x.data();
    q.w = w.data();
    q.w_step = q_.channels;
    q.offset = offset.data();
    q.bias = bias_ >= 0 ? reinterpret_cast<const float*>(p[bias_]) + c : nullptr;
    q.pixel = window.pitch();
    q.stride = q_.columns.step;
    q.out_step = q_.columns.every * sink_.pitch();
    q.out = sink_.memory(p) + (image * q_.rows.out + r) * q_.columns.out * sink_.pitch() + c;
    for (const Axis::Phase& phase : q_.columns.phases) {
      q.outputs = phase.outputs;
      q.taps = static_cast<int64_t>(phase.taps.size());
      const int64_t first = q.taps ? phase.taps[0].offset : q_.columns.low;
      for (int64_t t = 0; t < q.taps; ++t) offset[t] = (phase.taps[t].offset - first) * q.pixel;
      const float** to = w.data();
      for (int64_t k = 0; k < q.rows; ++k) {
        x[k] = rows[k].second + (first - q_.columns.low) * q.pixel;
        for (const Tap& tap : phase.taps)
          *to++ = weights +
                  (rows[k].first * q_.kernel_columns + tap.weight) * q_.group * q_.channels + c;
      }
      kernels::depthwise_row(q);
      q.out += sink_.pitch();
    }
  }

  Problem q_;
  ImageCut cut_;
  Source x_;
  Sink sink_;
  int w_, bias_;
  bool forward_;
};

/// dw[output][input of its group][tap] = sum over pixels of g[output] * x[input] at the tap, in
/// slabs of bands of rows.
class DepthwiseWeightGradSweep final : public Sweep {
 public:
  DepthwiseWeightGradSweep(const plan::Plan& plan, const plan::Group& group, Problem q, int g,
                           int x)
      : q_(std::move(q)), cut_(q_.cut()), g_(plan, g), x_(plan, x), sink_(plan, group) {
    bands_ = q_.images * cut_.bands;
    slabs_ = std::min(bands_, kMaxSlabs);
  }

  const char* kernel() const override { return kernel_name(q_); }
  int64_t temporary_bytes() const override {
    return slabs_ * q_.weights() * static_cast<int64_t>(sizeof(float));
  }
  void run(Pointers p, const Lent& lent) const override {
    const int64_t size = q_.weights();
    auto* sums = reinterpret_cast<float*>(lent.temporary);
    parallel_for(slabs_ * cut_.blocks, q_.cost(), [&](int64_t i) {
      const int64_t c = i % cut_.blocks * cut_.block, slab = i / cut_.blocks;
      piece(p, slab, c, sums + slab * size + c * q_.group * q_.taps);
    });
    add_up(sums, sink_.memory(p));
    const Sink::Run result(sink_, p, 1);
    result.take(0, 0, sink_.rows(), 0, sink_.columns());
    result.finish();
  }

 private:
  /// Slabs of (block of channels, tap, output of the group, channel of the input)
  /// -> (output, input of its group, tap).
  void add_up(const float* sums, float* out) const {
    const int64_t each = q_.group * q_.taps;
    int64_t column = 0;
    for (int64_t o = 0; o < q_.channels; ++o) {
      const int64_t block = o / cut_.block * cut_.block, n = cut_.width(block), i = o % q_.group;
      const float* first = sums + block * each + i * n + (o - block - i);
      for (int64_t k = 0; k < q_.group; ++k)
        for (int64_t t = 0; t < q_.taps; ++t) {
          const float* from = first + t * q_.group * n + k;
          double sum = 0;
          for (int64_t s = 0; s < slabs_; ++s) sum += from[s * q_.weights()];
          out[column] = static_cast<float>(sum);
          if (++column < sink_.columns()) continue;
          column = 0;
          out += sink_.pitch();
        }
    }
  }

  void piece(Pointers p, int64_t slab, int64_t c, float* sums) const {
    const int64_t n = cut_.width(c);
    const WindowShape shape = q_.window(),
                      one_row{q_.rows.out, q_.columns.out, 1, 0, q_.columns.out};
    const int64_t size = Window::floats(shape, n);
    auto* memory =
        reinterpret_cast<float*>(scratch((size + Window::floats(one_row, n)) * sizeof(float)));
    std::fill_n(sums, q_.group * q_.taps * n, 0.0f);
    Window x(shape, x_, p, c, n, memory), g(one_row, g_, p, c, n, memory + size);
    for (int64_t b = bands_ * slab / slabs_; b < bands_ * (slab + 1) / slabs_; ++b) {
      const auto [image, begin, end, first, channels] = cut_.piece(b * cut_.blocks);
      x.start(image, q_.first_row(begin));
      g.start(image, begin);
      for (int64_t r = begin; r < end; ++r) row(x, g, r, n, sums);
    }
  }

  void row(Window& pixels, Window& gradients, int64_t r, int64_t n, float* sums) const {
    std::array<const float*, kMaxTaps> x;
    std::array<int64_t, kMaxTaps> index;
    kernels::DepthwiseGradRow q{};
    q_.for_rows(r, [&](int64_t kernel_row, int64_t in) {
      for (const Tap& tap : q_.columns.phases[0].taps) {
        x[q.taps] = pixels.row(in) + (tap.offset - q_.columns.low) * pixels.pitch();
        index[q.taps++] = kernel_row * q_.kernel_columns + tap.weight;
      }
    });
    if (q.taps == 0) return;
    q.step = q_.columns.step * pixels.pitch();
    q.g = gradients.row(r);
    q.g_step = gradients.pitch();
    q.outputs = q_.columns.out;
    q.channels = n;
    q.group = q_.group;
    q.x = x.data();
    q.index = index.data();
    q.sums = sums;
    kernels::depthwise_grad_row(q);
  }

  Problem q_;
  ImageCut cut_;
  Source g_, x_;
  Sink sink_;
  int64_t bands_, slabs_;
};

}  // namespace

std::unique_ptr<Sweep> build_depthwise(const plan::Plan& plan, const plan::Group& group) {
  const plan::Value& v = plan.values[group.values[0]];
  const bool forward = v.op == &conv2d_op(), weight = v.op == &conv2d_weight_grad_op();
  if (!forward && !weight && v.op != &conv2d_input_grad_op()) return nullptr;
  auto shape = [&](int i) -> const Shape& { return plan.values[v.in[i]].shape; };
  const Shape &x = forward  ? shape(0)
                   : weight ? shape(1)
                            : v.shape,
              &w = weight ? v.shape : shape(1), &y = forward ? v.shape : shape(0);
  const auto& a = v.attributes.as<Conv2dAttributes>();
  if (v.dtype != DType::kFloat32 || a.groups == 1 || x[1] != y[1] ||
      !kernels::takes_group(x[1] / a.groups) || w[2] * w[3] > kMaxTaps || x.numel() == 0 ||
      y.numel() == 0)
    return nullptr;
  const bool gradient = !forward && !weight;
  auto axis = [&](int d) {
    return gradient ? Axis::gradient(y[2 + d], x[2 + d], w[2 + d], a, d)
                    : Axis::forward(x[2 + d], y[2 + d], w[2 + d], a, d);
  };
  Problem q{axis(0), axis(1), x[0], x[1], x[1] / a.groups, w[3], w[2] * w[3]};
  if (weight)
    return std::make_unique<DepthwiseWeightGradSweep>(plan, group, std::move(q), v.in[0], v.in[1]);
  return std::make_unique<DepthwiseSweep>(plan, group, std::move(q), v.in[0], v.in[1],
                                          v.in.size() > 2 ? v.in[2] : -1, forward);
}

}  // namespace ballast::sweep
