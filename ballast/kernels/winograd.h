// Winograd's minimal filtering for 3x3 kernels (Lavin and Gray, "Fast Algorithms for Convolutional
// Neural Networks", 2016): tiles of m x m outputs, m = 2 or 4, as products in a transformed space
// of a*a coordinates, a = m + 2:
//   forward           y  = A^T [ sum_c (G w G^T) * (B^T x B) ] A
//   weight gradient   dw = G^T [ sum_t (A dy A^T) * (B^T x B) ] G
// where * is by coordinate, so that each coordinate is a matrix product (product.h). Here are the
// transforms around those products.
//
// The polynomials are evaluated at 0, infinity and +-3/4, +-3/2 (m = 4) or +-1 (m = 2). With the
// usual +-1, +-2 the error of F(4x4) is twice as large; these points balance the transforms'
// constants, and all but the weights' are exact in float32.
#pragma once

#include <cstdint>

namespace ballast::kernels {

/// Tiles side by side in an image whose pixels are `pitch` floats apart, channels innermost. Tile t
/// begins in pixel column column + m*t; pixels outside of [0, width) and rows that are null are
/// zeros where they are read, and not written where they are written.
template <class Pointer>
struct TileRow {
  const Pointer* rows;  // where pixel column 0 of each row of the tiles lies
  int64_t pitch, width, column, tiles, channels;
};
using TilesRead = TileRow<const float*>;
using TilesWritten = TileRow<float*>;

/// The transformed space: channel c of tile t at coordinate q lies at
/// at[q*coordinate + t*tile + c/w*panel + c%w], w = panel_columns(); panel = w keeps a tile's
/// channels together. Whole vectors are written: `tile` (or a panel) has room for whole vectors.
struct Transformed {
  float* at;
  int64_t coordinate, tile, panel;
};

/// B^T x B: the m+2 rows of `x` are those that the tiles read.
void winograd_input(int m, const TilesRead& x, const Transformed& to);

/// A dy A^T: m rows.
void winograd_output_grad(int m, const TilesRead& dy, const Transformed& to);

/// y = A^T p A + bias: m rows; `bias` may be null.
void winograd_output(int m, const Transformed& p, const float* bias, const TilesWritten& y);

/// How weights are seen: tap (i, j) for depth k and column n is at[k*depth + n*column + i*3 + j];
/// with `flip` it is the one at (2-i, 2-j).
struct Taps {
  const float* at;
  int64_t depth, column;
  bool flip;
};
/// G w G^T of `columns` columns and `depth` values of k, as panels of the products' B (see pack_b):
/// to[q*coordinate + n/w*panel + k*w + n%w], zeros up to whole panels.
void winograd_weights(int m, const Taps& w, int64_t depth, int64_t columns, float* to,
                      int64_t coordinate, int64_t panel);

/// dw = G^T s G, s the sum over `slabs` of from[slab*slab_size + q*coordinate + n], for `columns`
/// values of n; tap (i, j) goes to to[n*column + i*3 + j].
void winograd_weight_grad(int m, const float* from, int64_t slabs, int64_t slab_size,
                          int64_t coordinate, int64_t columns, float* to, int64_t column);

}  // namespace ballast::kernels
