// 3x3 convolutions of stride 1, and the gradients of their inputs, by Winograd's algorithm
// (kernels/winograd.h).
#pragma once

#include <vector>

#include "ballast/sweep/winograd.h"

namespace ballast::sweep::winograd {

class ConvSweep final : public Sweep {
 public:
  ConvSweep(const plan::Plan& plan, const plan::Group& group, const Geometry& g, int m);

  bool fits() const { return x_.columns() == g_.in && sink_.columns() == g_.out; }

  int64_t prepared_bytes() const override;
  std::vector<int> prepared_from() const override;
  void prepare(Pointers p, std::byte* prepared) const override;
  int64_t temporary_bytes() const override;
  const char* kernel() const override { return kernel_name(tiling_.m); }
  double multiplications() const override { return winograd::multiplications(tiling_.m); }
  void run(Pointers p, const Lent& lent) const override;

  // Block by block, for a sweep that makes more of what is read.

  /// Whether there are no blocks: all tiles are transformed first.
  bool deep() const { return deep_; }
  const Source& source() const { return x_; }
  const Reader::Window& window() const { return window_; }
  const Sink& sink() const { return sink_; }
  double cost() const { return cost(tiling_.tiles()); }

  /// Where the tiles of a block go, transformed, and their products.
  struct Space {
    kernels::Transformed v, made;
  };
  /// Floats that blocks of up to `tiles` tiles need, and the space in so many.
  int64_t space_floats(int64_t tiles) const;
  Space space(float* memory, int64_t tiles) const;
  /// Adds what `finish` will read, and where it will write, to `list`.
  void fetch(const Block& b, const Sink::Run& out, kernels::Fetch& list) const;
  /// Makes what `out` takes of the tiles of `b`.
  void finish(Pointers p, const std::byte* prepared, const Space& space, const Block& b,
              kernels::Fetch& fetch, const Sink::Run& out, int64_t slot) const;

 private:
  int64_t block_tiles() const;
  double cost(int64_t tiles) const { return product_cost(g_, tiling_, tiles); }
  /// Transforms the weights of `columns` output channels from n.
  void weights(Pointers p, int64_t n, int64_t columns, float* to, int64_t stride) const;
  /// One product for each coordinate: `v` (tiles x in) times weights `u` to `to` (tiles x columns).
  void products(const kernels::Transformed& v, int64_t tiles, const float* u, int64_t u_stride,
                int64_t columns, const kernels::Transformed& to,
                kernels::Fetch* fetch = nullptr) const;
  /// Writes output channels [n, n+columns) of `b` and hands them to the epilogue.
  void output(Pointers p, kernels::Transformed made, const Block& b, int64_t n, int64_t columns,
              const Sink::Run& out, int64_t slot) const;
  void block(Pointers p, const std::byte* prepared, int64_t i, const Sink::Run& out,
             int64_t slot) const;
  void run_deep(Pointers p, float* memory) const;
  /// `width` output channels, for all tiles of a round.
  void columns(Pointers p, const kernels::Transformed& v, const Block& b, int64_t n, int64_t width,
               const Sink::Run& out, int64_t slot) const;

  /// Tile rows of a round, and floats of a coordinate of them, transformed.
  int64_t round_rows() const;
  int64_t round_stride() const {
    return coordinate_stride(round_rows() * tiling_.across * v_tile_);
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

}  // namespace ballast::sweep::winograd
