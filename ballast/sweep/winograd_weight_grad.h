// Gradients of the weights of 3x3 convolutions of stride 1 by Winograd's algorithm
// (kernels/winograd.h): for each coordinate, a product of the transformed input (channels x tiles)
// with the transformed gradient of the output (tiles x channels), summed over all tiles.
#pragma once

#include "ballast/kernels/product.h"
#include "ballast/sweep/winograd.h"

namespace ballast::sweep::winograd {

class WeightGradSweep final : public Sweep {
 public:
  WeightGradSweep(const plan::Plan& plan, int value, const Geometry& g, int m);

  bool fits() const { return x_.columns() == g_.in && dy_.columns() == g_.out; }

  const char* kernel() const override { return kernel_name(tiling_.m); }
  double multiplications() const override { return winograd::multiplications(tiling_.m); }
  int64_t temporary_bytes() const override;
  void run(Pointers p, const Lent& lent) const override;

  // Slab by slab, for a sweep that makes more of what is read.

  /// Sums of all weights, each over a part of the blocks; none where it is not the tiles that are
  /// divided.
  int64_t slabs() const { return division_ == kTiles ? slabs_ : 0; }
  int64_t slab_floats() const { return slab_floats_; }
  const Blocks& blocks() const { return blocks_; }
  /// The blocks of each slab.
  Parts blocks_of_slabs() const { return {blocks_.count(), 1, slabs_}; }
  const Tiling& tiling() const { return tiling_; }
  const Source& source() const { return x_; }
  const Reader::Window& window() const { return x_window_; }
  double cost() const { return cost(tiling_.tiles()); }

  /// Transformed operands of up to `tiles` tiles: x by tile, dy in panels, as the product reads
  /// them.
  struct Operands {
    kernels::Transformed x, dy;
  };
  int64_t x_floats(int64_t tiles) const { return tiling_.coordinates() * x_stride(tiles); }
  int64_t dy_floats(int64_t tiles) const { return tiling_.coordinates() * dy_stride(tiles); }
  Operands operands(float* x, float* dy, int64_t tiles) const;
  /// Adds `tiles` tiles to a slab's sums, or starts with them.
  void add(const Operands& o, int64_t tiles, bool start, float* sums, kernels::Fetch& fetch) const;
  /// Transforms the sums over all slabs to the gradient.
  void write(Pointers p, const float* sums) const;

 private:
  int64_t x_stride(int64_t tiles) const { return coordinate_stride(tiles * tile_stride(g_.in)); }
  int64_t dy_stride(int64_t tiles) const {
    return coordinate_stride(tiles * round_up(g_.out, dy_panel_));
  }
  double cost(int64_t tiles) const { return product_cost(g_, tiling_, tiles); }

  int64_t operand_floats(int64_t tiles) const { return x_floats(tiles) + dy_floats(tiles); }
  Operands operands(float* memory, int64_t tiles) const {
    return operands(memory, memory + x_floats(tiles), tiles);
  }
  int64_t reader_floats(int64_t across, Pointers p) const {
    return Reader::floats(x_, x_window_, across, p) + Reader::floats(dy_, dy_window_, across, p);
  }
  /// Transforms the tiles of `b`, with `memory` for the readers.
  void transform(Pointers p, const Block& b, Operands to, float* memory) const;

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
               const Sums& s, float* sums, kernels::Fetch* fetch) const;
  /// What `product` reads.
  void fetch(const Operands& o, int q, int64_t tiles, const Piece& piece,
             kernels::Fetch& list) const;
  /// Transforms the sums of a piece, over all slabs, to its weights.
  void write(Pointers p, const Piece& piece, const Sums& s, const float* sums, int64_t slabs) const;

  void slab(Pointers p, int64_t i, float* sums) const;
  /// Tile rows of a round: all, where the weights are divided.
  int64_t round_rows() const;
  int64_t round_tiles() const { return round_rows() * tiling_.across; }
  /// Transforms `rows` rows of tiles from `row`.
  void transform_rows(Pointers p, int64_t row, int64_t rows, const Operands& o) const;
  void by_coordinate(Pointers p, float* sums, float* transformed) const;
  void by_weight(Pointers p, float* transformed) const;

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

}  // namespace ballast::sweep::winograd
