#include "ballast/sweep/pieces.h"

namespace ballast::sweep {

void pack_rows(const Source& source, Pointers p, int64_t row, int64_t rows, int64_t c, int64_t n,
               int64_t k, int64_t depth, float* to) {
  constexpr int64_t kStrip = 256, kRows = 16;  // read at a time: half of an L1
  const int64_t w = kernels::panel_columns();
  float read[kStrip * kRows];
  const float* memory = source.memory(p);
  for (int64_t r = 0; r < rows; r += kRows)
    for (int64_t j = 0; j < n; j += kStrip) {
      const int64_t count = std::min(kRows, rows - r), columns = std::min(kStrip, n - j);
      const float* from = memory ? memory + (row + r) * source.pitch() + c + j : read;
      const int64_t ld = memory ? source.pitch() : columns;
      if (!memory) source.read(p, row + r, count, c + j, columns, read, columns);
      for (int64_t i = 0; i < columns; i += w)
        kernels::pack_b(from + i, ld, 1, count, std::min(w, columns - i),
                        to + (j + i) * depth + (k + r) * w);
    }
}

}  // namespace ballast::sweep
