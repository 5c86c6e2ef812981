#include "ballast/kernels/pool.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ballast/kernels/pool.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which includes this file once per target.
#include "ballast/kernels/partial-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace ballast::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

/// Calls f(load, store, first channel) for vectors of channels, the last one masked.
template <class F>
HWY_INLINE void for_channels(int64_t channels, const F& f) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t c = 0;
  for (; c + lanes <= channels; c += lanes)
    f([=](const float* p) HWY_ATTR { return hn::LoadU(d, p); },
      [=](V v, float* p) HWY_ATTR { hn::StoreU(v, d, p); }, c);
  if (c == channels) return;
  const auto mask = hn::FirstN(d, static_cast<size_t>(channels - c));
  f([=](const float* p) HWY_ATTR { return load_first(mask, d, p); },
    [=](V v, float* p) HWY_ATTR { store_first(v, mask, d, p); }, c);
}

/// Whether v comes to be the largest after `largest`: PyTorch's comparison.
HWY_INLINE hn::Mask<D> beats(V v, V largest) { return hn::Or(hn::Gt(v, largest), hn::IsNaN(v)); }

/// As many taps as there are, known to the compiler for the usual windows (0: any).
template <int kTaps, class Row>
HWY_INLINE int64_t taps_of(const Row& r) {
  return kTaps ? kTaps : r.taps;
}

template <int kTaps>
void max_row(const PoolRow& r) {
  const int64_t taps = taps_of<kTaps>(r);
  for (int64_t j = 0; j < r.outputs; ++j)
    for_channels(r.channels, [&](auto load, auto store, int64_t c) HWY_ATTR {
      V largest = hn::Set(D(), -INFINITY);
      for (int64_t t = 0; t < taps; ++t) {
        const V v = load(r.x[t] + j * r.step + c);
        largest = hn::IfThenElse(beats(v, largest), v, largest);
      }
      store(largest, r.out + j * r.out_step + c);
    });
}

void MeanRow(const PoolRow& r, const float* weights, float divisor) {
  const D d;
  const V by = hn::Set(d, divisor);
  for (int64_t j = 0; j < r.outputs; ++j)
    for_channels(r.channels, [&](auto load, auto store, int64_t c) HWY_ATTR {
      V sum = hn::Zero(d);
      for (int64_t t = 0; t < r.taps; ++t) {
        const V v = load(r.x[t] + j * r.step + c);
        sum = weights ? hn::MulAdd(v, hn::Set(d, weights[t]), sum) : hn::Add(sum, v);
      }
      store(hn::Div(sum, by), r.out + j * r.out_step + c);
    });
}

template <int kTaps>
void max_grad_row(const MaxPoolGradRow& r) {
  const int64_t taps = taps_of<kTaps>(r);
  for (int64_t j = 0; j < r.outputs; ++j)
    for_channels(r.channels, [&](auto load, auto store, int64_t c) HWY_ATTR {
      const D d;
      const V one = hn::Set(d, 1.0f);
      // The number of the tap that is the largest so far; counted in floats.
      V largest = hn::Set(d, -INFINITY), winner = hn::Zero(d), number = hn::Zero(d);
      for (int64_t t = 0; t < taps; ++t) {
        const V v = load(r.x[t] + j * r.step + c);
        const auto wins = beats(v, largest);
        largest = hn::IfThenElse(wins, v, largest);
        winner = hn::IfThenElse(wins, number, winner);
        number = hn::Add(number, one);
      }
      const V g = load(r.g + j * r.g_step + c);
      number = hn::Zero(d);
      for (int64_t t = 0; t < taps; ++t) {
        if (r.dx[t]) {
          float* to = r.dx[t] + j * r.dx_step + c;
          store(hn::Add(load(to), hn::IfThenElseZero(hn::Eq(winner, number), g)), to);
        }
        number = hn::Add(number, one);
      }
    });
}

void MaxRow(const PoolRow& r) {
  if (r.taps == 4) return max_row<4>(r);
  if (r.taps == 9) return max_row<9>(r);
  max_row<0>(r);
}

void MaxGradRow(const MaxPoolGradRow& r) {
  if (r.taps == 4) return max_grad_row<4>(r);
  if (r.taps == 9) return max_grad_row<9>(r);
  max_grad_row<0>(r);
}

}  // namespace ballast::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast::kernels {
HWY_EXPORT(MaxRow);
HWY_EXPORT(MeanRow);
HWY_EXPORT(MaxGradRow);

void max_pool_row(const PoolRow& row) { HWY_DYNAMIC_DISPATCH(MaxRow)(row); }
void mean_pool_row(const PoolRow& row, const float* weights, float divisor) {
  HWY_DYNAMIC_DISPATCH(MeanRow)(row, weights, divisor);
}
void max_pool_grad_row(const MaxPoolGradRow& row) { HWY_DYNAMIC_DISPATCH(MaxGradRow)(row); }
}  // namespace ballast::kernels
#endif
