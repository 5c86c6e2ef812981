#include "ballast/kernels/transpose.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ballast/kernels/transpose.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which includes this file once per target.
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace ballast::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Rows that go past together: their columns are one cache line of the result.
constexpr int64_t kStrip = 16;

struct Matrix {
  const float* in;
  int64_t in_pitch, rows, columns;
  float* out;
  int64_t out_pitch;
};

#if HWY_TARGET != HWY_SCALAR
/// Four columns of as many rows as a vector has lanes: block b holds row 4*b, the next ones 4 rows
/// further down.
template <class D>
HWY_INLINE hn::Vec<D> every_fourth_row(D d, const float* in, int64_t pitch) {
  if constexpr (hn::MaxLanes(D()) == 4) {
    return hn::LoadU(d, in);
  } else {
    const hn::Half<D> half;
    constexpr int64_t kRows = static_cast<int64_t>(hn::MaxLanes(half));
    return hn::Combine(d, every_fourth_row(half, in + kRows * pitch, pitch),
                       every_fourth_row(half, in, pitch));
  }
}

/// As many rows as there are lanes, four columns.
template <class D>
HWY_INLINE void tile(D d, const float* in, int64_t in_pitch, float* out, int64_t out_pitch) {
  const hn::Repartition<uint64_t, D> pairs;
  hn::Vec<D> row[4];
  for (int i = 0; i < 4; ++i) row[i] = every_fourth_row(d, in + i * in_pitch, in_pitch);
  auto low = [&](auto a, auto b) HWY_ATTR { return hn::InterleaveLower(d, a, b); };
  auto high = [&](auto a, auto b) HWY_ATTR { return hn::InterleaveUpper(d, a, b); };
  const auto a = hn::BitCast(pairs, low(row[0], row[1])),
             b = hn::BitCast(pairs, low(row[2], row[3]));
  const auto c = hn::BitCast(pairs, high(row[0], row[1])),
             e = hn::BitCast(pairs, high(row[2], row[3]));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, a, b)), d, out);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, a, b)), d, out + out_pitch);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, c, e)), d, out + 2 * out_pitch);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, c, e)), d, out + 3 * out_pitch);
}

/// Tiles over the whole matrix; the last ones of a row or column may cover some of the others
/// again.
template <class D>
HWY_INLINE void tiles(D d, const Matrix& m) {
  constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(D()));
  for (int64_t i = 0; i < m.rows; i += kStrip)
    for (int64_t j = 0; j < m.columns; j += 4) {
      const int64_t column = std::min(j, m.columns - 4);
      for (int64_t k = i; k < std::min(i + kStrip, m.rows); k += kLanes) {
        const int64_t row = std::min(k, m.rows - kLanes);
        tile(d, m.in + row * m.in_pitch + column, m.in_pitch, m.out + column * m.out_pitch + row,
             m.out_pitch);
      }
    }
}

#endif

/// Three rows, as images have: they are interleaved.
HWY_INLINE void three_rows(const Matrix& m) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t j = 0; j < m.columns; j += lanes) {
    const int64_t at = std::min(j, m.columns - lanes);
    const float* in = m.in + at;
    hn::StoreInterleaved3(hn::LoadU(d, in), hn::LoadU(d, in + m.in_pitch),
                          hn::LoadU(d, in + 2 * m.in_pitch), d, m.out + 3 * at);
  }
}

HWY_INLINE void three_columns(const Matrix& m) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < m.rows; i += lanes) {
    const int64_t at = std::min(i, m.rows - lanes);
    hn::Vec<decltype(d)> a, b, c;
    hn::LoadInterleaved3(d, m.in + 3 * at, a, b, c);
    hn::StoreU(a, d, m.out + at);
    hn::StoreU(b, d, m.out + m.out_pitch + at);
    hn::StoreU(c, d, m.out + 2 * m.out_pitch + at);
  }
}

void Transpose(const float* in, int64_t in_pitch, int64_t rows, int64_t columns, float* out,
               int64_t out_pitch) {
  const hn::CappedTag<float, kStrip> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const Matrix m{in, in_pitch, rows, columns, out, out_pitch};
  if (rows == 3 && out_pitch == 3 && columns >= lanes) return three_rows(m);
  if (columns == 3 && in_pitch == 3 && rows >= lanes) return three_columns(m);
#if HWY_TARGET != HWY_SCALAR
  if (columns >= 4 && rows >= lanes) return tiles(d, m);
  if (columns >= 4 && rows >= 4) return tiles(hn::FixedTag<float, 4>(), m);
#endif
  for (int64_t j = 0; j < columns; ++j)
    for (int64_t i = 0; i < rows; ++i) out[j * out_pitch + i] = in[i * in_pitch + j];
}

}  // namespace ballast::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast::kernels {
HWY_EXPORT(Transpose);
void transpose(const float* in, int64_t in_pitch, int64_t rows, int64_t columns, float* out,
               int64_t out_pitch) {
  HWY_DYNAMIC_DISPATCH(Transpose)(in, in_pitch, rows, columns, out, out_pitch);
}
}  // namespace ballast::kernels
#endif
