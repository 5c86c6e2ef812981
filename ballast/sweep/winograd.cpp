// 3x3 convolutions of stride 1, and the gradients of their inputs, by Winograd's algorithm
// (kernels/winograd.h).
#include "ballast/sweep/winograd.h"

#include <algorithm>

#include "ballast/base/threads.h"
#include "ballast/kernels/product.h"
#include "ballast/ops/conv.h"

namespace ballast::sweep {
namespace winograd {
namespace {

// Blocks that a convolution is cut into at least, for several threads to share, as long as one has
// kFewTiles tiles.
constexpr int64_t kManyBlocks = 8, kFewTiles = 14;
// Beyond so many weights a layer is deep: transformed, they fill more than the 9 MB up to which L3
// serves every block well. Then all tiles of a round are transformed first, and each piece of work
// transforms a few columns of the weights and uses them for all those tiles.
constexpr int64_t kDeep = 256 * 256;
// Each piece has kDeepPanels panels: the tiles, read from L3, are then used twice as often. Where
// there is one round only, of kFewest tiles at least, a layer of kDeep weights is deep already:
// blocks would be small, and read all the weights for few tiles.
constexpr int64_t kRoundTiles = 128, kFewest = 64, kDeepPanels = 2;

class ConvSweep final : public Sweep {
 public:
  ConvSweep(const plan::Plan& plan, const plan::Group& group, const Geometry& g, int m)
      : g_(g),
        tiling_(g, m),
        deep_(g.in * g.out > kDeep || (g.in * g.out == kDeep && tiling_.tiles() >= kFewest &&
                                       tiling_.tiles() <= kRoundTiles)),
        blocks_(tiling_, block_tiles()),
        x_(plan, plan.values[group.values[0]].in[0]),
        sink_(plan, group) {
    const plan::Value& v = plan.values[group.values[0]];
    forward_ = v.op == &conv2d_op();
    w_ = v.in[1];
    bias_ = v.in.size() > 2 ? v.in[2] : -1;
    window_ = {g.height, g.width, m + 2, m, {g.pad[0], g.pad[1]}};
    wide_ = kernels::panel_columns();
    panel_ = g.in * wide_;
    u_stride_ = coordinate_stride(ceil_div(g.out, wide_) * panel_);
    in_place_ = !deep_ && kernels::product_in_place(g.out, g.in);
    v_tile_ = tile_stride(in_place_ ? std::max(g.in, g.out) : g.in);
  }

  bool fits() const { return x_.columns() == g_.in && sink_.columns() == g_.out; }

  int64_t prepared_bytes() const override {
    return deep_ ? 0 : tiling_.coordinates() * u_stride_ * static_cast<int64_t>(sizeof(float));
  }
  std::vector<int> prepared_from() const override {
    return deep_ ? std::vector<int>() : std::vector<int>{w_};
  }
  void prepare(Pointers p, std::byte* prepared) const override {
    auto* u = reinterpret_cast<float*>(prepared);
    parallel_for(
        ceil_div(g_.out, wide_), 100.0 * static_cast<double>(g_.in * g_.out), [&](int64_t i) {
          weights(p, i * wide_, std::min(wide_, g_.out - i * wide_), u + i * panel_, u_stride_);
        });
  }

  int64_t temporary_bytes() const override {
    return deep_ ? tiling_.coordinates() * round_stride() * static_cast<int64_t>(sizeof(float)) : 0;
  }

  const char* kernel() const override { return tiling_.m == 4 ? "winograd 4x4" : "winograd 2x2"; }

  void run(Pointers p, const Lent& lent) const override {
    if (deep_) return run_deep(p, reinterpret_cast<float*>(lent.temporary));
    run_pieces(sink_, p, blocks_.count(), cost(tiling_.tiles()),
               [&](const Sink::Run& out, int64_t slot, int64_t i) {
                 block(p, reinterpret_cast<const float*>(lent.prepared), i, out, slot);
               });
  }

 private:
  int64_t block_tiles() const {
    return std::clamp(tiling_.tiles() / kManyBlocks, kFewTiles, winograd::block_tiles(g_));
  }

  double cost(int64_t tiles) const {
    return 2.0 / 16 * tiling_.coordinates() * static_cast<double>(tiles) *
           static_cast<double>(g_.in * g_.out);
  }

  const float* bias(Pointers p) const {
    return bias_ >= 0 ? reinterpret_cast<const float*>(p[bias_]) : nullptr;
  }

  /// Transforms the weights of `columns` output channels from n.
  void weights(Pointers p, int64_t n, int64_t columns, float* to, int64_t stride) const {
    const auto* w = reinterpret_cast<const float*>(p[w_]);
    // Weights are (out, in, 3, 3) of the convolution, of which this may be the input's gradient.
    const kernels::Taps taps = forward_ ? kernels::Taps{w + n * g_.in * 9, 9, g_.in * 9, false}
                                        : kernels::Taps{w + n * 9, g_.out * 9, 9, true};
    kernels::winograd_weights(tiling_.m, taps, g_.in, columns, to, stride, panel_);
  }

  /// One product for each coordinate: `v` (tiles x in) times weights `u` to `to` (tiles x columns).
  void products(const kernels::Transformed& v, int64_t tiles, const float* u, int64_t u_stride,
                int64_t columns, const kernels::Transformed& to,
                kernels::Fetch* fetch = nullptr) const {
    kernels::Product q{};
    q.fetch = fetch;
    q.rows = tiles;
    q.columns = round_up(columns, wide_ / 2);  // whole vectors: there is room for them
    q.sam = v.tile;
    q.sak = 1;
    q.sbk = wide_;
    q.panel = panel_;
    q.ldc = to.tile;
    q.depth = g_.in;
    for (int i = 0; i < tiling_.coordinates(); ++i) {
      const float* a = v.at + i * v.coordinate;
      const float* b = u + i * u_stride;
      q.a = &a;
      q.b = &b;
      q.c = to.at + i * to.coordinate;
      kernels::product(q);
    }
  }

  /// Transforms the pixels under `b` to tiles `v` onwards.
  void input(Reader& reader, const Block& b, kernels::Transformed v) const {
    for (int64_t r = b.row; r < b.end; ++r, v.at += b.across * v.tile)
      kernels::winograd_input(tiling_.m,
                              reader(tiling_.image(r), r % tiling_.down, b.column, b.across), v);
  }

  /// Writes output channels [n, n+columns) of `b` and hands them to the epilogue.
  void output(Pointers p, kernels::Transformed made, const Block& b, int64_t n, int64_t columns,
              const Sink::Run& out, int64_t slot) const {
    const int64_t pitch = sink_.pitch(), width = g_.out_width, left = b.column * tiling_.m;
    float* y = sink_.memory(p) + n;
    const float* bias = this->bias(p);
    for (int64_t r = b.row; r < b.end; ++r, made.at += b.across * made.tile) {
      float* rows[4] = {};
      for (int64_t i = 0; i < tiling_.depth(r); ++i)
        rows[i] = y + (tiling_.output_row(r) + i) * width * pitch;
      kernels::winograd_output(tiling_.m, made, bias ? bias + n : nullptr,
                               {rows, pitch, width, left, b.across, columns});
    }
    for_rows(b, [&](int64_t row, int64_t count) { out.take(slot, row, count, n, columns); });
  }

  /// Calls f(row, rows) for the rows of the result that the tiles of `b` make.
  template <class F>
  void for_rows(const Block& b, const F& f) const {
    const int64_t first = tiling_.output_row(b.row), end = tiling_.output_row(b.end),
                  width = g_.out_width;
    if (b.across == tiling_.across) return f(first * width, (end - first) * width);
    const int64_t left = b.column * tiling_.m, right = std::min(width, left + b.across * tiling_.m);
    for (int64_t i = first; i < end; ++i) f(i * width + left, right - left);
  }

  void block(Pointers p, const float* u, int64_t i, const Sink::Run& out, int64_t slot) const {
    const Block b = blocks_[i];
    const int64_t most = blocks_.tiles(), made_tile = tile_stride(g_.out);
    const int64_t v_stride = coordinate_stride(most * v_tile_),
                  made_stride = in_place_ ? 0 : coordinate_stride(most * made_tile);
    const int64_t transformed = tiling_.coordinates() * (v_stride + made_stride);
    auto* memory = reinterpret_cast<float*>(
        scratch((transformed + Reader::floats(x_, window_, blocks_.across(), p)) * sizeof(float)));
    const kernels::Transformed v{memory, v_stride, v_tile_, wide_};
    kernels::Transformed made = v;
    if (!in_place_)
      made = {memory + tiling_.coordinates() * v_stride, made_stride, made_tile, wide_};
    Reader reader(x_, p, window_, memory + transformed);
    input(reader, b, v);
    kernels::Fetch fetch;
    for_rows(b, [&](int64_t row, int64_t rows) { out.fetch(row, rows, 0, g_.out, fetch); });
    if (i + 1 < blocks_.count()) Reader::fetch(x_, window_, tiling_, blocks_[i + 1], p, fetch);
    fetch.divide(tiling_.coordinates() * kernels::product_blocks(b.tiles(), g_.out, g_.in));
    products(v, b.tiles(), u, u_stride_, g_.out, made, &fetch);
    output(p, made, b, 0, g_.out, out, slot);
  }

  /// Tile rows of a round, and floats of a coordinate of them, transformed.
  int64_t round_rows() const { return std::max<int64_t>(kRoundTiles / tiling_.across, 1); }
  int64_t round_stride() const {
    return coordinate_stride(round_rows() * tiling_.across * v_tile_);
  }

  void run_deep(Pointers p, float* memory) const {
    const int64_t round = round_rows();
    const int64_t rounds = ceil_div(tiling_.rows, round), step = kDeepPanels * wide_;
    const int64_t pieces = ceil_div(g_.out, step);
    const kernels::Transformed v{memory, round_stride(), v_tile_, wide_};
    const Sink::Run out(sink_, p, pieces);  // rounds come one after the other
    for (int64_t i = 0; i < rounds; ++i) {
      const Block b{i * round, std::min(tiling_.rows, (i + 1) * round), 0, tiling_.across};
      parallel_for(b.end - b.row, 10.0 * static_cast<double>(b.tiles() * g_.in), [&](int64_t r) {
        auto* pixels = reinterpret_cast<float*>(
            scratch(Reader::floats(x_, window_, b.across, p) * sizeof(float)));
        Reader reader(x_, p, window_, pixels);
        kernels::Transformed to = v;
        to.at += r * b.across * v.tile;
        input(reader, {b.row + r, b.row + r + 1, 0, b.across}, to);
      });
      parallel_for(pieces, cost(b.tiles()), [&](int64_t n) {
        columns(p, v, b, n * step, std::min(step, g_.out - n * step), out, n);
      });
    }
    out.finish();
  }

  /// `width` output channels, for all tiles of a round.
  void columns(Pointers p, const kernels::Transformed& v, const Block& b, int64_t n, int64_t width,
               const Sink::Run& out, int64_t slot) const {
    const int64_t panels = ceil_div(width, wide_), u_stride = coordinate_stride(panels * panel_),
                  made_tile = panels * wide_,
                  made_stride = coordinate_stride(b.tiles() * made_tile);
    auto* u = reinterpret_cast<float*>(
        scratch(tiling_.coordinates() * (u_stride + made_stride) * sizeof(float)));
    const kernels::Transformed made{u + tiling_.coordinates() * u_stride, made_stride, made_tile,
                                    wide_};
    weights(p, n, width, u, u_stride);
    products(v, b.tiles(), u, u_stride, width, made);
    output(p, made, b, n, width, out, slot);
  }

  Geometry g_;
  Tiling tiling_;
  bool deep_;
  Blocks blocks_;
  Source x_;
  Sink sink_;
  Reader::Window window_;
  bool forward_, in_place_;  // products go where their operands were
  int w_, bias_;
  int64_t wide_;                       // columns of a panel of weights
  int64_t panel_, u_stride_, v_tile_;  // floats: a panel; a coordinate of all panels; a tile
};

}  // namespace

Geometry geometry(const plan::Plan& plan, const plan::Value& v) {
  const bool forward = v.op == &conv2d_op(), input_grad = v.op == &conv2d_input_grad_op(),
             weight_grad = v.op == &conv2d_weight_grad_op();
  Geometry none{};
  if (v.dtype != DType::kFloat32 || !(forward || input_grad || weight_grad)) return none;
  auto shape = [&](int i) -> const Shape& { return plan.values[v.in[i]].shape; };
  const Shape& w = weight_grad ? v.shape : shape(1);
  const auto& a = v.attributes.as<Conv2dAttributes>();
  if (w[2] != 3 || w[3] != 3 || a.groups != 1 || v.shape.numel() == 0 || shape(0).numel() == 0 ||
      shape(1).numel() == 0)
    return none;
  for (int d : {0, 1})
    if (a.stride[d] != 1 || a.dilation[d] != 1) return none;
  const Shape& x = weight_grad ? shape(1) : shape(0);
  const Shape& y = weight_grad ? shape(0) : v.shape;
  Geometry g{x[0], x[2], x[3], x[1], y[2], y[3], y[1], {a.padding[0], a.padding[1]}};
  if (input_grad)
    for (int64_t& pad : g.pad) pad = 2 - pad;
  return g;
}

int tile_size(const Geometry& g) {
  // In multiply-adds of a product at its peak; fitted to times on one core of a Zen 3 (AVX2) over
  // images of 1 to 56 pixels a side, 1 to 128 of them, and 1 to 512 channels. Both algorithms make
  // whole vectors of channels, products at 1/1.2 of the peak. A tile costs its products and, for
  // each coordinate, its transforms (14 a channel) and 300 for the rest; a pixel of the direct
  // convolution, for each tap, 90 for the rest. Weights are transformed at 22 an element, every
  // time in deep layers; elsewhere they are kept for as long as they stay the same, and 10 is what
  // packing them for the direct convolution costs.
  const auto weights = static_cast<double>(g.in * g.out);
  const auto product = 1.2 * static_cast<double>(g.in * round_up(g.out, 8));
  const auto channels = static_cast<double>(round_up(g.in, 8) + round_up(g.out, 8));
  const double weight = g.in * g.out > kDeep ? 22 : 12;
  double best = 9 * (product + 90) * static_cast<double>(g.images * g.out_height * g.out_width);
  int chosen = 0;
  for (int m : {4, 2}) {
    const Tiling t(g, m);
    const double cost = t.coordinates() * (weight * weights + static_cast<double>(t.tiles()) *
                                                                  (product + 14 * channels + 300));
    if (cost < best) {
      best = cost;
      chosen = m;
    }
  }
  return chosen;
}

Blocks::Blocks(const Tiling& tiling, int64_t most) : rows_(tiling.rows), columns_(tiling.across) {
  count_across_ = ceil_div(columns_, most + most / 6);
  count_down_ = ceil_div(rows_, std::max<int64_t>(most / columns_, 1));
  if (count_across_ == 1) count_down_ = balanced(count_down_);
  // As equal as they can be; of few rows that may be fewer parts.
  across_ = ceil_div(columns_, count_across_);
  down_ = ceil_div(rows_, count_down_);
  count_across_ = ceil_div(columns_, across_);
  count_down_ = ceil_div(rows_, down_);
}

Block Blocks::operator[](int64_t i) const {
  const int64_t row = i / count_across_ * down_, column = i % count_across_ * across_;
  return {row, std::min(rows_, row + down_), column, std::min(across_, columns_ - column)};
}

int64_t Reader::floats(const Source& source, const Window& w, int64_t across, Pointers p) {
  if (source.memory(p)) return 0;
  return w.kept() * std::min(w.width, (across - 1) * w.step + w.span) * source.columns();
}

void Reader::fetch(const Source& source, const Window& w, const Tiling& tiling, const Block& b,
                   Pointers p, kernels::Fetch& list) {
  const auto line = [&](int64_t r, int64_t offset) {
    return tiling.image(r) * w.height +
           std::clamp<int64_t>(r % tiling.down * w.step - w.pad[0] + offset, 0, w.height - 1);
  };
  const int64_t first = line(b.row, 0), last = line(b.end - 1, w.span - 1);
  const bool whole = b.across == tiling.across;
  const int64_t left = b.column * w.step - w.pad[1];
  const int64_t end = std::clamp<int64_t>(left + (b.across - 1) * w.step + w.span, 0, w.width);
  fetch_lines(source, p, first, last, w.width, whole ? 0 : std::clamp<int64_t>(left, 0, end),
              whole ? w.width : end, 0, source.columns(), list);
}

Reader::Reader(const Source& source, Pointers p, const Window& w, float* memory)
    : source_(source), p_(p), w_(w), in_memory_(source.memory(p)), memory_(memory) {
  pitch_ = in_memory_ ? source.pitch() : source.columns();
  kept_ = w.kept();
  // Rows new to tiles r are r*step - pad + span - step onwards.
  offset_ = w.pad[0] - w.span + w.step + kept_;
  std::fill_n(held_, kMostRows, -1);
}

void Reader::hold(int64_t first, int64_t end, int64_t width) {
  for (int64_t row = first, count; row < end; row += count) {
    const int64_t to = place(row);
    count = 1;
    if (held_[to] == row) continue;
    if (width == w_.width)
      while (row + count < end && to + count < kept_ && held_[to + count] != row + count) ++count;
    source_.read(p_, (image_ * w_.height + row) * w_.width + begin_, count * width, 0, pitch_,
                 memory_ + to * width * pitch_, pitch_);
    for (int64_t i = 0; i < count; ++i) held_[to + i] = row + i;
  }
}

kernels::TilesRead Reader::operator()(int64_t image, int64_t r, int64_t column, int64_t across) {
  // Pixels [begin, end) of a row are needed; there may be none.
  const int64_t left = column * w_.step - w_.pad[1], top = r * w_.step - w_.pad[0];
  const int64_t end = std::clamp<int64_t>(left + (across - 1) * w_.step + w_.span, 0, w_.width);
  const int64_t begin = std::clamp<int64_t>(left, 0, end), width = end - begin;
  if (image != image_ || begin != begin_) std::fill_n(held_, kMostRows, -1);
  image_ = image;
  begin_ = begin;
  if (!in_memory_ && width > 0)
    hold(std::max<int64_t>(top, 0), std::min(top + w_.span, w_.height), width);
  for (int64_t i = 0; i < w_.span; ++i) {
    const int64_t row = top + i;
    if (row < 0 || row >= w_.height)
      rows_[i] = nullptr;
    else if (in_memory_)
      rows_[i] = in_memory_ + ((image * w_.height + row) * w_.width + begin) * pitch_;
    else
      rows_[i] = memory_ + place(row) * width * pitch_;
  }
  return {rows_, pitch_, width, left - begin, across, source_.columns()};
}

}  // namespace winograd

std::unique_ptr<Sweep> build_winograd(const plan::Plan& plan, const plan::Group& group) {
  const plan::Value& v = plan.values[group.values[0]];
  const winograd::Geometry g = winograd::geometry(plan, v);
  if (!g.images || !plan::options().winograd) return nullptr;
  const int m = winograd::tile_size(g);
  if (!m) return nullptr;
  if (v.op == &conv2d_weight_grad_op())
    return group.values.size() == 1 ? winograd::build_weight_grad(plan, group.values[0], g, m)
                                    : nullptr;
  auto sweep = std::make_unique<winograd::ConvSweep>(plan, group, g, m);
  return sweep->fits() ? std::move(sweep) : nullptr;
}

}  // namespace ballast::sweep
