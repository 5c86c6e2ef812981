#include "ballast/kernels/columns.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ballast/kernels/columns.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which includes this file once per target.
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace ballast::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// Rows added up in one float before the sum moves on to another: rounding grows with 32 plus the
// number of such runs, not with the number of rows.
constexpr int64_t kRun = 32;

/// Adds up term(row offset) for all rows, for NV vectors of columns.
template <int NV, class Term>
HWY_INLINE void sum_rows(int64_t rows, const Term& term, V (&total)[NV]) {
  const D d;
  for (int j = 0; j < NV; ++j) total[j] = hn::Zero(d);
  for (int64_t r0 = 0; r0 < rows; r0 += kRun) {
    V run[NV];
    for (int j = 0; j < NV; ++j) run[j] = hn::Zero(d);
    for (int64_t r = r0; r < std::min(rows, r0 + kRun); ++r)
      for (int j = 0; j < NV; ++j) run[j] = term(r, j, run[j]);
    for (int j = 0; j < NV; ++j) total[j] = hn::Add(total[j], run[j]);
  }
}

template <int NV, bool kMasked>
HWY_INLINE V load(D d, const float* p, int j, hn::Mask<D> mask) {
  const float* at = p + j * static_cast<int64_t>(hn::Lanes(d));
  return kMasked ? hn::MaskedLoad(mask, d, at) : hn::LoadU(d, at);
}
template <int NV, bool kMasked>
HWY_INLINE void store(D d, V v, float* p, int j, hn::Mask<D> mask) {
  float* at = p + j * static_cast<int64_t>(hn::Lanes(d));
  if (kMasked)
    hn::BlendedStore(v, mask, d, at);
  else
    hn::StoreU(v, d, at);
}

template <int NV, bool kMasked>
void moments_strip(const float* x, int64_t rows, int64_t columns, size_t width, float* centre,
                   float* sums, float* squares) {
  const D d;
  const auto mask = hn::FirstN(d, width);
  // The mean relative to the first row, which has about the size of the others.
  V first[NV], sum[NV];
  for (int j = 0; j < NV; ++j) first[j] = load<NV, kMasked>(d, x, j, mask);
  sum_rows<NV>(
      rows,
      [&](int64_t r, int j, V s) HWY_ATTR {
        return hn::Add(s, hn::Sub(load<NV, kMasked>(d, x + r * columns, j, mask), first[j]));
      },
      sum);
  const V inverse = hn::Set(d, 1.0f / static_cast<float>(rows));
  for (int j = 0; j < NV; ++j) first[j] = hn::MulAdd(sum[j], inverse, first[j]);
  V both[2 * NV];
  sum_rows<2 * NV>(
      rows,
      [&](int64_t r, int j, V s) HWY_ATTR {
        const V v = hn::Sub(load<NV, kMasked>(d, x + r * columns, j % NV, mask), first[j % NV]);
        return j < NV ? hn::Add(s, v) : hn::MulAdd(v, v, s);
      },
      both);
  for (int j = 0; j < NV; ++j) {
    store<NV, kMasked>(d, first[j], centre, j, mask);
    store<NV, kMasked>(d, both[j], sums, j, mask);
    store<NV, kMasked>(d, both[NV + j], squares, j, mask);
  }
}

template <int NV, bool kMasked>
void sums_strip(const float* g, const float* x, const float* centre, int64_t rows, int64_t columns,
                size_t width, float* sum, float* centred) {
  const D d;
  const auto mask = hn::FirstN(d, width);
  V s[NV];
  sum_rows<NV>(
      rows,
      [&](int64_t r, int j, V a)
          HWY_ATTR { return hn::Add(a, load<NV, kMasked>(d, g + r * columns, j, mask)); },
      s);
  for (int j = 0; j < NV; ++j) store<NV, kMasked>(d, s[j], sum, j, mask);
  if (!x) return;
  V c[NV];
  for (int j = 0; j < NV; ++j) c[j] = load<NV, kMasked>(d, centre, j, mask);
  sum_rows<NV>(
      rows,
      [&](int64_t r, int j, V a) HWY_ATTR {
        return hn::MulAdd(load<NV, kMasked>(d, g + r * columns, j, mask),
                          hn::Sub(load<NV, kMasked>(d, x + r * columns, j, mask), c[j]), a);
      },
      s);
  for (int j = 0; j < NV; ++j) store<NV, kMasked>(d, s[j], centred, j, mask);
}

/// Calls f<NV, masked>(first column, width) over strips of columns.
template <class F>
HWY_INLINE void for_strips(int64_t columns, const F& f) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(D()));
  int64_t c = 0;
  for (; c + 4 * lanes <= columns; c += 4 * lanes) f.template operator()<4, false>(c, lanes);
  for (; c + lanes <= columns; c += lanes) f.template operator()<1, false>(c, lanes);
  if (c < columns) f.template operator()<1, true>(c, columns - c);
}

void Moments(const float* x, int64_t rows, int64_t columns, float* centre, float* sums,
             float* squares) {
  for_strips(columns, [&]<int NV, bool kMasked>(int64_t c, int64_t width) {
    moments_strip<NV, kMasked>(x + c, rows, columns, static_cast<size_t>(width), centre + c,
                               sums + c, squares + c);
  });
}

void Sums(const float* g, const float* x, const float* centre, int64_t rows, int64_t columns,
          float* sum, float* centred) {
  for_strips(columns, [&]<int NV, bool kMasked>(int64_t c, int64_t width) {
    sums_strip<NV, kMasked>(g + c, x ? x + c : nullptr, x ? centre + c : nullptr, rows, columns,
                            static_cast<size_t>(width), sum + c, x ? centred + c : nullptr);
  });
}

void MaxPoolTake(const float* x, const float* y, float* rest, float* dx, int64_t n) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < n; i += lanes) {
    const auto mask = hn::FirstN(d, static_cast<size_t>(std::min(lanes, n - i)));
    const V a = hn::MaskedLoad(mask, d, x + i), b = hn::MaskedLoad(mask, d, y + i);
    const V r = hn::MaskedLoad(mask, d, rest + i), sum = hn::MaskedLoad(mask, d, dx + i);
    const auto takes =
        hn::Or(hn::Eq(a, b), hn::IsNaN(a));  // the only NaN a maximum lets pass is its own
    hn::BlendedStore(hn::Add(sum, hn::IfThenElseZero(takes, r)), mask, d, dx + i);
    hn::BlendedStore(hn::IfThenZeroElse(takes, r), mask, d, rest + i);
  }
}

HWY_INLINE V exp_keeping_nan(D d, V x) { return hn::IfThenElse(hn::Eq(x, x), hn::Exp(d, x), x); }

void LogSumExp(const float* x, int64_t rows, int64_t columns, float* out) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const V low = hn::Set(d, -INFINITY);
  for (int64_t r = 0; r < rows; ++r, x += columns) {
    V top = low;
    int64_t c = 0;
    for (; c + lanes <= columns; c += lanes) top = hn::Max(top, hn::LoadU(d, x + c));
    const auto rest = hn::FirstN(d, static_cast<size_t>(columns - c));
    const V last = hn::IfThenElse(rest, hn::MaskedLoad(rest, d, x + c), low);
    top = hn::MaxOfLanes(d, hn::Max(top, last));
    // A row of infinities must come out as such, not as inf - inf.
    if (!std::isfinite(hn::GetLane(top))) top = hn::Zero(d);
    V sum = hn::Zero(d);
    for (c = 0; c + lanes <= columns; c += lanes)
      sum = hn::Add(sum, exp_keeping_nan(d, hn::Sub(hn::LoadU(d, x + c), top)));
    sum = hn::Add(sum, hn::IfThenElseZero(rest, exp_keeping_nan(d, hn::Sub(last, top))));
    out[r] = hn::GetLane(top) + std::log(hn::GetLane(hn::SumOfLanes(d, sum)));
  }
}

void ExpAffine(const float* x, int64_t n, float shift, float scale, float offset, float* out) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const V s = hn::Set(d, shift), a = hn::Set(d, scale), b = hn::Set(d, offset);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    hn::StoreU(hn::MulAdd(exp_keeping_nan(d, hn::Sub(hn::LoadU(d, x + i), s)), a, b), d, out + i);
  const auto rest = hn::FirstN(d, static_cast<size_t>(n - i));
  const V v = hn::MulAdd(exp_keeping_nan(d, hn::Sub(hn::MaskedLoad(rest, d, x + i), s)), a, b);
  if (i < n) hn::BlendedStore(v, rest, d, out + i);
}

}  // namespace ballast::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast::kernels {
HWY_EXPORT(Moments);
HWY_EXPORT(Sums);
HWY_EXPORT(LogSumExp);
HWY_EXPORT(MaxPoolTake);
HWY_EXPORT(ExpAffine);

void column_moments(const float* x, int64_t rows, int64_t columns, float* centre, float* sum,
                    float* squares) {
  HWY_DYNAMIC_DISPATCH(Moments)(x, rows, columns, centre, sum, squares);
}
void column_sums(const float* g, const float* x, const float* centre, int64_t rows, int64_t columns,
                 float* sum, float* centred) {
  HWY_DYNAMIC_DISPATCH(Sums)(g, x, centre, rows, columns, sum, centred);
}
void max_pool_take(const float* x, const float* y, float* rest, float* dx, int64_t n) {
  HWY_DYNAMIC_DISPATCH(MaxPoolTake)(x, y, rest, dx, n);
}
void row_log_sum_exp(const float* x, int64_t rows, int64_t columns, float* out) {
  HWY_DYNAMIC_DISPATCH(LogSumExp)(x, rows, columns, out);
}
void exp_affine(const float* x, int64_t n, float shift, float scale, float offset, float* out) {
  HWY_DYNAMIC_DISPATCH(ExpAffine)(x, n, shift, scale, offset, out);
}
}  // namespace ballast::kernels
#endif
