// Depthwise convolution (as many groups as channels) and its derivatives: rows of pixels go past a
// window of as many rows as the kernel has, each read once.
#include "ballast/kernels/depthwise.h"

#include <algorithm>
#include <array>
#include <vector>

#include "ballast/base/threads.h"
#include "ballast/ops/conv.h"
#include "ballast/sweep/ends.h"
#include "ballast/sweep/sweep.h"

namespace ballast::sweep {
namespace {

// Floats of a window of rows: with the weights and the rows being made they fill half of an L2.
constexpr int64_t kWindowFloats = 40 * 1024;
// Channels that a piece takes at most: their weights stay in L1.
constexpr int64_t kMaxChannels = 256;
// Channels of pieces begin at cache lines.
constexpr int64_t kLine = 16;
// Pieces that work is cut into, where it is large enough; a band of rows reads those above and
// below again, and of fewer channels than kMinChannels a vector loop takes little.
constexpr int64_t kPieces = 8, kMinRows = 8, kMinChannels = 32;
// Floats of the result after which its epilogue runs: an L1.
constexpr int64_t kTaken = 8 * 1024;
// Sums of the weights' gradient, merged in order.
constexpr int64_t kMaxSlabs = 16;
constexpr int64_t kMaxTaps = 128;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

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
  int64_t images, channels, kernel_columns, taps;

  int64_t width() const { return columns.end - columns.low; }  // of the window, with padding
  double cost() const {
    return 0.25 * static_cast<double>(images * rows.out * columns.out) *
           static_cast<double>(channels * taps);
  }
};

/// How a problem is cut, by its shape alone: image by image into bands of output rows, channels
/// into blocks.
struct Cut {
  explicit Cut(const Problem& q) : channels(q.channels) {
    const int64_t fit = kWindowFloats / (q.rows.span() * q.width());
    const int64_t most = std::clamp(fit / kLine * kLine, kLine, kMaxChannels);
    blocks = ceil_div(channels, most);
    bands = std::clamp(ceil_div(kPieces, q.images * blocks), int64_t{1},
                       std::max<int64_t>(q.rows.out / kMinRows, 1));
    blocks =
        std::max(blocks, std::min(ceil_div(kPieces, q.images * bands), channels / kMinChannels));
    block = ceil_div(ceil_div(channels, blocks), kLine) * kLine;
    blocks = ceil_div(channels, block);
  }
  int64_t width(int64_t c) const { return std::min(block, channels - c); }

  int64_t channels, blocks, block, bands;
};

/// The rows of an image that some output rows read, in `memory`: the last few of them, with zeros
/// beside them where there is padding.
class Window {
 public:
  Window(const Problem& q, const Source& source, Pointers p, int64_t c, int64_t n, float* memory)
      : q_(q), source_(source), p_(p), c_(c), n_(n), pitch_(pitch_of(n)), memory_(memory) {
    std::fill_n(memory, floats(q, n), 0.0f);
  }
  static int64_t pitch_of(int64_t n) { return ceil_div(n, kLine) * kLine; }
  static int64_t floats(const Problem& q, int64_t n) {
    return q.rows.span() * q.width() * pitch_of(n);
  }
  int64_t pitch() const { return pitch_; }

  /// Output rows from `row` of `image` come next.
  void start(int64_t image, int64_t row) {
    first_ = image * q_.rows.in;
    next_ = std::max<int64_t>(row / q_.rows.every * q_.rows.step + q_.rows.low, 0);
  }

  /// Reads what output row `row` needs, and gives f(kernel row, input row) for the rows that are
  /// part of the image.
  template <class F>
  void advance(int64_t row, const F& f) {
    const Axis& r = q_.rows;
    const int64_t at = row / r.every * r.step;
    next_ = std::max(next_, at + r.low);  // a large stride leaves rows out
    for (const Tap& tap : r.phases[row % r.every].taps)
      if (const int64_t in = at + tap.offset; in >= 0 && in < r.in) {
        for (; next_ <= in; ++next_) read(next_);
        f(tap.weight, in);
      }
  }

  /// Column `column` of a row; from the column axis' low on.
  const float* at(int64_t row, int64_t column) const {
    return memory_ + (row % q_.rows.span() * q_.width() + column - q_.columns.low) * pitch_;
  }

 private:
  void read(int64_t row) {
    const int64_t begin = std::max<int64_t>(q_.columns.low, 0);
    const int64_t end = std::min(q_.columns.end, q_.columns.in);
    if (begin < end)
      source_.read(p_, (first_ + row) * q_.columns.in + begin, end - begin, c_, n_,
                   const_cast<float*>(at(row, begin)), pitch_);
  }

  const Problem& q_;
  const Source& source_;
  Pointers p_;
  int64_t c_, n_, pitch_;
  float* memory_;
  int64_t first_ = 0, next_ = 0;
};

/// The forward pass, or the gradient of the input: which of them is in the axes.
class DepthwiseSweep final : public Sweep {
 public:
  DepthwiseSweep(const plan::Plan& plan, const plan::Group& group, Problem q, int x, int w,
                 int bias)
      : q_(std::move(q)), cut_(q_), x_(plan, x), sink_(plan, group), w_(w), bias_(bias) {}

  int64_t prepared_bytes() const override { return q_.taps * q_.channels * sizeof(float); }
  std::vector<int> prepared_from() const override { return {w_}; }
  /// (channel, tap) -> (tap, channel)
  void prepare(Pointers p, std::byte* prepared) const override {
    const auto* w = reinterpret_cast<const float*>(p[w_]);
    auto* to = reinterpret_cast<float*>(prepared);
    for (int64_t t = 0; t < q_.taps; ++t)
      for (int64_t c = 0; c < q_.channels; ++c) *to++ = w[c * q_.taps + t];
  }

  const char* kernel() const override { return "depthwise"; }
  void run(Pointers p, const std::byte* prepared) const override {
    const int64_t pieces = q_.images * cut_.bands * cut_.blocks;
    const Sink::Run result(sink_, p, pieces);
    parallel_for(pieces, q_.cost(),
                 [&](int64_t i) { piece(p, reinterpret_cast<const float*>(prepared), result, i); });
    result.finish();
  }

 private:
  void piece(Pointers p, const float* weights, const Sink::Run& result, int64_t i) const {
    const int64_t c = i % cut_.blocks * cut_.block, n = cut_.width(c);
    const int64_t band = i / cut_.blocks % cut_.bands, image = i / cut_.blocks / cut_.bands;
    const int64_t begin = q_.rows.out * band / cut_.bands,
                  end = q_.rows.out * (band + 1) / cut_.bands;
    auto* memory = reinterpret_cast<float*>(scratch(Window::floats(q_, n) * sizeof(float)));
    Window window(q_, x_, p, c, n, memory);
    window.start(image, begin);
    const int64_t rows = std::max<int64_t>(kTaken / (q_.columns.out * n), 1);
    for (int64_t r = begin; r < end; r += rows) {
      const int64_t stop = std::min(r + rows, end);
      for (int64_t k = r; k < stop; ++k) row(p, weights, window, image, k, c, n);
      result.take(i, (image * q_.rows.out + r) * q_.columns.out, (stop - r) * q_.columns.out, c, n);
    }
  }

  void row(Pointers p, const float* weights, Window& window, int64_t image, int64_t r, int64_t c,
           int64_t n) const {
    std::array<std::pair<int64_t, int64_t>, kMaxTaps> rows;  // of the kernel, of the input
    std::array<const float*, kMaxTaps> x, w;
    std::array<int64_t, kMaxTaps> offset;
    kernels::DepthwiseRow q{};
    window.advance(r, [&](int64_t kernel, int64_t in) { rows[q.rows++] = {kernel, in}; });
    q.channels = n;
    q.x = x.data();
    q.w = w.data();
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
        x[k] = window.at(rows[k].second, first);
        for (const Tap& tap : phase.taps)
          *to++ = weights + (rows[k].first * q_.kernel_columns + tap.weight) * q_.channels + c;
      }
      kernels::depthwise_row(q);
      q.out += sink_.pitch();
    }
  }

  Problem q_;
  Cut cut_;
  Source x_;
  Sink sink_;
  int w_, bias_;
};

/// dw[c][tap] = sum over pixels of g[c] * x[c] at the tap, in slabs of bands of rows.
class DepthwiseWeightGradSweep final : public Sweep {
 public:
  DepthwiseWeightGradSweep(const plan::Plan& plan, const plan::Group& group, Problem q, int g,
                           int x)
      : q_(std::move(q)), cut_(q_), g_(plan, g), x_(plan, x), sink_(plan, group) {
    bands_ = q_.images * cut_.bands;
    slabs_ = std::min(bands_, kMaxSlabs);
  }

  const char* kernel() const override { return "depthwise"; }
  void run(Pointers p, const std::byte*) const override {
    const int64_t size = q_.taps * q_.channels;
    const Ref<Buffer> buffer = Buffer::allocate(slabs_ * size * sizeof(float));
    auto* sums = reinterpret_cast<float*>(buffer->data());
    parallel_for(slabs_ * cut_.blocks, q_.cost(), [&](int64_t i) {
      const int64_t c = i % cut_.blocks * cut_.block, slab = i / cut_.blocks;
      piece(p, slab, c, sums + slab * size + c * q_.taps);
    });
    add_up(sums, sink_.memory(p));
    const Sink::Run result(sink_, p, 1);
    result.take(0, 0, sink_.rows(), 0, sink_.columns());
    result.finish();
  }

 private:
  /// Slabs of (block of channels, tap, channel) -> (channel, tap).
  void add_up(const float* sums, float* out) const {
    int64_t column = 0;
    for (int64_t c = 0; c < q_.channels; c += cut_.block)
      for (int64_t n = cut_.width(c), k = 0; k < n; ++k)
        for (int64_t t = 0; t < q_.taps; ++t) {
          const float* from = sums + c * q_.taps + t * n + k;
          double sum = 0;
          for (int64_t s = 0; s < slabs_; ++s) sum += from[s * q_.taps * q_.channels];
          out[column] = static_cast<float>(sum);
          if (++column < sink_.columns()) continue;
          column = 0;
          out += sink_.pitch();
        }
  }

  void piece(Pointers p, int64_t slab, int64_t c, float* sums) const {
    const int64_t n = cut_.width(c), size = Window::floats(q_, n);
    auto* memory = reinterpret_cast<float*>(
        scratch((size + q_.columns.out * Window::pitch_of(n)) * sizeof(float)));
    std::fill_n(sums, q_.taps * n, 0.0f);
    Window window(q_, x_, p, c, n, memory);
    for (int64_t b = bands_ * slab / slabs_; b < bands_ * (slab + 1) / slabs_; ++b) {
      const int64_t image = b / cut_.bands, band = b % cut_.bands;
      const int64_t begin = q_.rows.out * band / cut_.bands,
                    end = q_.rows.out * (band + 1) / cut_.bands;
      window.start(image, begin);
      for (int64_t r = begin; r < end; ++r) row(p, window, image, r, c, n, memory + size, sums);
    }
  }

  void row(Pointers p, Window& window, int64_t image, int64_t r, int64_t c, int64_t n, float* g,
           float* sums) const {
    std::array<const float*, kMaxTaps> x;
    std::array<int64_t, kMaxTaps> index;
    kernels::DepthwiseGradRow q{};
    window.advance(r, [&](int64_t kernel_row, int64_t in) {
      for (const Tap& tap : q_.columns.phases[0].taps) {
        x[q.taps] = window.at(in, tap.offset);
        index[q.taps++] = kernel_row * q_.kernel_columns + tap.weight;
      }
    });
    if (q.taps == 0) return;
    g_.read(p, (image * q_.rows.out + r) * q_.columns.out, q_.columns.out, c, n, g, window.pitch());
    q.outputs = q_.columns.out;
    q.channels = n;
    q.x = x.data();
    q.index = index.data();
    q.step = q_.columns.step * window.pitch();
    q.g = g;
    q.g_step = window.pitch();
    q.sums = sums;
    kernels::depthwise_grad_row(q);
  }

  Problem q_;
  Cut cut_;
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
  if (v.dtype != DType::kFloat32 || a.groups == 1 || a.groups != x[1] || a.groups != y[1] ||
      w[2] * w[3] > kMaxTaps || x.numel() == 0 || y.numel() == 0)
    return nullptr;
  const bool gradient = !forward && !weight;
  auto axis = [&](int d) {
    return gradient ? Axis::gradient(y[2 + d], x[2 + d], w[2 + d], a, d)
                    : Axis::forward(x[2 + d], y[2 + d], w[2 + d], a, d);
  };
  Problem q{axis(0), axis(1), x[0], x[1], w[3], w[2] * w[3]};
  if (weight)
    return std::make_unique<DepthwiseWeightGradSweep>(plan, group, std::move(q), v.in[0], v.in[1]);
  return std::make_unique<DepthwiseSweep>(plan, group, std::move(q), v.in[0], v.in[1],
                                          v.in.size() > 2 ? v.in[2] : -1);
}

}  // namespace ballast::sweep
