#include "ballast/sweep/winograd_conv.h"

#include <algorithm>

#include "ballast/base/threads.h"
#include "ballast/kernels/product.h"
#include "ballast/ops/conv.h"

namespace ballast::sweep::winograd {
namespace {

// Tiles that a block has at most: a multiple of the 6, 14 and 16 rows of the microkernels. With 64
// channels, its transformed input and output (2 * 36 * 42 * 64 floats) fill an L2 and a half; half
// of that, and the shorter products cost more than the trips to L3.
constexpr int64_t kBlockTiles = 42, kNarrow = 32, kNarrowTiles = 84;
// Blocks that a convolution is cut into at least, for several threads to share, as long as one has
// kFewTiles tiles.
constexpr int64_t kManyBlocks = 8, kFewTiles = 14;
// Tiles of a round, and panels of a piece of it: with two, the tiles, read from L3, are used twice
// as often. Where there is one round only, of kFewest tiles at least, a layer of kDeep weights is
// deep already: blocks would be small, and read all the weights for few tiles.
constexpr int64_t kRoundTiles = 128, kFewest = 64, kDeepPanels = 2;

/// Calls f(row, rows) for the rows of the result that the tiles of `b` make.
template <class F>
void for_rows(const Tiling& t, const Block& b, const F& f) {
  const int64_t first = t.output_row(b.row), end = t.output_row(b.end), width = t.width;
  if (b.across == t.across) return f(first * width, (end - first) * width);
  const int64_t left = b.column * t.m, right = std::min(width, left + b.across * t.m);
  for (int64_t i = first; i < end; ++i) f(i * width + left, right - left);
}

}  // namespace

ConvSweep::ConvSweep(const plan::Plan& plan, const plan::Group& group, const Geometry& g, int m)
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

int64_t ConvSweep::prepared_bytes() const {
  return deep_ ? 0 : tiling_.coordinates() * u_stride_ * static_cast<int64_t>(sizeof(float));
}

std::vector<int> ConvSweep::prepared_from() const {
  return deep_ ? std::vector<int>() : std::vector<int>{w_};
}

void ConvSweep::prepare(Pointers p, std::byte* prepared) const {
  auto* u = reinterpret_cast<float*>(prepared);
  parallel_for(
      ceil_div(g_.out, wide_), 100.0 * static_cast<double>(g_.in * g_.out), [&](int64_t i) {
        weights(p, i * wide_, std::min(wide_, g_.out - i * wide_), u + i * panel_, u_stride_);
      });
}

int64_t ConvSweep::temporary_bytes() const {
  return deep_ ? tiling_.coordinates() * round_stride() * static_cast<int64_t>(sizeof(float)) : 0;
}

void ConvSweep::run(Pointers p, const Lent& lent) const {
  if (deep_) return run_deep(p, reinterpret_cast<float*>(lent.temporary));
  run_pieces(sink_, p, blocks_.count(), cost(), [&](const Sink::Run& out, int64_t slot, int64_t i) {
    block(p, lent.prepared, i, out, slot);
  });
}

int64_t ConvSweep::block_tiles() const {
  return std::clamp(tiling_.tiles() / kManyBlocks, kFewTiles,
                    g_.in + g_.out <= kNarrow ? kNarrowTiles : kBlockTiles);
}

void ConvSweep::weights(Pointers p, int64_t n, int64_t columns, float* to, int64_t stride) const {
  const auto* w = reinterpret_cast<const float*>(p[w_]);
  // Weights are (out, in, 3, 3) of the convolution, of which this may be the input's gradient.
  const kernels::Taps taps = forward_ ? kernels::Taps{w + n * g_.in * 9, 9, g_.in * 9, false}
                                      : kernels::Taps{w + n * 9, g_.out * 9, 9, true};
  kernels::winograd_weights(tiling_.m, taps, g_.in, columns, to, stride, panel_);
}

void ConvSweep::products(const kernels::Transformed& v, int64_t tiles, const float* u,
                         int64_t u_stride, int64_t columns, const kernels::Transformed& to,
                         kernels::Fetch* fetch) const {
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

void ConvSweep::output(Pointers p, kernels::Transformed made, const Block& b, int64_t n,
                       int64_t columns, const Sink::Run& out, int64_t slot) const {
  const int64_t pitch = sink_.pitch(), width = g_.out_width, left = b.column * tiling_.m;
  float* y = sink_.memory(p) + n;
  const float* bias = bias_ >= 0 ? reinterpret_cast<const float*>(p[bias_]) + n : nullptr;
  for (int64_t r = b.row; r < b.end; ++r, made.at += b.across * made.tile) {
    float* rows[4] = {};
    for (int64_t i = 0; i < tiling_.depth(r); ++i)
      rows[i] = y + (tiling_.output_row(r) + i) * width * pitch;
    kernels::winograd_output(tiling_.m, made, bias, {rows, pitch, width, left, b.across, columns});
  }
  for_rows(tiling_, b, [&](int64_t row, int64_t count) { out.take(slot, row, count, n, columns); });
}

int64_t ConvSweep::space_floats(int64_t tiles) const {
  const int64_t made = in_place_ ? 0 : coordinate_stride(tiles * tile_stride(g_.out));
  return tiling_.coordinates() * (coordinate_stride(tiles * v_tile_) + made);
}

ConvSweep::Space ConvSweep::space(float* memory, int64_t tiles) const {
  const kernels::Transformed v{memory, coordinate_stride(tiles * v_tile_), v_tile_, wide_};
  if (in_place_) return {v, v};
  const int64_t tile = tile_stride(g_.out);
  return {v,
          {memory + tiling_.coordinates() * v.coordinate, coordinate_stride(tiles * tile), tile,
           wide_}};
}

void ConvSweep::fetch(const Block& b, const Sink::Run& out, kernels::Fetch& list) const {
  for_rows(tiling_, b, [&](int64_t row, int64_t rows) { out.fetch(row, rows, 0, g_.out, list); });
}

void ConvSweep::finish(Pointers p, const std::byte* prepared, const Space& space, const Block& b,
                       kernels::Fetch& fetch, const Sink::Run& out, int64_t slot) const {
  fetch.divide(tiling_.coordinates() * kernels::product_blocks(b.tiles(), g_.out, g_.in));
  products(space.v, b.tiles(), reinterpret_cast<const float*>(prepared), u_stride_, g_.out,
           space.made, &fetch);
  output(p, space.made, b, 0, g_.out, out, slot);
}

void ConvSweep::block(Pointers p, const std::byte* prepared, int64_t i, const Sink::Run& out,
                      int64_t slot) const {
  const Block b = blocks_[i];
  const int64_t floats = space_floats(blocks_.tiles());
  auto* memory = reinterpret_cast<float*>(
      scratch((floats + Reader::floats(x_, window_, blocks_.across(), p)) * sizeof(float)));
  const Space space = this->space(memory, blocks_.tiles());
  Reader reader(x_, p, window_, memory + floats);
  transform_input(tiling_, b, reader, space.v);
  kernels::Fetch next;
  fetch(b, out, next);
  if (i + 1 < blocks_.count()) Reader::fetch(x_, window_, tiling_, blocks_[i + 1], p, next);
  finish(p, prepared, space, b, next, out, slot);
}

int64_t ConvSweep::round_rows() const { return std::max<int64_t>(kRoundTiles / tiling_.across, 1); }

void ConvSweep::run_deep(Pointers p, float* memory) const {
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
      transform_input(tiling_, {b.row + r, b.row + r + 1, 0, b.across}, reader, to);
    });
    parallel_for(pieces, cost(b.tiles()), [&](int64_t n) {
      columns(p, v, b, n * step, std::min(step, g_.out - n * step), out, n);
    });
  }
  out.finish();
}

void ConvSweep::columns(Pointers p, const kernels::Transformed& v, const Block& b, int64_t n,
                        int64_t width, const Sink::Run& out, int64_t slot) const {
  const int64_t panels = ceil_div(width, wide_), u_stride = coordinate_stride(panels * panel_),
                made_tile = panels * wide_, made_stride = coordinate_stride(b.tiles() * made_tile);
  auto* u = reinterpret_cast<float*>(
      scratch(tiling_.coordinates() * (u_stride + made_stride) * sizeof(float)));
  const kernels::Transformed made{u + tiling_.coordinates() * u_stride, made_stride, made_tile,
                                  wide_};
  weights(p, n, width, u, u_stride);
  products(v, b.tiles(), u, u_stride, width, made);
  output(p, made, b, n, width, out, slot);
}

}  // namespace ballast::sweep::winograd
