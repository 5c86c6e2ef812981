// How products are cut into pieces of work: by shape alone, small enough for the caches, and enough
// of them for several threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ballast/kernels/product.h"
#include "ballast/sweep/ends.h"

namespace ballast::sweep {

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// `count` things in `parts` nearly equal parts, cut at multiples of `unit`.
struct Parts {
  int64_t count, unit, parts;

  Parts(int64_t n, int64_t multiple, int64_t wanted)
      : count(n),
        unit(multiple),
        parts(std::clamp<int64_t>(wanted, 1, std::max<int64_t>(ceil_div(n, multiple), 1))) {}
  int64_t begin(int64_t i) const {
    return std::min(count, ceil_div(count, unit) * i / parts * unit);
  }
  int64_t size(int64_t i) const { return begin(i + 1) - begin(i); }
};

/// Rows and columns of a product's result in pieces.
struct Pieces {
  Parts rows, columns;
  int64_t count() const { return rows.parts * columns.parts; }
};

// Rows that meet a packed panel before the next one comes: a multiply-add costs 1/32 of a cycle and
// column, so 96 rows keep the units busy for 6 cycles per float of the panel, when even main memory
// delivers it in half of one. A piece's result, 96 x 512, is 192 KB: with the operands it stays in
// an L2.
inline constexpr int64_t kPieceRows = 96, kFewRows = 48, kPieceColumns = 512, kFewColumns = 32;
// A piece of this many operations takes about 20 microseconds: shorter ones are not worth a thread.
inline constexpr double kPieceOperations = 2e6;
inline constexpr int64_t kEnoughPieces = 8;

/// So many pieces, or a few more: two or four threads have as many each.
inline int64_t balanced(int64_t pieces) {
  constexpr int64_t kTogether = 4, kMany = 64;
  return pieces > 2 && pieces < kMany ? ceil_div(pieces, kTogether) * kTogether : pieces;
}

/// `depth` is the length of the sums; rows are cut at multiples of `row_unit`, columns at multiples
/// of `column_unit`.
inline Pieces cut(int64_t rows, int64_t columns, int64_t depth, int64_t row_unit,
                  int64_t column_unit) {
  const double operations = 2.0 * static_cast<double>(rows * columns) * static_cast<double>(depth);
  const int64_t wanted =
      std::min<int64_t>(static_cast<int64_t>(operations / kPieceOperations), kEnoughPieces);
  const Parts r(rows, row_unit,
                std::max(ceil_div(rows, kPieceRows), std::min(wanted, rows / kFewRows)));
  const Parts c(columns, column_unit,
                std::max(ceil_div(columns, kPieceColumns),
                         std::min(ceil_div(wanted, r.parts), columns / kFewColumns)));
  return {r, c};
}

/// Floats from one row of an operand to the next, for rows of `floats` of which the product reads
/// some a column at a time: those whose distance is a multiple of `period` floats share few sets of
/// an L1.
inline int64_t spread(int64_t floats, int64_t period) {
  return floats % period == 0 ? floats + 16 : floats;
}

/// Packs columns [c, c+n) of `rows` rows of `source`, the first of them `row`, `step` rows apart,
/// as part of the product's B: row `row` is number `k` of `depth`. The panels of column c begin at
/// `to`.
void pack_rows(const Source& source, Pointers p, int64_t row, int64_t step, int64_t rows, int64_t c,
               int64_t n, int64_t k, int64_t depth, float* to);

}  // namespace ballast::sweep
