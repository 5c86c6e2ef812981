#include "ballast/kernels/product.h"

#include <algorithm>
#include <array>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ballast/kernels/product.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which includes this file once per target.
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace ballast::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// Accumulators fill the register file: 14x2 of 32 vectors with AVX-512, 6x2 of 16 otherwise (12
// accumulators, 2 of B, 1 of A). Both exceed latency times throughput of the multiply-add (4 cycles
// x 2), so the units never wait.
constexpr int kRows = HWY_TARGET <= HWY_AVX3 ? 14 : 6;
constexpr int kVectors = 2;

HWY_INLINE V load_b(D d, const float* p, bool masked, hn::Mask<D> mask) {
  return masked ? hn::MaskedLoad(mask, d, p) : hn::LoadU(d, p);
}

/// Rows x NV vectors of C. With kMasked the last vector is cut to `width` columns.
template <int Rows, int NV, bool kMasked>
HWY_NOINLINE void block(const Product& p, int64_t m, int64_t n, int64_t b_offset, size_t width) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto mask = hn::FirstN(d, width);
  V c[Rows][NV];
  float* to = p.c + m * p.ldc + n;
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < NV; ++j)
      c[i][j] = p.accumulate ? load_b(d, to + i * p.ldc + j * lanes, kMasked && j == NV - 1, mask)
                : p.bias     ? load_b(d, p.bias + n + j * lanes, kMasked && j == NV - 1, mask)
                             : hn::Zero(d);
  for (int t = 0; t < p.batch; ++t) {
    const float* a = p.a[t] + m * p.sam;
    const float* b = p.b[t] + b_offset;
    for (int64_t k = 0; k < p.depth; ++k, a += p.sak, b += p.sbk) {
      V v[NV];
#pragma GCC unroll 2
      for (int j = 0; j < NV; ++j) v[j] = load_b(d, b + j * lanes, kMasked && j == NV - 1, mask);
#pragma GCC unroll 16
      for (int i = 0; i < Rows; ++i) {
        const V x = hn::Set(d, a[i * p.sam]);
#pragma GCC unroll 2
        for (int j = 0; j < NV; ++j) c[i][j] = hn::MulAdd(x, v[j], c[i][j]);
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < NV; ++j) {
      if (kMasked && j == NV - 1)
        hn::BlendedStore(c[i][j], mask, d, to + i * p.ldc + j * lanes);
      else
        hn::StoreU(c[i][j], d, to + i * p.ldc + j * lanes);
    }
}

using Block = void (*)(const Product&, int64_t, int64_t, int64_t, size_t);

template <int NV, bool kMasked, int... I>
constexpr std::array<Block, sizeof...(I)> blocks(std::integer_sequence<int, I...>) {
  return {&block<I + 1, NV, kMasked>...};
}
using AllRows = std::make_integer_sequence<int, kRows>;
constexpr auto kWhole = blocks<2, false>(AllRows());
constexpr auto kCutSecond = blocks<2, true>(AllRows());
constexpr auto kCutFirst = blocks<1, true>(AllRows());

/// One column block for all rows: the panel of B stays in L1 meanwhile.
HWY_INLINE void column_block(const Product& p, const std::array<Block, kRows>& by_rows, int64_t n,
                             int64_t b_offset, size_t width) {
  for (int64_t m = 0; m < p.rows; m += kRows)
    by_rows[std::min<int64_t>(p.rows - m, kRows) - 1](p, m, n, b_offset, width);
}

void RunProduct(const Product& p) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(D()));
  const int64_t wide = kVectors * lanes;
  int64_t n = 0, panel = 0;
  for (; n + wide <= p.columns; n += wide, panel += p.panel) column_block(p, kWhole, n, panel, 0);
  const int64_t rest = p.columns - n;
  if (rest > lanes)
    column_block(p, kCutSecond, n, panel, static_cast<size_t>(rest - lanes));
  else if (rest > 0)
    column_block(p, kCutFirst, n, panel, static_cast<size_t>(rest));
}

int64_t PanelColumns() { return kVectors * static_cast<int64_t>(hn::Lanes(D())); }

}  // namespace ballast::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast::kernels {
HWY_EXPORT(RunProduct);
HWY_EXPORT(PanelColumns);

void product(const Product& p) { HWY_DYNAMIC_DISPATCH(RunProduct)(p); }

int64_t panel_columns() { return HWY_DYNAMIC_DISPATCH(PanelColumns)(); }

void pack_b(const float* b, int64_t sbk, int64_t sbn, int64_t depth, int64_t columns,
            float* packed) {
  const int64_t w = panel_columns();
  for (int64_t n = 0; n < columns; n += w) {
    const int64_t width = std::min(w, columns - n);
    const float* from = b + n * sbn;
    for (int64_t k = 0; k < depth; ++k, packed += w) {
      for (int64_t j = 0; j < width; ++j) packed[j] = from[k * sbk + j * sbn];
      std::fill(packed + width, packed + w, 0.0f);
    }
  }
}

}  // namespace ballast::kernels
#endif
