#include "ballast/kernels/softmax.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ballast/kernels/softmax.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which includes this file once per target.
#include "ballast/kernels/exp-inl.h"
#include "ballast/kernels/partial-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace ballast::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

/// Calls f(load, store, position) for vectors of a row, the last one masked.
template <class F>
HWY_INLINE void for_vectors(int64_t n, const F& f) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    f([=](const float* p) HWY_ATTR { return hn::LoadU(d, p); },
      [=](V v, float* p) HWY_ATTR { hn::StoreU(v, d, p); }, i);
  if (i == n) return;
  const auto mask = hn::FirstN(d, static_cast<size_t>(n - i));
  f([=](const float* p) HWY_ATTR { return load_first(mask, d, p); },
    [=](V v, float* p) HWY_ATTR { store_first(v, mask, d, p); }, i);
}

HWY_INLINE float maximum(const float* x, int64_t n) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  if (n < lanes) return *std::max_element(x, x + n);
  V top = hn::LoadU(d, x);
  for (int64_t i = 0; i < n; i += lanes)
    top = hn::Max(top, hn::LoadU(d, x + std::min(i, n - lanes)));
  return hn::GetLane(hn::MaxOfLanes(d, top));
}

// Vectors added up in one before the sum moves on to another.
constexpr int64_t kRun = 32;

/// The sum of f(load, position) over a row; f must give 0 for what is masked out.
template <class F>
HWY_INLINE float sum(int64_t n, const F& f) {
  const D d;
  const int64_t run = kRun * static_cast<int64_t>(hn::Lanes(d));
  V total = hn::Zero(d);
  for (int64_t at = 0; at < n; at += run) {
    V part = hn::Zero(d);
    for_vectors(std::min(run, n - at), [&](auto load, auto, int64_t i)
                                           HWY_ATTR { part = hn::Add(part, f(load, at + i)); });
    total = hn::Add(total, part);
  }
  return hn::GetLane(hn::SumOfLanes(d, total));
}

/// Largest element and sum of the exponentials of the others, relative to it.
struct Normalizer {
  HWY_INLINE Normalizer(const float* x, int64_t n) {
    const D d;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    top = maximum(x, n);
    // A row with infinity, or of minus infinity only, is inf - inf: NaN throughout.
    const V shift = hn::Set(d, top);
    const int64_t whole = n / lanes * lanes;
    all = sum(whole, [&](auto load, int64_t i)
                         HWY_ATTR { return exponential(hn::Sub(load(x + i), shift)); });
    if (whole == n) return;
    const auto rest = hn::FirstN(d, static_cast<size_t>(n - whole));
    const V last = exponential(hn::Sub(load_first(rest, d, x + whole), shift));
    all += hn::GetLane(hn::SumOfLanes(d, hn::IfThenElseZero(rest, last)));
  }
  float top, all;
};

void Softmax(const float* x, int64_t rows, int64_t n, float* y) {
  const D d;
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
    const Normalizer z(x, n);
    const V top = hn::Set(d, z.top), scale = hn::Set(d, 1 / z.all);
    for_vectors(n, [&](auto load, auto store, int64_t i) HWY_ATTR {
      store(hn::Mul(exponential(hn::Sub(load(x + i), top)), scale), y + i);
    });
  }
}

void LogSoftmax(const float* x, int64_t rows, int64_t n, float* y) {
  const D d;
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
    const Normalizer z(x, n);
    const V top = hn::Set(d, z.top), log_sum = hn::Set(d, std::log(z.all));
    for_vectors(n, [&](auto load, auto store, int64_t i)
                       HWY_ATTR { store(hn::Sub(hn::Sub(load(x + i), top), log_sum), y + i); });
  }
}

void SoftmaxGrad(const float* g, const float* y, int64_t rows, int64_t n, float* dx) {
  const D d;
  for (int64_t r = 0; r < rows; ++r, g += n, y += n, dx += n) {
    const V dot = hn::Set(d, sum(n, [&](auto load, int64_t i)
                                        HWY_ATTR { return hn::Mul(load(g + i), load(y + i)); }));
    for_vectors(n, [&](auto load, auto store, int64_t i) HWY_ATTR {
      store(hn::Mul(hn::Sub(load(g + i), dot), load(y + i)), dx + i);
    });
  }
}

void LogSoftmaxGrad(const float* g, const float* y, int64_t rows, int64_t n, float* dx) {
  const D d;
  for (int64_t r = 0; r < rows; ++r, g += n, y += n, dx += n) {
    const V all = hn::Set(d, sum(n, [&](auto load, int64_t i) HWY_ATTR { return load(g + i); }));
    for_vectors(n, [&](auto load, auto store, int64_t i) HWY_ATTR {
      store(hn::NegMulAdd(exponential(load(y + i)), all, load(g + i)), dx + i);
    });
  }
}

}  // namespace ballast::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast::kernels {
HWY_EXPORT(Softmax);
HWY_EXPORT(LogSoftmax);
HWY_EXPORT(SoftmaxGrad);
HWY_EXPORT(LogSoftmaxGrad);

void softmax(const float* x, int64_t rows, int64_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(Softmax)(x, rows, n, y);
}
void log_softmax(const float* x, int64_t rows, int64_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(LogSoftmax)(x, rows, n, y);
}
void softmax_grad(const float* g, const float* y, int64_t rows, int64_t n, float* dx) {
  HWY_DYNAMIC_DISPATCH(SoftmaxGrad)(g, y, rows, n, dx);
}
void log_softmax_grad(const float* g, const float* y, int64_t rows, int64_t n, float* dx) {
  HWY_DYNAMIC_DISPATCH(LogSoftmaxGrad)(g, y, rows, n, dx);
}
}  // namespace ballast::kernels
#endif
