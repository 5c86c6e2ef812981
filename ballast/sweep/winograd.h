// What the sweeps of Winograd convolutions share: how an image is cut into tiles and pieces, how
// tiles are read through a Source, and when all this is worth it.
#pragma once

#include "ballast/kernels/winograd.h"
#include "ballast/sweep/ends.h"
#include "ballast/sweep/pieces.h"

namespace ballast::sweep::winograd {

inline int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

/// A 3x3 convolution of stride 1: images (images, height, width, in) -> (images, out_height,
/// out_width, out), out_height = height + 2*pad - 2. The gradient of its input is another such
/// convolution, whose padding 2 - pad may be negative.
struct Geometry {
  int64_t images, height, width, in, out_height, out_width, out;
  int64_t pad[2];
};

/// The convolution that `value` of `plan` computes or differentiates; null geometry (no images)
/// where it is not a 3x3 one of float32, stride 1, dilation 1 and one group.
Geometry geometry(const plan::Plan& plan, const plan::Value& v);

/// Beyond so many weights (in*out) a layer is deep: transformed, they fill more than the 9 MB up to
/// which L3 serves every block well. Then all tiles of a round are transformed first, and each
/// piece of work transforms a few columns of the weights and uses them for all those tiles.
inline constexpr int64_t kDeep = 256 * 256;

/// The tile size to use, 4 or 2, or 0 where the direct convolution is faster: by shape alone. The
/// one place that knows.
int tile_size(const Geometry& g);

/// Tiles of m x m outputs. A row of tiles spans an image; rows of all images are counted through.
struct Tiling {
  Tiling(const Geometry& g, int tile)
      : m(tile),
        down(ceil_div(g.out_height, tile)),
        across(ceil_div(g.out_width, tile)),
        rows(g.images * down),
        height(g.out_height),
        width(g.out_width) {}

  int64_t tiles() const { return rows * across; }
  int coordinates() const { return (m + 2) * (m + 2); }
  /// Image, and first row in it, of the outputs of tile row r.
  int64_t image(int64_t r) const { return r / down; }
  int64_t top(int64_t r) const { return r % down * m; }
  /// Image rows of outputs that tile row r has.
  int64_t depth(int64_t r) const { return std::min<int64_t>(m, height - top(r)); }
  /// The first row of outputs of tile row r, of all images; also for r = rows.
  int64_t output_row(int64_t r) const { return image(r) * height + top(r); }

  int m;
  int64_t down, across, rows, height, width;
};

/// Tiles [column, column + across) of the tile rows [row, end).
struct Block {
  int64_t row, end, column, across;
  int64_t tiles() const { return (end - row) * across; }
};

/// What the products of `tiles` tiles cost.
inline double product_cost(const Geometry& g, const Tiling& t, int64_t tiles) {
  return 2.0 / 16 * t.coordinates() * static_cast<double>(tiles) *
         static_cast<double>(g.in * g.out);
}
inline const char* kernel_name(int m) { return m == 4 ? "winograd 4x4" : "winograd 2x2"; }
/// Of the 3x3 multiplications for each output, those that a tile of (m+2)x(m+2) needs.
inline double multiplications(int m) { return (m + 2.0) * (m + 2.0) / (9.0 * m * m); }

/// Cuts tiles into blocks of about `most` tiles: several tile rows, or a part of one.
class Blocks {
 public:
  Blocks(const Tiling& tiling, int64_t most);
  int64_t count() const { return count_down_ * count_across_; }
  Block operator[](int64_t i) const;
  /// The most tiles that a block has, and the most in one row.
  int64_t tiles() const { return down_ * across_; }
  int64_t across() const { return across_; }

 private:
  int64_t rows_, columns_, down_, across_, count_down_, count_across_;
};

/// Reads the pixels under rows of tiles: as they lie where they lie in memory, else through the
/// source into `Reader::floats` floats of scratch. What two rows of tiles share is read once; the
/// rows of pixels that are new to a row of tiles are read together.
class Reader {
 public:
  /// Of images of height x width pixels; tiles span `span` rows and columns of pixels, `step`
  /// apart, the first beginning at row and column -pad.
  struct Window {
    int64_t height, width, span, step, pad[2];

    /// Rows of pixels that are kept: so many that the new ones have neighbouring places. A power of
    /// two, as tiles and what they read are.
    int64_t kept() const { return ceil_div(span, step) * step; }
  };
  static int64_t floats(const Source& source, const Window& w, int64_t across, Pointers p);
  /// Adds the memory that tiles `b` will be read from to `list`.
  static void fetch(const Source& source, const Window& w, const Tiling& tiling, const Block& b,
                    Pointers p, kernels::Fetch& list);

  Reader(const Source& source, Pointers p, const Window& w, float* memory);
  /// The tiles of `b` in tile row `r`. What it points to stays valid until the next call.
  kernels::TilesRead operator()(const Tiling& tiling, const Block& b, int64_t r);

 private:
  static constexpr int kMostRows = 8;

  /// Reads what is missing of rows [first, end) of the image, `width` pixels from begin_.
  void hold(int64_t first, int64_t end, int64_t width);
  /// Where a row is kept.
  int64_t place(int64_t row) const { return (row + offset_) & (kept_ - 1); }

  const Source& source_;
  Pointers p_;
  Window w_;
  const float* in_memory_;
  float* memory_;
  int64_t pitch_;
  int64_t kept_, offset_;  // rows kept; what brings the rows new to a row of tiles to neighbours
  // Image row in each place of memory_, or -1; of `image_`, from pixel column begin_.
  int64_t held_[kMostRows], image_ = -1, begin_ = -1;
  const float* rows_[kMostRows];
};

/// Transforms the pixels under `b` to tiles `to` onwards.
void transform_input(const Tiling& tiling, const Block& b, Reader& reader, kernels::Transformed to);

/// Floats from one tile's `channels` channels to the next's, and from one coordinate of `floats`
/// floats to the next: rounded up to whole vectors of every target, and off powers of two, whose
/// multiples share few sets of a cache.
inline int64_t tile_stride(int64_t channels) { return spread(round_up(channels, 16), 256); }
inline int64_t coordinate_stride(int64_t floats) { return round_up(floats, 16) + 16; }

}  // namespace ballast::sweep::winograd
