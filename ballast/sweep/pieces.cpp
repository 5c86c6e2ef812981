#include "ballast/sweep/pieces.h"

namespace ballast::sweep {

void pack_rows(const Source& source, Pointers p, int64_t row, int64_t rows, int64_t c, int64_t n,
               int64_t k, int64_t depth, float* to) {
  constexpr int64_t kStrip = 256, kRows = 16;  // read at a time: half of an L1
  const int64_t w = kernels::panel_columns();
  if (const float* memory = source.memory(p))
    return kernels::pack_b(memory + row * source.pitch() + c, source.pitch(), 1, rows, n,
                           to + k * w, depth * w);
  float read[kStrip * kRows];
  for (int64_t r = 0; r < rows; r += kRows)
    for (int64_t j = 0; j < n; j += kStrip) {
      const int64_t count = std::min(kRows, rows - r), columns = std::min(kStrip, n - j);
      source.read(p, row + r, count, c + j, columns, read, columns);
      kernels::pack_b(read, columns, 1, count, columns, to + j * depth + (k + r) * w, depth * w);
    }
}

}  // namespace ballast::sweep
