// The gradient of a 3x3 convolution's weights by Winograd's algorithm (kernels/winograd.h): for
// each coordinate, a product of the transformed input (channels x tiles) with the transformed
// gradient of the output (tiles x channels), summed over all tiles.
#include <algorithm>

#include "ballast/base/threads.h"
#include "ballast/kernels/product.h"
#include "ballast/sweep/winograd.h"

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
// Tiles of a round: 9 MB of transformed values for 256 channels.
constexpr int64_t kRoundTiles = 128;
// Input and output channels of a piece: 36 * 56 * 64 sums are 516 KB.
constexpr int64_t kPieceIn = 56, kPieceOut = 64;

class WeightGradSweep final : public Sweep {
 public:
  WeightGradSweep(const plan::Plan& plan, int value, const Geometry& g, int m)
      : g_(g),
        tiling_(g, m),
        blocks_(tiling_, block_tiles(g)),
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
  }

  bool fits() const { return x_.columns() == g_.in && dy_.columns() == g_.out; }

  const char* kernel() const override { return tiling_.m == 4 ? "winograd 4x4" : "winograd 2x2"; }

  int64_t temporary_bytes() const override {
    const int64_t operands = division_ == kTiles ? 0 : operand_floats(round_tiles());
    return (slabs_ * slab_floats_ + operands) * static_cast<int64_t>(sizeof(float));
  }
  void run(Pointers p, const Lent& lent) const override {
    auto* sums = reinterpret_cast<float*>(lent.temporary);
    float* transformed = sums + slabs_ * slab_floats_;
    if (division_ == kWeights) return by_weight(p, transformed);
    if (division_ == kTiles)
      parallel_for(slabs_, cost(tiling_.tiles()),
                   [&](int64_t i) { slab(p, i, sums + i * slab_floats_); });
    else
      by_coordinate(p, sums, transformed);
    parallel_for(g_.in, static_cast<double>(slabs_ * slab_floats_), [&](int64_t c) {
      write(p, {c, 1, 0, g_.out}, sums_, sums + c * sums_.row, slabs_);
    });
  }

 private:
  /// Transformed operands of up to `tiles` tiles: x by tile, dy in panels, as the product reads
  /// them.
  struct Operands {
    kernels::Transformed x, dy;
  };
  int64_t x_stride(int64_t tiles) const { return coordinate_stride(tiles * tile_stride(g_.in)); }
  int64_t dy_stride(int64_t tiles) const {
    return coordinate_stride(tiles * round_up(g_.out, dy_panel_));
  }
  int64_t operand_floats(int64_t tiles) const {
    return tiling_.coordinates() * (x_stride(tiles) + dy_stride(tiles));
  }
  Operands operands(float* memory, int64_t tiles) const {
    return {{memory, x_stride(tiles), tile_stride(g_.in), wide_},
            {memory + tiling_.coordinates() * x_stride(tiles), dy_stride(tiles), dy_panel_,
             tiles * dy_panel_}};
  }

  double cost(int64_t tiles) const {
    return 2.0 / 16 * tiling_.coordinates() * static_cast<double>(tiles) *
           static_cast<double>(g_.in * g_.out);
  }

  int64_t reader_floats(int64_t across, Pointers p) const {
    return Reader::floats(x_, x_window_, across, p) + Reader::floats(dy_, dy_window_, across, p);
  }

  /// Transforms the tiles of `b`, with `memory` for the readers.
  void transform(Pointers p, const Block& b, Operands to, float* memory) const {
    Reader x(x_, p, x_window_, memory);
    Reader dy(dy_, p, dy_window_, memory + Reader::floats(x_, x_window_, b.across, p));
    for (int64_t r = b.row; r < b.end; ++r) {
      const int64_t image = tiling_.image(r), down = r % tiling_.down;
      kernels::winograd_input(tiling_.m, x(image, down, b.column, b.across), to.x);
      kernels::winograd_output_grad(tiling_.m, dy(image, down, b.column, b.across), to.dy);
      to.x.at += b.across * to.x.tile;
      to.dy.at += b.across * to.dy.tile;
    }
  }

  /// Input channels [c, c+rows), output channels [o, o+columns).
  struct Piece {
    int64_t c, rows, o, columns;
  };
  Piece all() const { return {0, g_.in, 0, g_.out}; }
  /// Sums of a piece of the weights: that of coordinate q, input channel c and output channel o is
  /// q*coordinate + c*row + o floats from the first.
  struct Sums {
    int64_t row, coordinate;
  };
  static Sums sums_of(int64_t rows, int64_t columns) {
    return {round_up(columns, 16), coordinate_stride(rows * round_up(columns, 16))};
  }

  /// Adds `tiles` tiles to the sums of coordinate q, or starts with them.
  void product(const Operands& o, int q, int64_t tiles, bool start, const Piece& piece,
               const Sums& s, float* sums, kernels::Fetch* fetch) const {
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

  /// What `product` reads.
  void fetch(const Operands& o, int q, int64_t tiles, const Piece& piece,
             kernels::Fetch& list) const {
    list.add(o.x.at + q * o.x.coordinate + piece.c, o.x.tile, tiles, piece.rows);
    list.add(o.dy.at + q * o.dy.coordinate + piece.o / wide_ * o.dy.panel, o.dy.panel,
             ceil_div(piece.columns, wide_), tiles * wide_);
    list.divide(kernels::product_blocks(piece.rows, piece.columns, tiles));
  }

  /// Transforms the sums of a piece, over all slabs, to its weights.
  void write(Pointers p, const Piece& piece, const Sums& s, const float* sums,
             int64_t slabs) const {
    float* dw = reinterpret_cast<float*>(p[out_]) + piece.o * g_.in * 9;
    for (int64_t c = 0; c < piece.rows; ++c)
      kernels::winograd_weight_grad(tiling_.m, sums + c * s.row, slabs, slab_floats_, s.coordinate,
                                    piece.columns, dw + (piece.c + c) * 9, g_.in * 9);
  }

  void slab(Pointers p, int64_t i, float* sums) const {
    const int64_t first = blocks_.count() * i / slabs_, end = blocks_.count() * (i + 1) / slabs_;
    const int64_t floats = operand_floats(blocks_.tiles());
    auto* memory = reinterpret_cast<float*>(
        scratch((floats + reader_floats(blocks_.across(), p)) * sizeof(float)));
    const Operands o = operands(memory, blocks_.tiles());
    for (int64_t k = first; k < end; ++k) {
      transform(p, blocks_[k], o, memory + floats);
      kernels::Fetch fetch;
      if (k + 1 < end) {
        Reader::fetch(x_, x_window_, tiling_, blocks_[k + 1], p, fetch);
        Reader::fetch(dy_, dy_window_, tiling_, blocks_[k + 1], p, fetch);
      }
      fetch.divide(tiling_.coordinates() *
                   kernels::product_blocks(g_.in, g_.out, blocks_[k].tiles()));
      for (int q = 0; q < tiling_.coordinates(); ++q)
        product(o, q, blocks_[k].tiles(), k == first, all(), sums_, sums, &fetch);
    }
  }

  /// Tile rows of a round: all, where the weights are divided.
  int64_t round_rows() const {
    return division_ == kWeights ? tiling_.rows
                                 : std::max<int64_t>(kRoundTiles / tiling_.across, 1);
  }
  int64_t round_tiles() const { return round_rows() * tiling_.across; }

  /// Transforms `rows` rows of tiles from `row`.
  void transform_rows(Pointers p, int64_t row, int64_t rows, const Operands& o) const {
    const int64_t across = tiling_.across;
    parallel_for(rows, 10.0 * static_cast<double>(rows * across * (g_.in + g_.out)),
                 [&](int64_t r) {
                   auto* memory =
                       reinterpret_cast<float*>(scratch(reader_floats(across, p) * sizeof(float)));
                   Operands to = o;
                   to.x.at += r * across * to.x.tile;
                   to.dy.at += r * across * to.dy.tile;
                   transform(p, {row + r, row + r + 1, 0, across}, to, memory);
                 });
  }

  void by_coordinate(Pointers p, float* sums, float* transformed) const {
    const Operands o = operands(transformed, round_tiles());
    for (int64_t row = 0; row < tiling_.rows; row += round_rows()) {
      const int64_t rows = std::min(round_rows(), tiling_.rows - row);
      const int64_t tiles = rows * tiling_.across;
      transform_rows(p, row, rows, o);
      parallel_for(tiling_.coordinates(), cost(tiles), [&](int64_t q) {
        product(o, static_cast<int>(q), tiles, row == 0, all(), sums_, sums, nullptr);
      });
    }
  }

  void by_weight(Pointers p, float* transformed) const {
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

  Geometry g_;
  Tiling tiling_;
  Blocks blocks_;
  Source dy_, x_;
  int out_;
  Reader::Window x_window_, dy_window_;
  // Columns of a panel of the products' B, and of one that holds dy: half of it, if that is enough.
  int64_t wide_, dy_panel_;
  Sums sums_;  // of all weights
  int64_t slab_floats_;
  // What the work is divided by, and how many slabs of sums of all weights there are.
  enum Division : uint8_t { kTiles, kCoordinates, kWeights } division_;
  int64_t slabs_;
};

}  // namespace

std::unique_ptr<Sweep> build_weight_grad(const plan::Plan& plan, int value, const Geometry& g,
                                         int m) {
  auto sweep = std::make_unique<WeightGradSweep>(plan, value, g, m);
  return sweep->fits() ? std::move(sweep) : nullptr;
}

}  // namespace ballast::sweep::winograd
