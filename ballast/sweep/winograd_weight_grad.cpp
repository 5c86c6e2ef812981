#include "ballast/sweep/winograd_weight_grad.h"

#include <algorithm>

#include "ballast/base/threads.h"

namespace ballast::sweep::winograd {
namespace {

// Up to so many weights (in*out), the sums of all coordinates (36 floats a weight: 590 KB) are near
// enough to a core: tiles are divided over slabs, each with sums of its own, added in order at the
// end. Beyond, a round of tiles is transformed by all threads, then coordinates are divided, each
// with the one sum that there is. Where the sums are larger than all transformed tiles, it is the
// weights that are divided: a piece of them sums all coordinates, and the sums never leave its L2.
constexpr int64_t kShallow = 64 * 64;
// Slabs, as long as their sums fill no more than five megabytes: eight of 64 x 64 weights. Beyond a
// few, each has several blocks to sum, or adding up the slabs takes longer than that.
constexpr int64_t kMostSlabs = 16, kSlabFloats = 37 * 8 * kShallow;
constexpr int64_t kFewSlabs = 4, kSlabBlocks = 3;
// Tiles of a slab at most, however many slabs that makes: its sums are of float32, and those of
// more than a million pixels lose digits.
constexpr int64_t kMostSlabTiles = int64_t{1} << 16;
// Tiles of a block: each block reads and writes all sums, but its operands (36 floats a channel and
// tile) are to stay in an L2 beside them. 64 tiles often are whole images, of which no row is read
// twice.
constexpr int64_t kBlockTiles = 64, kFewTiles = 16, kBlockChannels = kBlockTiles * 128;
// Tiles of a round: 9 MB of transformed values for 256 channels.
constexpr int64_t kRoundTiles = 128;
// Input and output channels of a piece: 36 * 56 * 64 sums are 516 KB.
constexpr int64_t kPieceIn = 56, kPieceOut = 64;

}  // namespace

WeightGradSweep::WeightGradSweep(const plan::Plan& plan, int value, const Geometry& g, int m)
    : g_(g),
      tiling_(g, m),
      blocks_(tiling_, std::clamp(kBlockChannels / (g.in + g.out), kFewTiles, kBlockTiles)),
      dy_(plan, plan.values[value].in[0]),
      x_(plan, plan.values[value].in[1]),
      out_(value),
      x_window_{g.height, g.width, m + 2, m, {g.pad[0], g.pad[1]}},
      dy_window_{g.out_height, g.out_width, m, m, {0, 0}},
      wide_(kernels::panel_columns()),
      dy_panel_(std::min(wide_, round_up(g.out, wide_ / 2))),
      sums_(sums_of(g.in, g.out)),
      slab_floats_(tiling_.coordinates() * sums_.coordinate),
      division_(g.in * g.out <= kShallow                          ? kTiles
                : g.in * g.out > tiling_.tiles() * (g.in + g.out) ? kWeights
                                                                  : kCoordinates) {
  if (division_ == kTiles)
    slabs_ = std::clamp<int64_t>(kSlabFloats / slab_floats_, 1,
                                 std::clamp(blocks_.count() / kSlabBlocks,
                                            std::min(blocks_.count(), kFewSlabs), kMostSlabs));
  else
    slabs_ = division_ == kWeights ? 0 : 1;
  if (division_ == kWeights) return;
  const int64_t parts =
      division_ == kTiles ? blocks_.count() : ceil_div(tiling_.rows, round_rows());
  slabs_ = std::min(parts, std::max(slabs_, ceil_div(tiling_.tiles(), kMostSlabTiles)));
}

int64_t WeightGradSweep::temporary_bytes() const {
  const int64_t operands = division_ == kTiles ? 0 : operand_floats(round_tiles());
  return (slabs_ * slab_floats_ + operands) * static_cast<int64_t>(sizeof(float));
}

void WeightGradSweep::run(Pointers p, const Lent& lent) const {
  auto* sums = reinterpret_cast<float*>(lent.temporary);
  float* transformed = sums + slabs_ * slab_floats_;
  if (division_ == kWeights) return by_weight(p, transformed);
  if (division_ == kTiles)
    parallel_for(slabs_, cost(), [&](int64_t i) { slab(p, i, sums + i * slab_floats_); });
  else
    by_coordinate(p, sums, transformed);
  write(p, sums);
}

void WeightGradSweep::write(Pointers p, const float* sums) const {
  parallel_for(g_.in, static_cast<double>(slabs_ * slab_floats_), [&](int64_t c) {
    write(p, {c, 1, 0, g_.out}, sums_, sums + c * sums_.row, slabs_);
  });
}

void WeightGradSweep::add(const Operands& o, int64_t tiles, bool start, float* sums,
                          kernels::Fetch& fetch) const {
  fetch.divide(tiling_.coordinates() * kernels::product_blocks(g_.in, g_.out, tiles));
  for (int q = 0; q < tiling_.coordinates(); ++q)
    product(o, q, tiles, start, all(), sums_, sums, &fetch);
}

WeightGradSweep::Operands WeightGradSweep::operands(float* x, float* dy, int64_t tiles) const {
  return {{x, x_stride(tiles), tile_stride(g_.in), wide_},
          {dy, dy_stride(tiles), dy_panel_, tiles * dy_panel_}};
}

void WeightGradSweep::transform(Pointers p, const Block& b, Operands to, float* memory) const {
  Reader x(x_, p, x_window_, memory);
  transform_input(tiling_, b, x, to.x);
  Reader dy(dy_, p, dy_window_, memory + Reader::floats(x_, x_window_, b.across, p));
  for (int64_t r = b.row; r < b.end; ++r, to.dy.at += b.across * to.dy.tile)
    kernels::winograd_output_grad(tiling_.m, dy(tiling_, b, r), to.dy);
}

void WeightGradSweep::product(const Operands& o, int q, int64_t tiles, bool start,
                              const Piece& piece, const Sums& s, float* sums,
                              kernels::Fetch* fetch) const {
  const float* a = o.x.at + q * o.x.coordinate + piece.c;
  const float* b = o.dy.at + q * o.dy.coordinate + piece.o / wide_ * o.dy.panel;
  kernels::Product product{};
  product.rows = piece.rows;
  product.columns = round_up(piece.columns, wide_ / 2);  // whole vectors: there is room for them
  product.depth = tiles;
  product.a = &a;
  product.sam = 1;
  product.sak = o.x.tile;
  product.b = &b;
  product.sbk = dy_panel_;
  product.panel = o.dy.panel;
  product.c = sums + q * s.coordinate;
  product.ldc = s.row;
  product.accumulate = !start;
  product.fetch = fetch;
  kernels::product(product);
}

void WeightGradSweep::fetch(const Operands& o, int q, int64_t tiles, const Piece& piece,
                            kernels::Fetch& list) const {
  list.add(o.x.at + q * o.x.coordinate + piece.c, o.x.tile, tiles, piece.rows);
  list.add(o.dy.at + q * o.dy.coordinate + piece.o / wide_ * o.dy.panel, o.dy.panel,
           ceil_div(piece.columns, wide_), tiles * wide_);
  list.divide(kernels::product_blocks(piece.rows, piece.columns, tiles));
}

void WeightGradSweep::write(Pointers p, const Piece& piece, const Sums& s, const float* sums,
                            int64_t slabs) const {
  float* dw = reinterpret_cast<float*>(p[out_]) + piece.o * g_.in * 9;
  for (int64_t c = 0; c < piece.rows; ++c)
    kernels::winograd_weight_grad(tiling_.m, sums + c * s.row, slabs, slab_floats_, s.coordinate,
                                  piece.columns, dw + (piece.c + c) * 9, g_.in * 9);
}

void WeightGradSweep::slab(Pointers p, int64_t i, float* sums) const {
  const Parts blocks = blocks_of_slabs();
  const int64_t first = blocks.begin(i), end = blocks.begin(i + 1);
  const int64_t floats = operand_floats(blocks_.tiles());
  auto* memory = reinterpret_cast<float*>(
      scratch((floats + reader_floats(blocks_.across(), p)) * sizeof(float)));
  const Operands o = operands(memory, blocks_.tiles());
  for (int64_t k = first; k < end; ++k) {
    transform(p, blocks_[k], o, memory + floats);
    kernels::Fetch next;
    if (k + 1 < end) {
      Reader::fetch(x_, x_window_, tiling_, blocks_[k + 1], p, next);
      Reader::fetch(dy_, dy_window_, tiling_, blocks_[k + 1], p, next);
    }
    add(o, blocks_[k].tiles(), k == first, sums, next);
  }
}

int64_t WeightGradSweep::round_rows() const {
  return division_ == kWeights ? tiling_.rows : std::max<int64_t>(kRoundTiles / tiling_.across, 1);
}

void WeightGradSweep::transform_rows(Pointers p, int64_t row, int64_t rows,
                                     const Operands& o) const {
  const int64_t across = tiling_.across;
  parallel_for(rows, 10.0 * static_cast<double>(rows * across * (g_.in + g_.out)), [&](int64_t r) {
    auto* memory = reinterpret_cast<float*>(scratch(reader_floats(across, p) * sizeof(float)));
    Operands to = o;
    to.x.at += r * across * to.x.tile;
    to.dy.at += r * across * to.dy.tile;
    transform(p, {row + r, row + r + 1, 0, across}, to, memory);
  });
}

void WeightGradSweep::by_coordinate(Pointers p, float* sums, float* transformed) const {
  const Operands o = operands(transformed, round_tiles());
  const Parts slabs(ceil_div(tiling_.rows, round_rows()), 1, slabs_);  // of rounds
  int64_t slab = 0;
  for (int64_t row = 0; row < tiling_.rows; row += round_rows()) {
    const int64_t round = row / round_rows();
    if (round == slabs.begin(slab + 1)) ++slab;
    const bool start = round == slabs.begin(slab);
    float* to = sums + slab * slab_floats_;
    const int64_t rows = std::min(round_rows(), tiling_.rows - row);
    const int64_t tiles = rows * tiling_.across;
    transform_rows(p, row, rows, o);
    parallel_for(tiling_.coordinates(), cost(tiles), [&](int64_t q) {
      product(o, static_cast<int>(q), tiles, start, all(), sums_, to, nullptr);
    });
  }
}

void WeightGradSweep::by_weight(Pointers p, float* transformed) const {
  const int64_t tiles = tiling_.tiles();
  const Operands o = operands(transformed, tiles);
  transform_rows(p, 0, tiling_.rows, o);
  const Parts rows(g_.in, kernels::block_rows(), ceil_div(g_.in, kPieceIn)),
      columns(g_.out, wide_, ceil_div(g_.out, kPieceOut));
  parallel_for(rows.parts * columns.parts, cost(tiles), [&](int64_t i) {
    const int64_t r = i / columns.parts, c = i % columns.parts;
    const Piece piece{rows.begin(r), rows.size(r), columns.begin(c), columns.size(c)};
    const Sums s = sums_of(piece.rows, piece.columns);
    auto* sums =
        reinterpret_cast<float*>(scratch(tiling_.coordinates() * s.coordinate * sizeof(float)));
    for (int q = 0; q < tiling_.coordinates(); ++q) {
      kernels::Fetch next;
      if (q + 1 < tiling_.coordinates()) fetch(o, q + 1, tiles, piece, next);
      product(o, q, tiles, true, piece, s, sums, &next);
    }
    write(p, piece, s, sums, 1);
  });
}

}  // namespace ballast::sweep::winograd
