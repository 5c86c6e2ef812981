// What a convolution and its gradients share: their sizes, and the pixels that a piece of work
// reads.
#pragma once

#include "ballast/ops/conv.h"
#include "ballast/sweep/ends.h"
#include "ballast/sweep/pieces.h"

namespace ballast::sweep {

/// Sizes of y = conv2d(x, w). Where pixel i of y reads pixel i of x alone, all images are one long
/// row of pixels: the convolution is a plain product of matrices.
struct ConvShape {
  ConvShape(const Shape& x, const Shape& w, const Shape& y, const Conv2dAttributes& attributes);

  int64_t images, height, width, in, out_height, out_width, out, kernel_height, kernel_width;
  Conv2dAttributes a;
  int64_t in_group, out_group;

  int64_t taps() const { return kernel_height * kernel_width; }
  /// Whether a pixel of y reads one pixel of x, which is inside of the image.
  bool single() const;
  /// Multiplications and additions of the convolution and of each of its gradients.
  double operations() const;
};

/// Positions of a grid over images: rows [row, row+rows), counted over all images, and of each the
/// columns [column, column+columns).
struct Area {
  int64_t row, rows, column, columns;
};

/// A grid cut into areas of about `positions` each: whole rows, unless they are longer than that.
/// There will be `wanted` areas if that leaves them kFewRows positions.
class Areas {
 public:
  Areas(int64_t rows, int64_t columns, int64_t positions, int64_t wanted);
  int64_t count() const { return rows_.parts * columns_.parts; }
  Area operator[](int64_t i) const {
    const int64_t r = i / columns_.parts, c = i % columns_.parts;
    return {rows_.begin(r), rows_.size(r), columns_.begin(c), columns_.size(c)};
  }

 private:
  Parts rows_, columns_;
};

/// What the positions of a grid read of images: position (i, j) reads pixels (i*step + top ..
/// bottom, j*step + left .. right); those outside of the image are zero.
struct Window {
  int64_t height, width;            // of an image
  int64_t grid_height, grid_width;  // of the positions over it
  int64_t row_step, column_step;
  int64_t top, bottom, left, right;

  /// No position reads outside of its image.
  bool inside() const;
};

/// Adds the memory of the pixels that an area of a window's grid reads, channels [c, c+channels),
/// to `list`.
void fetch(const Window& window, const Area& area, const Source& source, Pointers p, int64_t c,
           int64_t channels, kernels::Fetch& list);

/// The pixels an area of a window's grid reads, zeros included, as lines of equal length: the
/// matrices that products of convolutions read.
class Band {
 public:
  Band(const Window& window, const Area& area);

  /// Pixels in all.
  int64_t pixels() const { return lines_ * width_; }
  /// Pixels from one line to the next.
  int64_t width() const { return width_; }
  /// The line in which row `row` of the grid, counted over all images, finds pixel row `top`.
  int64_t line(int64_t row) const;
  /// Writes channels [c, c+channels) of every pixel to `to`, pixels `pitch` floats apart.
  void read(const Source& source, Pointers p, int64_t c, int64_t channels, float* to,
            int64_t pitch) const;

 private:
  int64_t lines_of(int64_t rows) const { return (rows - 1) * step_ + w_.bottom - w_.top + 1; }

  const Window& w_;
  Area area_;
  // Where a row of the grid reads but one row of pixels, those between them are left out.
  int64_t step_;
  int64_t first_image_, first_row_, first_lines_, lines_, width_;
};

/// The gradient of the weights.
std::unique_ptr<Sweep> build_weight_grad(const plan::Plan& plan, const plan::Group& group,
                                         const ConvShape& g);

}  // namespace ballast::sweep
