#include "ballast/sweep/window.h"

#include <algorithm>

#include "ballast/sweep/pieces.h"

namespace ballast::sweep {
namespace {

// Floats of a window of rows: with the rows being made they fill half of an L2.
constexpr int64_t kWindowFloats = 40 * 1024;
// Channels that a piece takes at most: what a kernel knows of them (weights) stays in L1.
constexpr int64_t kMaxChannels = 256;
// Channels of pieces begin at cache lines.
using kernels::kLine;
// Pieces that work is cut into, where it is large enough; a band of rows reads those above and
// below again, and of fewer channels than kMinChannels a vector loop takes little.
constexpr int64_t kPieces = 8, kMinRows = 8, kMinChannels = 32;

}  // namespace

ImageCut::ImageCut(int64_t all_images, int64_t all_rows, int64_t all_channels, int64_t window)
    : images(all_images), rows(all_rows), channels(all_channels) {
  const int64_t most = std::clamp(kWindowFloats / window / kLine * kLine, kLine, kMaxChannels);
  blocks = ceil_div(channels, most);
  bands = std::clamp(ceil_div(kPieces, images * blocks), int64_t{1},
                     std::max<int64_t>(rows / kMinRows, 1));
  blocks = std::max(blocks, std::min(ceil_div(kPieces, images * bands), channels / kMinChannels));
  block = ceil_div(ceil_div(channels, blocks), kLine) * kLine;
  blocks = ceil_div(channels, block);
}

ImageCut::Piece ImageCut::piece(int64_t i) const {
  const int64_t c = i % blocks * block, band = i / blocks % bands;
  return {i / blocks / bands, rows * band / bands, rows * (band + 1) / bands, c, width(c)};
}

Window::Window(const WindowShape& shape, const Source& source, Pointers p, int64_t c, int64_t n,
               float* memory)
    : shape_(shape),
      source_(source),
      p_(p),
      c_(c),
      n_(n),
      pitch_(ceil_div(n, kLine) * kLine),
      memory_(memory) {
  if (shape.left >= 0 && shape.left + shape.width <= shape.columns) direct_ = source.memory(p);
  if (direct_) {
    pitch_ = source.pitch();
    direct_ += c;
  } else {
    std::fill_n(memory, floats(shape, n), 0.0f);
  }
}

int64_t Window::floats(const WindowShape& shape, int64_t n) {
  return shape.kept * shape.width * ceil_div(n, kLine) * kLine;
}

const float* Window::row(int64_t r) {
  if (direct_) return direct_ + ((first_ + r) * shape_.columns + shape_.left) * pitch_;
  const int64_t begin = std::max<int64_t>(shape_.left, 0);
  const int64_t end = std::min(shape_.left + shape_.width, shape_.columns);
  const int64_t size = shape_.width * pitch_;
  for (next_ = std::max(next_, r - shape_.kept + 1); next_ <= r; ++next_)
    if (begin < end)
      source_.read(p_, (first_ + next_) * shape_.columns + begin, end - begin, c_, n_,
                   memory_ + next_ % shape_.kept * size + (begin - shape_.left) * pitch_, pitch_);
  return memory_ + r % shape_.kept * size;
}

}  // namespace ballast::sweep
