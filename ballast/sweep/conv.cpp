// Convolution and its derivatives as products of gathered pixels: a tile's patches are laid side by
// side in a thread's own scratch, and the one microkernel multiplies them with the packed weights.
#include "ballast/ops/conv.h"

#include <algorithm>
#include <cstring>

#include "ballast/base/threads.h"
#include "ballast/kernels/product.h"
#include "ballast/sweep/sweep.h"

namespace ballast::sweep {
namespace {

// Columns of gathered patches that one product takes: with kTilePixels rows they fill half of an
// L2.
constexpr int64_t kDepth = 1024;
constexpr int64_t kTilePixels = 42;  // a multiple of both microkernels' rows
// Pixels whose outer products are added to a block of the weight gradient at a time.
constexpr int64_t kGradPixels = 128;
// Floats of a block of the weight gradient: a quarter of a megabyte, the share of an L2 beside its
// operands.
constexpr int64_t kGradBlock = 64 * 1024;
// The weight gradient's sum is cut into at most this many slabs, and into so few that all their
// accumulators stay below four megabytes.
constexpr int64_t kMaxSlabs = 8, kSlabPixels = 4096, kSlabFloats = 1024 * 1024;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct Geometry {
  Geometry(const Shape& x, const Shape& w, const Shape& y, const Conv2dAttributes& attributes)
      : images(x[0]),
        height(x[2]),
        width(x[3]),
        in(x[1]),
        out_height(y[2]),
        out_width(y[3]),
        out(y[1]),
        kernel_height(w[2]),
        kernel_width(w[3]),
        a(attributes),
        in_group(in / a.groups),
        out_group(out / a.groups) {}

  int64_t images, height, width, in, out_height, out_width, out, kernel_height, kernel_width;
  Conv2dAttributes a;
  int64_t in_group, out_group;
};

/// Element (row, column) of the kernel, and the pixel it reads relative to the output's.
struct Tap {
  int64_t kernel_row, kernel_column, row, column;
};

/// Lays the patches of consecutive positions side by side: position (i, j) of a grid reads, for
/// each tap, the channels of pixel (i*step + tap.row, j*step + tap.column), zeros outside of the
/// image.
struct Gather {
  int64_t height, width, pitch;     // of the image read; pitch = its channels
  int64_t grid_height, grid_width;  // of the positions
  int64_t step_row, step_column;
  std::vector<Tap> taps;

  /// Taps first .. first+count-1 of `channels` channels from `channel`, for `n` positions from
  /// `position`.
  void operator()(const float* image, int64_t position, int64_t n, int64_t first, int64_t count,
                  int64_t channel, int64_t channels, float* to) const {
    for (int64_t q = position; q < position + n; ++q) {
      const int64_t j = q % grid_width, i = q / grid_width % grid_height;
      const float* base = image + q / (grid_width * grid_height) * height * width * pitch + channel;
      for (int64_t t = first; t < first + count; ++t, to += channels) {
        const int64_t r = i * step_row + taps[t].row, c = j * step_column + taps[t].column;
        if (r >= 0 && r < height && c >= 0 && c < width)
          std::copy_n(base + (r * width + c) * pitch, channels, to);
        else
          std::fill_n(to, channels, 0.0f);
      }
    }
  }
};

/// A convolution whose positions all read the same taps. The forward pass is one; the gradient of
/// the input of a convolution with stride s is s*s of them, one for each remainder of the pixel's
/// place by the stride.
struct Phase {
  Gather gather;
  int64_t out_row, out_column;  // place of position (0, 0) in the output
  int64_t packed = 0;           // where its weights start
};

class ConvSweep final : public Sweep {
 public:
  ConvSweep(const Geometry& g, bool forward, int x, int w, int bias, int out)
      : g_(g), forward_(forward), x_(x), w_(w), bias_(bias), out_(out) {
    depth_ = forward ? g.in_group : g.out_group;
    columns_ = forward ? g.out_group : g.in_group;
    if (forward)
      add_phase(g.out_height, g.out_width, g.a.stride[0], g.a.stride[1], 0, 0);
    else
      for (int64_t r = 0; r < std::min(g.a.stride[0], g.height); ++r)
        for (int64_t c = 0; c < std::min(g.a.stride[1], g.width); ++c)
          add_phase(ceil_div(g.height - r, g.a.stride[0]), ceil_div(g.width - c, g.a.stride[1]), 1,
                    1, r, c);
  }

  const char* kernel() const override { return "direct"; }
  void run(Pointers p, const std::byte*) const override {
    const Ref<Buffer> packed = pack(reinterpret_cast<const float*>(p[w_]));
    const auto* weights = reinterpret_cast<const float*>(packed->data());
    for (const Phase& phase : phases_) {
      const int64_t positions = g_.images * phase.gather.grid_height * phase.gather.grid_width;
      const int64_t tiles = ceil_div(positions, kTilePixels);
      const double cost = 2.0 * static_cast<double>(positions * columns_ * g_.a.groups) *
                          static_cast<double>(depth_ * std::max<int64_t>(taps(phase), 1)) / 16;
      parallel_for(tiles * g_.a.groups, cost, [&](int64_t i) {
        const int64_t position = i / g_.a.groups * kTilePixels;
        tile(p, weights, phase, i % g_.a.groups, position,
             std::min(kTilePixels, positions - position));
      });
    }
  }

 private:
  static int64_t taps(const Phase& phase) { return static_cast<int64_t>(phase.gather.taps.size()); }

  void add_phase(int64_t grid_height, int64_t grid_width, int64_t step_row, int64_t step_column,
                 int64_t row, int64_t column) {
    Phase phase{{forward_ ? g_.height : g_.out_height,
                 forward_ ? g_.width : g_.out_width,
                 forward_ ? g_.in : g_.out,
                 grid_height,
                 grid_width,
                 step_row,
                 step_column,
                 {}},
                row,
                column};
    const auto& a = g_.a;
    for (int64_t i = 0; i < g_.kernel_height; ++i)
      for (int64_t j = 0; j < g_.kernel_width; ++j) {
        if (forward_) {
          phase.gather.taps.push_back(
              {i, j, i * a.dilation[0] - a.padding[0], j * a.dilation[1] - a.padding[1]});
          continue;
        }
        const int64_t r = row + a.padding[0] - i * a.dilation[0];
        const int64_t c = column + a.padding[1] - j * a.dilation[1];
        if (r % a.stride[0] == 0 && c % a.stride[1] == 0)
          phase.gather.taps.push_back({i, j, r / a.stride[0], c / a.stride[1]});
      }
    phase.packed = packed_;
    packed_ += g_.a.groups * kernels::packed_size(depth_ * taps(phase), columns_);
    phases_.push_back(std::move(phase));
  }

  /// Weights of all phases and groups as panels of the product's B: depth runs over taps, then
  /// channels.
  Ref<Buffer> pack(const float* w) const {
    Ref<Buffer> buffer = Buffer::allocate(packed_ * sizeof(float));
    const int64_t kernel = g_.kernel_height * g_.kernel_width, wide = kernels::panel_columns();
    // Weights are (out, in/group, rows, columns).
    const int64_t out_stride = g_.in_group * kernel, in_stride = kernel;
    const int64_t sbk = forward_ ? in_stride : out_stride, sbn = forward_ ? out_stride : in_stride;
    for (const Phase& phase : phases_) {
      const int64_t depth = depth_ * taps(phase), panels = ceil_div(columns_, wide);
      auto* to = reinterpret_cast<float*>(buffer->data()) + phase.packed;
      parallel_for(g_.a.groups * panels, static_cast<double>(g_.a.groups * depth * columns_),
                   [&](int64_t i) {
                     const int64_t group = i / panels, n = i % panels * wide;
                     for (int64_t t = 0; t < taps(phase); ++t) {
                       const Tap& tap = phase.gather.taps[t];
                       const float* from = w + group * g_.out_group * out_stride + n * sbn +
                                           tap.kernel_row * g_.kernel_width + tap.kernel_column;
                       kernels::pack_b(from, sbk, sbn, depth_, std::min(wide, columns_ - n),
                                       to + (i * depth + t * depth_) * wide);
                     }
                   });
    }
    return buffer;
  }

  void tile(Pointers p, const float* weights, const Phase& phase, int64_t group, int64_t position,
            int64_t n) const {
    const int64_t wide = kernels::panel_columns(), all = depth_ * taps(phase);
    const int64_t channels = columns_ * g_.a.groups;  // of the output
    const bool scatter = phase.out_row || phase.out_column || phases_.size() > 1;
    const int64_t step = std::max<int64_t>(kDepth / depth_, 1);  // taps a product takes
    const int64_t gathered = n * depth_ * std::min(step, std::max<int64_t>(taps(phase), 1));
    auto* patches = reinterpret_cast<float*>(scratch((gathered + n * columns_) * sizeof(float)));
    float* made = patches + gathered;
    auto* out = reinterpret_cast<float*>(p[out_]) + group * columns_;
    const auto* image = reinterpret_cast<const float*>(p[x_]);

    kernels::Product q{};
    q.rows = n;
    q.columns = columns_;
    q.sak = 1;
    q.sbk = wide;
    q.panel = all * wide;
    q.c = scatter ? made : out + position * channels;
    q.ldc = scatter ? columns_ : channels;
    q.bias = bias_ >= 0 ? reinterpret_cast<const float*>(p[bias_]) + group * columns_ : nullptr;
    const float* a = patches;
    const float* b = weights + phase.packed + group * kernels::packed_size(all, columns_);
    q.a = &a;
    q.b = &b;
    for (int64_t t = 0; t < taps(phase) || t == 0; t += step) {
      const int64_t count = std::min(step, taps(phase) - t);
      q.depth = q.sam = count * depth_;
      if (reads_in_place(phase)) {
        a = image + position * phase.gather.pitch;
      } else {
        phase.gather(image, position, n, t, count, group * depth_, depth_, patches);
      }
      kernels::product(q);
      b += q.depth * wide;
      q.accumulate = true;
    }
    if (scatter)
      put(phase, position, n, made, reinterpret_cast<float*>(p[out_]) + group * columns_, channels);
  }

  /// A 1x1 convolution without stride or padding: the image is the matrix of its patches.
  bool reads_in_place(const Phase& phase) const {
    const Gather& g = phase.gather;
    return g_.a.groups == 1 && taps(phase) == 1 && g.taps[0].row == 0 && g.taps[0].column == 0 &&
           g.step_row == 1 && g.step_column == 1 && g.grid_height == g.height &&
           g.grid_width == g.width;
  }

  /// Puts the pixels of a phase in their places, a stride apart.
  void put(const Phase& phase, int64_t position, int64_t n, const float* from, float* out,
           int64_t channels) const {
    const Gather& g = phase.gather;
    for (int64_t q = position; q < position + n; ++q, from += columns_) {
      const int64_t j = q % g.grid_width * g_.a.stride[1] + phase.out_column;
      const int64_t i = q / g.grid_width % g.grid_height * g_.a.stride[0] + phase.out_row;
      const int64_t image = q / (g.grid_width * g.grid_height);
      std::copy_n(from, columns_, out + ((image * g_.height + i) * g_.width + j) * channels);
    }
  }

  Geometry g_;
  bool forward_;
  int x_, w_, bias_, out_;
  int64_t depth_, columns_;  // channels summed over, and made, per group
  int64_t packed_ = 0;
  std::vector<Phase> phases_;
};

/// dw[o][c][tap] = sum over pixels of g[o] * x[c] at the tap. Accumulated as (tap, c) x o, in slabs
/// of pixels and blocks of taps; the slabs are added in order.
class WeightGradSweep final : public Sweep {
 public:
  WeightGradSweep(const Geometry& g, int grad, int x, int out)
      : g_(g), grad_(grad), x_(x), out_(out) {
    gather_ = {g.height,    g.width,       g.in,          g.out_height,
               g.out_width, g.a.stride[0], g.a.stride[1], {}};
    for (int64_t i = 0; i < g.kernel_height; ++i)
      for (int64_t j = 0; j < g.kernel_width; ++j)
        gather_.taps.push_back(
            {i, j, i * g.a.dilation[0] - g.a.padding[0], j * g.a.dilation[1] - g.a.padding[1]});
    taps_ = static_cast<int64_t>(gather_.taps.size());
    pixels_ = g.images * g.out_height * g.out_width;
    size_ = g.a.groups * taps_ * g.in_group * g.out_group;
    slabs_ = std::clamp<int64_t>(
        std::min(pixels_ / kSlabPixels, kSlabFloats / std::max<int64_t>(size_, 1)), 1, kMaxSlabs);
    step_ =
        std::clamp<int64_t>(kGradBlock / std::max<int64_t>(g.in_group * g.out_group, 1), 1, taps_);
  }

  const char* kernel() const override { return "direct"; }
  void run(Pointers p, const std::byte*) const override {
    const Ref<Buffer> buffer = Buffer::allocate(slabs_ * size_ * sizeof(float));
    auto* sums = reinterpret_cast<float*>(buffer->data());
    const int64_t blocks = ceil_div(taps_, step_), pieces = slabs_ * g_.a.groups * blocks;
    const double cost = 2.0 * static_cast<double>(pixels_) * static_cast<double>(size_) / 16;
    parallel_for(pieces, cost, [&](int64_t i) {
      piece(p, i / (g_.a.groups * blocks), i / blocks % g_.a.groups, i % blocks * step_, sums);
    });
    add_up(sums, reinterpret_cast<float*>(p[out_]));
  }

 private:
  void piece(Pointers p, int64_t slab, int64_t group, int64_t tap, float* sums) const {
    const int64_t count = std::min(step_, taps_ - tap), rows = count * g_.in_group,
                  columns = g_.out_group;
    const int64_t begin = pixels_ * slab / slabs_, end = pixels_ * (slab + 1) / slabs_;
    const int64_t wide = kernels::panel_columns();
    const int64_t packed = kernels::packed_size(kGradPixels, columns);
    auto* patches =
        reinterpret_cast<float*>(scratch((kGradPixels * rows + packed) * sizeof(float)));
    float* panels = patches + kGradPixels * rows;
    const auto* grad = reinterpret_cast<const float*>(p[grad_]) + group * columns;
    const auto* image = reinterpret_cast<const float*>(p[x_]);
    kernels::Product q{};
    q.rows = rows;
    q.columns = columns;
    q.sam = 1;
    q.sak = rows;
    q.sbk = wide;
    q.c = sums + slab * size_ + (group * taps_ + tap) * g_.in_group * columns;
    q.ldc = columns;
    const float *a = patches, *b = panels;
    q.a = &a;
    q.b = &b;
    for (int64_t at = begin; at < end || at == begin; at += kGradPixels) {
      const int64_t n = std::min(kGradPixels, end - at);
      gather_(image, at, n, tap, count, group * g_.in_group, g_.in_group, patches);
      kernels::pack_b(grad + at * g_.out, g_.out, 1, n, columns, panels);
      q.depth = n;
      q.panel = n * wide;
      kernels::product(q);
      q.accumulate = true;
    }
  }

  /// (group, tap, c, o) of all slabs -> (o, c, tap).
  void add_up(const float* sums, float* out) const {
    const int64_t in = g_.in_group, columns = g_.out_group;
    parallel_for(g_.out, static_cast<double>(size_ * slabs_), [&](int64_t o) {
      const float* from = sums + o / columns * taps_ * in * columns + o % columns;
      float* to = out + o * in * taps_;
      for (int64_t c = 0; c < in; ++c)
        for (int64_t t = 0; t < taps_; ++t) {
          float sum = from[(t * in + c) * columns];
          for (int64_t s = 1; s < slabs_; ++s) sum += from[s * size_ + (t * in + c) * columns];
          *to++ = sum;
        }
    });
  }

  Geometry g_;
  int grad_, x_, out_;
  Gather gather_;
  int64_t taps_, pixels_, size_, slabs_, step_;
};

}  // namespace

std::unique_ptr<Sweep> build_conv(const plan::Plan& plan, const plan::Group& group) {
  if (has_ends(plan, group)) return nullptr;
  const int value = group.values[0];
  const plan::Value& v = plan.values[value];
  if (v.dtype != DType::kFloat32 || v.shape.numel() == 0) return nullptr;
  auto shape = [&](int i) -> const Shape& { return plan.values[v.in[i]].shape; };
  auto geometry = [&](const Shape& x, const Shape& w, const Shape& y) {
    return Geometry(x, w, y, v.attributes.as<Conv2dAttributes>());
  };
  if (v.op == &conv2d_op()) {
    if (shape(0).numel() == 0) return nullptr;
    return std::make_unique<ConvSweep>(geometry(shape(0), shape(1), v.shape), true, v.in[0],
                                       v.in[1], v.in.size() > 2 ? v.in[2] : -1, value);
  }
  if (v.op == &conv2d_input_grad_op()) {
    if (shape(0).numel() == 0) return nullptr;
    return std::make_unique<ConvSweep>(geometry(v.shape, shape(1), shape(0)), false, v.in[0],
                                       v.in[1], -1, value);
  }
  if (v.op == &conv2d_weight_grad_op())
    return std::make_unique<WeightGradSweep>(geometry(shape(1), v.shape, shape(0)), v.in[0],
                                             v.in[1], value);
  return nullptr;
}

}  // namespace ballast::sweep
