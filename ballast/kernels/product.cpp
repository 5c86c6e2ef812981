#include "ballast/kernels/product.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <utility>

#include "ballast/kernels/transpose.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ballast/kernels/product.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which includes this file once per target.
#include "ballast/kernels/partial-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace ballast::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// Accumulators fill the register file (32 vectors with AVX-512, else 16), less those of B and one
// of A: rows of 2 vectors as a rule, of 3 or 1 where the columns end. They are no fewer than
// latency times throughput of the multiply-add (4 cycles x 2), so the units do not wait; rows of 1
// vector, each of which loads its element of A for one multiply-add, are as many as a block can
// address.
constexpr bool kWide = HWY_TARGET <= HWY_AVX3;
constexpr int kRowsOf[] = {0, kWide ? 16 : 8, kWide ? 14 : 6,
                           kWide ? 9 : 4};  // by vectors in a row
constexpr int kVectors = 2;

// Depth taken at a time: a panel of B, 64 bytes x 320, and the rows of A that meet it fill two
// thirds of a 32 KB L1.
constexpr int64_t kDepth = 320;

/// The part of the sum that one pass takes, and the columns it makes.
struct Part {
  int first, taps;    // of the batch
  int64_t k, depth;   // of each
  bool accumulate;    // onto what C holds
  int64_t n, b;       // first column, and where it is in B
  size_t width;       // columns that count of the last vector
  const float* next;  // the panel of B after these columns, if there is one
};

/// Lines that a block fetches, one or two with every step along its depth.
struct Ahead {
  Fetch::Share* shares;
  int count;
};

/// Where rows m, m+1, ... lie: `rows` floats from `base`, or `stride` floats apart.
template <int Rows, class Pointer>
HWY_INLINE void rows_of(Pointer base, const int64_t* rows, int64_t stride, int64_t m, Pointer* to) {
  if (rows) {
    rows += m;
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) to[i] = base + rows[i];
  } else {
    base += m * stride;
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i, base += stride) to[i] = base;
  }
}

/// Rows x NV vectors of C. With kUnit, sak is 1; with kMask, the last vector of B may not be read
/// beyond its width. A Stride is that of the rows of A where it is known here: they are then read
/// through one pointer instead of one each, of which there are more than registers.
template <int Rows, int NV, bool kUnit, bool kMask, int Stride>
HWY_NOINLINE void block(const Product& p, const Part& part, int64_t m, Ahead ahead) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto mask = hn::FirstN(d, part.width);
  V c[Rows][NV];
  if (part.accumulate) {
    float* to[Rows];
    rows_of<Rows>(p.c + part.n, p.c_rows, p.ldc, m, to);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < NV; ++j)
        c[i][j] =
            j == NV - 1 ? load_first(mask, d, to[i] + j * lanes) : hn::LoadU(d, to[i] + j * lanes);
  } else {
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) {
      const float* bias = p.bias ? p.bias + part.n + j * lanes : nullptr;
      const V start = !bias         ? hn::Zero(d)
                      : j == NV - 1 ? load_first(mask, d, bias)
                                    : hn::LoadU(d, bias);
#pragma GCC unroll 16
      for (int i = 0; i < Rows; ++i) c[i][j] = start;
    }
  }
  // Lines fetched with a step: where there are few rows, there are few blocks to fetch the next
  // panel.
  constexpr int kPace = 2 * Rows <= kRowsOf[NV] + 2 ? 2 : 1;
  for (int t = part.first; t < part.first + part.taps; ++t) {
    const float *a[Rows], *first = p.a[t] + part.k * p.sak;
    if constexpr (Stride > 0)
      first += m * Stride;
    else
      rows_of<Rows>(first, p.a_rows, p.sam, m, a);
    const float* b = p.b[t] + part.b + part.k * p.sbk;
    // The third vector is the first of the next panel.
    const int64_t last = NV == 3 ? p.panel : (NV - 1) * lanes;
    const int64_t end = kUnit ? part.depth : part.depth * p.sak, step = kUnit ? 1 : p.sak;
    auto add = [&](int64_t k) HWY_ATTR {
      V v[NV];
#pragma GCC unroll 4
      for (int j = 0; j < NV - 1; ++j) v[j] = hn::LoadU(d, b + j * lanes);
      v[NV - 1] = kMask ? load_first(mask, d, b + last) : hn::LoadU(d, b + last);
#pragma GCC unroll 16
      for (int i = 0; i < Rows; ++i) {
        const V x = hn::Set(d, Stride ? first[i * Stride] : a[i][k]);
#pragma GCC unroll 4
        for (int j = 0; j < NV; ++j) c[i][j] = hn::MulAdd(x, v[j], c[i][j]);
      }
      b += p.sbk;
      if constexpr (Stride > 0) first += step;
    };
    int64_t k = 0, steps = part.depth;
    while (ahead.count > 0 && steps > 0) {
      const int64_t n = std::min((ahead.shares->count + kPace - 1) / kPace, steps);
      Fetch::Lines lines = *ahead.shares->lines;
      for (int64_t i = 0; i < n; ++i, k += step) {
#pragma GCC unroll 2
        for (int j = 0; j < kPace; ++j) prefetch_line(lines.next());
        add(k);
      }
      *ahead.shares->lines = lines;
      steps -= n;
      ahead.shares->count -= kPace * n;
      if (ahead.shares->count > 0) continue;
      ++ahead.shares;
      --ahead.count;
    }
    for (; k != end; k += step) add(k);
  }
  float* to[Rows];
  rows_of<Rows>(p.c + part.n, p.c_rows, p.ldc, m, to);
  const bool whole = part.width == hn::Lanes(d);
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < NV - 1; ++j) hn::StoreU(c[i][j], d, to[i] + j * lanes);
  if (whole) {
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) hn::StoreU(c[i][NV - 1], d, to[i] + (NV - 1) * lanes);
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) store_first(c[i][NV - 1], mask, d, to[i] + (NV - 1) * lanes);
  }
}

using Block = void (*)(const Product&, const Part&, int64_t, Ahead);

template <int NV, bool kUnit, bool kMask, int Stride, int... I>
constexpr std::array<Block, sizeof...(I)> blocks(std::integer_sequence<int, I...>) {
  return {&block<I + 1, NV, kUnit, kMask, Stride>...};
}

/// One strip of NV vectors, all rows: its panel of B stays in L1 meanwhile. What remains of the
/// rows is halved, not cut to a whole block and a sliver: few rows make the units wait.
template <int NV, bool kUnit, bool kMask, int Stride>
void strip(const Product& p, const Part& part) {
  constexpr int kRows = kRowsOf[NV];
  static constexpr auto kBlocks =
      blocks<NV, kUnit, kMask, Stride>(std::make_integer_sequence<int, kRows>());
  const int64_t most = part.taps * part.depth;
  // Blocks share in fetching the next panel, of which the first one would wait for every line. What
  // a block has no time for is left out.
  Fetch::Lines next(part.next, 0, 1, part.next ? most * p.sbk / kLine : 0);
  const int64_t each = next.count() * kRows / std::max<int64_t>(p.rows, 1) + 1;
  const auto make = [&](int64_t rows, int64_t m) {
    constexpr int kParts = 4;
    Fetch::Share shares[kParts + 1];
    int n = p.fetch ? p.fetch->take(most, kParts, shares) : 0;
    if (next.count() > 0) {
      shares[n] = {&next, std::min(each, next.count())};
      next.took(shares[n++].count);
    }
    kBlocks[rows - 1](p, part, m, {shares, n});
  };
  int64_t m = 0;
  for (; p.rows - m >= 2 * kRows; m += kRows) make(kRows, m);
  while (m < p.rows) {
    const int64_t left = p.rows - m, rows = left > kRows ? (left + 1) / 2 : left;
    make(rows, m);
    m += rows;
  }
}

template <bool kUnit, int Stride>
void strips(const Product& p, Part& part) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(D())), wide = kVectors * lanes;
  // The panels' own rows end in zeros; those of a B as it lies, in something else.
  const bool packed = p.sbk == wide;
  int64_t left = p.columns;
  for (; left > 0; left -= wide, part.n += wide, part.b += p.panel) {
    const int64_t vectors = (left + lanes - 1) / lanes;
    part.next = packed && part.taps && left > wide
                    ? p.b[part.first] + part.b + p.panel + part.k * p.sbk
                    : nullptr;
    part.width = static_cast<size_t>(
        vectors > 3 ? lanes : left - (std::min<int64_t>(vectors, 3) - 1) * lanes);
    const bool mask = !packed && part.width < static_cast<size_t>(lanes);
    if (vectors == 3 && !mask) return strip<3, kUnit, false, Stride>(p, part);
    if (vectors == 3) part.width = static_cast<size_t>(lanes);
    if (vectors >= 3 || (vectors == 2 && !mask))
      strip<2, kUnit, false, Stride>(p, part);
    else if (vectors == 2)
      strip<2, kUnit, true, 0>(p, part);
    else if (mask)
      strip<1, kUnit, true, 0>(p, part);
    else
      strip<1, kUnit, false, Stride>(p, part);
  }
}

void RunProduct(const Product& p) {
  // Whole taps if several fit, else a tap in equal parts. (Small products have no time to divide.)
  const int64_t cuts = p.depth > kDepth && p.batch ? (p.depth + kDepth - 1) / kDepth : 1;
  const int64_t taps = cuts > 1 || p.batch == 1 ? 1
                       : p.depth                ? std::max<int64_t>(kDepth / p.depth, 1)
                                                : p.batch;
  bool accumulate = p.accumulate;
  int first = 0;
  do {
    const int count = static_cast<int>(std::min<int64_t>(taps, p.batch - first));
    for (int64_t i = 0; i < cuts; ++i) {
      const int64_t k = i ? p.depth * i / cuts : 0;
      const int64_t depth = (i + 1 < cuts ? p.depth * (i + 1) / cuts : p.depth) - k;
      // Without a depth there may be no operands.
      Part part{first, depth ? count : 0, k, depth, accumulate, 0, 0, 0, nullptr};
      const int64_t stride = p.a_rows ? 0 : p.sam;
      if (p.sak == 1)
        stride == kLine ? strips<true, kLine>(p, part) : strips<true, 0>(p, part);
      else
        stride == 1 ? strips<false, 1>(p, part) : strips<false, 0>(p, part);
      accumulate = true;
    }
    first += count;
  } while (first < p.batch);
}

/// Rows x 4 dot products: 8 sums with 2 rows, enough to hide the multiply-add's latency.
template <int Rows>
void dot_block(const float* a, int64_t lda, const float* const* b, int64_t depth,
               float (*sums)[4]) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  V c[Rows][4];
#pragma GCC unroll 4
  for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) c[i][j] = hn::Zero(d);
  auto add = [&](int64_t k, auto&& load) HWY_ATTR {
    V x[Rows];
#pragma GCC unroll 4
    for (int i = 0; i < Rows; ++i) x[i] = load(a + i * lda + k);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const V y = load(b[j] + k);
#pragma GCC unroll 4
      for (int i = 0; i < Rows; ++i) c[i][j] = hn::MulAdd(x[i], y, c[i][j]);
    }
  };
  int64_t k = 0;
  for (; k + lanes <= depth; k += lanes)
    add(k, [&](const float* p) HWY_ATTR { return hn::LoadU(d, p); });
  if (k < depth) {
    const auto mask = hn::FirstN(d, static_cast<size_t>(depth - k));
    add(k, [&](const float* p) HWY_ATTR { return load_first(mask, d, p); });
  }
  for (int i = 0; i < Rows; ++i)
    for (int j = 0; j < 4; ++j) sums[i][j] = hn::GetLane(hn::SumOfLanes(d, c[i][j]));
}

void RunDots(const float* a, int64_t lda, const float* b, int64_t ldb, const float* bias,
             int64_t rows, int64_t columns, int64_t depth, float* c, int64_t ldc) {
  for (int64_t n = 0; n < columns; n += 4) {
    const int64_t count = std::min<int64_t>(4, columns - n);
    const float* at[4];
    for (int64_t j = 0; j < 4; ++j) at[j] = b + (n + std::min(j, count - 1)) * ldb;
    for (int64_t m = 0; m < rows; m += 2) {
      float sums[2][4];
      const int64_t pair = std::min<int64_t>(2, rows - m);
      (pair == 2 ? dot_block<2> : dot_block<1>)(a + m * lda, lda, at, depth, sums);
      for (int64_t i = 0; i < pair; ++i)
        for (int64_t j = 0; j < count; ++j)
          c[(m + i) * ldc + n + j] = (bias ? bias[n + j] : 0.0f) + sums[i][j];
    }
  }
}

int64_t PanelColumns() { return kVectors * static_cast<int64_t>(hn::Lanes(D())); }
int64_t BlockRows() { return kRowsOf[kVectors]; }
bool ProductInPlace(int64_t columns, int64_t depth) {
  constexpr int64_t kMostVectors = std::size(kRowsOf) - 1;
  return columns <= kMostVectors * static_cast<int64_t>(hn::Lanes(D())) && depth <= kDepth;
}
int64_t ProductBlocks(int64_t rows, int64_t columns, int64_t depth) {
  const auto parts = [](int64_t n, int64_t of) { return (n + of - 1) / of; };
  return parts(rows, BlockRows()) * parts(columns, PanelColumns()) * parts(depth, kDepth);
}

}  // namespace ballast::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast::kernels {
HWY_EXPORT(RunProduct);
HWY_EXPORT(RunDots);
HWY_EXPORT(PanelColumns);
HWY_EXPORT(BlockRows);
HWY_EXPORT(ProductInPlace);
HWY_EXPORT(ProductBlocks);

void product(const Product& p) { HWY_DYNAMIC_DISPATCH(RunProduct)(p); }

void dots(const float* a, int64_t lda, const float* b, int64_t ldb, const float* bias, int64_t rows,
          int64_t columns, int64_t depth, float* c, int64_t ldc) {
  HWY_DYNAMIC_DISPATCH(RunDots)(a, lda, b, ldb, bias, rows, columns, depth, c, ldc);
}

int64_t panel_columns() { return HWY_DYNAMIC_DISPATCH(PanelColumns)(); }
int64_t block_rows() { return HWY_DYNAMIC_DISPATCH(BlockRows)(); }

bool product_in_place(int64_t columns, int64_t depth) {
  return HWY_DYNAMIC_DISPATCH(ProductInPlace)(columns, depth);
}

int64_t product_blocks(int64_t rows, int64_t columns, int64_t depth) {
  return HWY_DYNAMIC_DISPATCH(ProductBlocks)(rows, columns, depth);
}

namespace {

/// Whole lines first: a call of memcpy, for lengths unknown, would take longer than the copying.
void copy_row(const float* from, int64_t n, float* to) {
  int64_t i = 0;
  for (; i + kLine <= n; i += kLine) std::memcpy(to + i, from + i, kLine * sizeof(float));
  for (; i < n; ++i) to[i] = from[i];
}

}  // namespace

void pack_b(const float* b, int64_t sbk, int64_t sbn, int64_t depth, int64_t columns, float* packed,
            int64_t panel) {
  const int64_t w = panel_columns(), whole = columns / w * w;
  if (panel == 0) panel = depth * w;
  if (sbn == 1)  // memory is read in its order
    for (int64_t k = 0; k < depth; ++k)
      for (int64_t n = 0; n < columns; n += w)
        copy_row(b + k * sbk + n, std::min(w, columns - n), packed + n / w * panel + k * w);
  else
    for (int64_t n = 0; n < columns; n += w)
      transpose(b + n * sbn, sbn, std::min(w, columns - n), depth, packed + n / w * panel, w);
  if (whole < columns)
    for (int64_t k = 0; k < depth; ++k) {
      float* row = packed + whole / w * panel + k * w;
      std::fill(row + columns - whole, row + w, 0.0f);
    }
}

}  // namespace ballast::kernels
#endif
