#include "ballast/sweep/pieces.h"

namespace ballast::sweep {

void pack_rows(const Source& source, Pointers p, int64_t row, int64_t step, int64_t rows, int64_t c,
               int64_t n, int64_t k, int64_t depth, float* to) {
  // Rows that are read at a time: those of all panels (32 x 512 floats of two operands are 128 KB)
  // stay in an L2 on the way.
  constexpr int64_t kRows = 32;
  const int64_t w = kernels::panel_columns();
  if (const float* memory = source.memory(p))
    return kernels::pack_b(memory + row * source.pitch() + c, step * source.pitch(), 1, rows, n,
                           to + k * w, depth * w);
  if (step > 1) {  // one by one: whole panels of a row
    constexpr int64_t kColumns = 1024;
    float columns[kColumns];
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t j = 0; j < n; j += kColumns) {
        const int64_t count = std::min(kColumns, n - j);
        source.read(p, row + r * step, 1, c + j, count, columns, count);
        kernels::pack_b(columns, count, 1, 1, count, to + j * depth + (k + r) * w, depth * w);
      }
    return;
  }
  for (int64_t r = 0; r < rows; r += kRows)
    for (int64_t j = 0; j < n; j += w) {
      const int64_t count = std::min(kRows, rows - r), columns = std::min(w, n - j);
      float* panel = to + j * depth + (k + r) * w;
      source.read(p, row + r, count, c + j, columns, panel, w);
      if (columns < w)
        for (int64_t i = 0; i < count; ++i)
          std::fill(panel + i * w + columns, panel + (i + 1) * w, 0.0f);
    }
}

}  // namespace ballast::sweep
