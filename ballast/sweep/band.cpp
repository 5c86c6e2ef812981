#include <cstring>

#include "ballast/sweep/conv.h"

namespace ballast::sweep {
namespace {

bool each(const int64_t (&v)[2], int64_t value) { return v[0] == value && v[1] == value; }

}  // namespace

ConvShape::ConvShape(const Shape& x, const Shape& w, const Shape& y,
                     const Conv2dAttributes& attributes)
    : images(x[0]),
      height(x[2]),
      width(x[3]),
      in(x[1]),
      out_height(y[2]),
      out_width(y[3]),
      out(y[1]),
      kernel_height(w[2]),
      kernel_width(w[3]),
      a(attributes),
      in_group(in / a.groups),
      out_group(out / a.groups) {
  if (taps() == 1 && each(a.stride, 1) && each(a.padding, 0)) {
    width = out_width = images * height * width;
    images = height = out_height = 1;
  }
}

bool ConvShape::single() const { return taps() == 1 && each(a.padding, 0) && a.groups == 1; }

double ConvShape::operations() const {
  return 2.0 * static_cast<double>(images * out_height * out_width * out) *
         static_cast<double>(in_group * taps());
}

Areas::Areas(int64_t rows, int64_t columns, int64_t positions, int64_t wanted)
    : rows_(rows, 1, 1), columns_(columns, 1, 1) {
  const bool cut_rows = rows == 1 || 2 * columns > 3 * positions;
  const int64_t most = std::min(wanted, rows * columns / kFewRows);
  if (cut_rows) {
    const int64_t parts = 2 * columns > 3 * positions ? ceil_div(columns, positions) : 1;
    columns_ = Parts(columns, kernels::block_rows(), std::max(parts, ceil_div(most, rows)));
    rows_ = Parts(rows, 1, rows);
  } else {
    const int64_t together = std::max<int64_t>((positions + columns / 2) / columns, 1);
    rows_ = Parts(rows, 1, std::max(ceil_div(rows, together), most));
  }
}

bool Window::inside() const {
  return top >= 0 && left >= 0 && (grid_height - 1) * row_step + bottom < height &&
         (grid_width - 1) * column_step + right < width;
}

void fetch(const Window& w, const Area& area, const Source& source, Pointers p, int64_t c,
           int64_t channels, kernels::Fetch& list) {
  const auto line = [&](int64_t row, int64_t offset) {
    return row / w.grid_height * w.height +
           std::clamp<int64_t>(row % w.grid_height * w.row_step + offset, 0, w.height - 1);
  };
  const int64_t first = line(area.row, w.top), last = line(area.row + area.rows - 1, w.bottom);
  const bool apart = w.top == w.bottom && w.row_step > 1;  // lines between them are not read
  const bool whole = area.columns == w.grid_width;
  const int64_t left =
      whole ? 0 : std::clamp<int64_t>(area.column * w.column_step + w.left, 0, w.width);
  const int64_t end = (area.column + area.columns - 1) * w.column_step + w.right + 1;
  const int64_t right = whole ? w.width : std::clamp<int64_t>(end, left, w.width);
  if (!apart) return fetch_lines(source, p, first, last, w.width, left, right, c, channels, list);
  for (int64_t row = area.row; row < area.row + area.rows; ++row)
    fetch_lines(source, p, line(row, w.top), line(row, w.top), w.width, left, right, c, channels,
                list);
}

Band::Band(const Window& window, const Area& area)
    : w_(window),
      area_(area),
      step_(window.top == window.bottom ? 1 : window.row_step),
      first_image_(area.row / window.grid_height),
      first_row_(area.row % window.grid_height),
      first_lines_(lines_of(window.grid_height - first_row_)),
      width_((area.columns - 1) * window.column_step + window.right - window.left + 1) {
  lines_ = line(area.row + area.rows - 1) + lines_of(1);
}

int64_t Band::line(int64_t row) const {
  const int64_t image = row / w_.grid_height - first_image_, i = row % w_.grid_height;
  return image == 0 ? (i - first_row_) * step_
                    : first_lines_ + (image - 1) * lines_of(w_.grid_height) + i * step_;
}

void Band::read(const Source& source, Pointers p, int64_t c, int64_t channels, float* to,
                int64_t pitch) const {
  const int64_t left = area_.column * w_.column_step + w_.left;
  const int64_t before = std::clamp<int64_t>(-left, 0, width_);
  const int64_t after = std::clamp<int64_t>(left + width_ - w_.width, 0, width_ - before);
  const int64_t inside = width_ - before - after;
  const float* memory =
      source.pitch() == pitch && c == 0 ? source.memory(p) : nullptr;  // one run a line
  const int64_t end = area_.row + area_.rows;
  for (int64_t row = area_.row, next; row < end; row = next) {
    const int64_t image = row / w_.grid_height, i = row % w_.grid_height;
    next = std::min(end, row - i + w_.grid_height);
    const int64_t lines = lines_of(next - row);
    for (int64_t l = 0; l < lines; ++l, to += width_ * pitch) {
      const int64_t r = w_.top + (w_.top == w_.bottom ? (i + l) * w_.row_step : i * step_ + l);
      if (r < 0 || r >= w_.height || inside <= 0) {
        std::fill_n(to, width_ * pitch, 0.0f);
        continue;
      }
      const int64_t pixel = (image * w_.height + r) * w_.width + left + before;
      float* at = to + before * pitch;
      std::fill(to, at, 0.0f);
      if (memory)
        std::memcpy(at, memory + pixel * pitch, inside * pitch * sizeof(float));
      else
        source.read(p, pixel, inside, c, channels, at, pitch);
      std::fill_n(at + inside * pitch, after * pitch, 0.0f);
    }
  }
}

}  // namespace ballast::sweep
