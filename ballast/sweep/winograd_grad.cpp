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
// with the one sum that there is.
constexpr int64_t kShallow = 64 * 64;
// Slabs, as long as their sums fill no more than five megabytes.
constexpr int64_t kMostSlabs = 32, kSlabFloats = 36 * 8 * kShallow;
// Tiles of a block (see winograd.cpp), and of a round: 9 MB of transformed values for 256 channels.
constexpr int64_t kBlockTiles = 42, kRoundTiles = 128;

class WeightGradSweep final : public Sweep {
 public:
  WeightGradSweep(const plan::Plan& plan, int value, const Geometry& g, int m)
      : g_(g),
        tiling_(g, m),
        blocks_(tiling_, kBlockTiles),
        dy_(plan, plan.values[value].in[0]),
        x_(plan, plan.values[value].in[1]),
        out_(value),
        x_window_{g.height, g.width, m + 2, m, {g.pad[0], g.pad[1]}},
        dy_window_{g.out_height, g.out_width, m, m, {0, 0}},
        wide_(kernels::panel_columns()) {
    sum_columns_ = round_up(g.out, 16);
    sum_stride_ = coordinate_stride(g.in * sum_columns_);
    slab_floats_ = tiling_.coordinates() * sum_stride_;
    slabs_ = shallow() ? std::clamp<int64_t>(kSlabFloats / slab_floats_, 1,
                                             std::min(kMostSlabs, blocks_.count()))
                       : 1;
  }

  bool fits() const { return x_.columns() == g_.in && dy_.columns() == g_.out; }

  const char* kernel() const override { return tiling_.m == 4 ? "winograd 4x4" : "winograd 2x2"; }

  int64_t temporary_bytes() const override {
    const int64_t operands = shallow() ? 0 : operand_floats(round_rows() * tiling_.across);
    return (slabs_ * slab_floats_ + operands) * static_cast<int64_t>(sizeof(float));
  }
  void run(Pointers p, const Lent& lent) const override {
    auto* sums = reinterpret_cast<float*>(lent.temporary);
    if (shallow())
      parallel_for(slabs_, cost(tiling_.tiles()),
                   [&](int64_t i) { slab(p, i, sums + i * slab_floats_); });
    else
      by_coordinate(p, sums, sums + slabs_ * slab_floats_);
    auto* dw = reinterpret_cast<float*>(p[out_]);
    parallel_for(g_.in, static_cast<double>(slabs_ * slab_floats_), [&](int64_t c) {
      kernels::winograd_weight_grad(tiling_.m, sums + c * sum_columns_, slabs_, slab_floats_,
                                    sum_stride_, g_.out, dw + c * 9, g_.in * 9);
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
    return coordinate_stride(tiles * round_up(g_.out, wide_));
  }
  int64_t operand_floats(int64_t tiles) const {
    return tiling_.coordinates() * (x_stride(tiles) + dy_stride(tiles));
  }
  Operands operands(float* memory, int64_t tiles) const {
    return {
        {memory, x_stride(tiles), tile_stride(g_.in), wide_},
        {memory + tiling_.coordinates() * x_stride(tiles), dy_stride(tiles), wide_, tiles * wide_}};
  }

  bool shallow() const { return g_.in * g_.out <= kShallow; }

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

  /// Adds `tiles` tiles to the sum of coordinate q, or starts with them.
  void product(const Operands& o, int q, int64_t tiles, bool start, float* sums,
               kernels::Fetch* fetch = nullptr) const {
    const float* a = o.x.at + q * o.x.coordinate;
    const float* b = o.dy.at + q * o.dy.coordinate;
    kernels::Product product{};
    product.rows = g_.in;
    product.columns = round_up(g_.out, wide_ / 2);  // whole vectors: there is room for them
    product.depth = tiles;
    product.a = &a;
    product.sam = 1;
    product.sak = o.x.tile;
    product.b = &b;
    product.sbk = wide_;
    product.panel = o.dy.panel;
    product.c = sums + q * sum_stride_;
    product.ldc = sum_columns_;
    product.accumulate = !start;
    product.fetch = fetch;
    kernels::product(product);
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
        product(o, q, blocks_[k].tiles(), k == first, sums, &fetch);
    }
  }

  int64_t round_rows() const { return std::max<int64_t>(kRoundTiles / tiling_.across, 1); }

  void by_coordinate(Pointers p, float* sums, float* transformed) const {
    const int64_t round = round_rows();  // tile rows
    const Operands o = operands(transformed, round * tiling_.across);
    for (int64_t row = 0; row < tiling_.rows; row += round) {
      const int64_t rows = std::min(round, tiling_.rows - row);
      parallel_for(rows, 10.0 * static_cast<double>(rows * tiling_.across * (g_.in + g_.out)),
                   [&](int64_t r) {
                     auto* memory = reinterpret_cast<float*>(
                         scratch(reader_floats(tiling_.across, p) * sizeof(float)));
                     Operands to = o;
                     to.x.at += r * tiling_.across * to.x.tile;
                     to.dy.at += r * tiling_.across * to.dy.tile;
                     transform(p, {row + r, row + r + 1, 0, tiling_.across}, to, memory);
                   });
      parallel_for(tiling_.coordinates(), cost(rows * tiling_.across), [&](int64_t q) {
        product(o, static_cast<int>(q), rows * tiling_.across, row == 0, sums);
      });
    }
  }

  Geometry g_;
  Tiling tiling_;
  Blocks blocks_;
  Source dy_, x_;
  int out_;
  Reader::Window x_window_, dy_window_;
  int64_t wide_;                                            // columns of a panel
  int64_t sum_columns_, sum_stride_, slab_floats_, slabs_;  // of the sums: in x out by coordinate
};

}  // namespace

std::unique_ptr<Sweep> build_weight_grad(const plan::Plan& plan, int value, const Geometry& g,
                                         int m) {
  auto sweep = std::make_unique<WeightGradSweep>(plan, value, g, m);
  return sweep->fits() ? std::move(sweep) : nullptr;
}

}  // namespace ballast::sweep::winograd
