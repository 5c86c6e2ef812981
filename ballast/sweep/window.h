// Images that go past a few rows at a time: what depthwise convolutions and pools read.
#pragma once

#include <cstdint>

#include "ballast/sweep/ends.h"

namespace ballast::sweep {

/// How work over images is cut, by its shape alone: image by image into bands of output rows, and
/// channels into blocks.
struct ImageCut {
  /// `window`: floats, for each channel, of the rows that are needed at a time.
  ImageCut(int64_t images, int64_t rows, int64_t channels, int64_t window);

  struct Piece {
    int64_t image, begin, end;  // rows
    int64_t c, n;               // channels
  };
  int64_t pieces() const { return images * bands * blocks; }
  Piece piece(int64_t i) const;
  int64_t width(int64_t c) const { return block < channels - c ? block : channels - c; }

  int64_t images, rows, channels;
  int64_t bands, blocks, block;
};

/// Which part of an image's rows is kept.
struct WindowShape {
  int64_t rows, columns;  // of an image
  int64_t kept;           // rows that are needed at a time
  int64_t left, width;    // columns; outside of the image there are zeros
};

/// The last few rows of an image, of channels [c, c+n). They are read once, or lie in memory.
class Window {
 public:
  /// `memory`: floats(shape, n) of them.
  Window(const WindowShape& shape, const Source& source, Pointers p, int64_t c, int64_t n,
         float* memory);
  static int64_t floats(const WindowShape& shape, int64_t n);

  /// Rows from `row` of `image` come next; none before it is asked for.
  void start(int64_t image, int64_t row) {
    first_ = image * shape_.rows;
    next_ = row;
  }
  /// Pixel `left` of row `r`, or where it would be. Valid until row r + kept is asked for, which
  /// must not come before.
  const float* row(int64_t r);
  /// Floats between pixels.
  int64_t pitch() const { return pitch_; }

 private:
  WindowShape shape_;
  const Source& source_;
  Pointers p_;
  int64_t c_, n_, pitch_;
  float* memory_;
  const float* direct_ = nullptr;
  int64_t first_ = 0, next_ = 0;
};

}  // namespace ballast::sweep
