#include "ballast/kernels/pointwise.h"

#include <algorithm>

#include "ballast/kernels/fetch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ballast/kernels/pointwise.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which includes this file once per target.
#include "ballast/kernels/partial-inl.h"
#include "hwy/cache_control.h"
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace ballast::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

template <bool kMasked>
HWY_INLINE V load(const float* p, hn::Mask<D> mask) {
  if constexpr (kMasked) return load_first(mask, D(), p);
  return hn::LoadU(D(), p);
}
template <bool kMasked>
HWY_INLINE void store(V v, float* p, hn::Mask<D> mask) {
  if constexpr (kMasked)
    store_first(v, mask, D(), p);
  else
    hn::StoreU(v, D(), p);
}

/// The second operand; where there is none, the first: the loops advance all pointers.
HWY_INLINE const RowOperand& second(const PointwiseCall& o) { return o.b.at ? o.b : o.a; }

/// Fetches `n` floats of both operands' rows for later.
HWY_INLINE void fetch_ahead(const float* a, int64_t ahead_a, const float* b, int64_t ahead_b,
                            int64_t n) {
  for (int64_t i = 0; i < n; i += kLine) {
    if (ahead_a) prefetch(a + i, ahead_a);
    if (ahead_b) prefetch(b + i, ahead_b);
  }
}

/// Stores f(a, b) for every element.
template <class F>
HWY_INLINE void binary(const PointwiseCall& o, const F& f) {
  const RowOperand& other = second(o);
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(D())), columns = o.columns,
                whole = columns / lanes * lanes, ahead_a = o.a.ahead, ahead_b = o.b.ahead;
  const auto mask = hn::FirstN(D(), static_cast<size_t>(columns - whole));
  for (int64_t r = 0, rows = o.rows; r < rows; ++r) {
    const float *a = o.a.at + r * o.a.pitch, *b = other.at + r * other.pitch;
    float* out = o.out + r * o.out_pitch;
    int64_t c = 0;
    for (; c < whole; c += lanes) {
      fetch_ahead(a + c, ahead_a, b + c, ahead_b, lanes);
      store<false>(f(load<false>(a + c, mask), load<false>(b + c, mask)), out + c, mask);
    }
    if (c < columns)
      store<true>(f(load<true>(a + c, mask), load<true>(b + c, mask)), out + c, mask);
  }
}
template <class F>
HWY_INLINE void unary(const PointwiseCall& o, const F& f) {
  binary(o, [&](V a, V) HWY_ATTR { return f(a); });
}

/// Numbers of a vector of columns.
struct Coefficients {
  V m, s, t, s2;

  template <bool kMasked>
  static HWY_INLINE Coefficients at(const PointwiseCall& o, int64_t c, hn::Mask<D> mask) {
    return {load<kMasked>(o.m + c, mask), load<kMasked>(o.s + c, mask),
            load<kMasked>(o.t + c, mask), load<kMasked>(o.s2 + c, mask)};
  }
  HWY_INLINE V affine(V x) const { return hn::MulAdd(hn::Sub(x, m), s, t); }
};

/// Stores f(a, b, coefficients) down NV vectors of columns: what belongs to a column stays in
/// registers.
template <int NV, bool kMasked, class F>
HWY_INLINE void strip(const PointwiseCall& o, int64_t c, hn::Mask<D> mask, const F& f) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(D()));
  Coefficients k[NV];
  for (int j = 0; j < NV; ++j) k[j] = Coefficients::at<kMasked>(o, c + j * lanes, mask);
  const RowOperand& other = second(o);
  const float *a = o.a.at + c, *b = other.at + c;
  float* out = o.out + c;
  const int64_t rows = o.rows, pitch_a = o.a.pitch, pitch_b = other.pitch, pitch = o.out_pitch,
                ahead_a = o.a.ahead, ahead_b = o.b.ahead;
  for (int64_t r = 0; r < rows; ++r, a += pitch_a, b += pitch_b, out += pitch) {
    fetch_ahead(a, ahead_a, b, ahead_b, NV * lanes);
    for (int j = 0; j < NV; ++j)
      store<kMasked>(
          f(load<kMasked>(a + j * lanes, mask), load<kMasked>(b + j * lanes, mask), k[j]),
          out + j * lanes, mask);
  }
}

template <class F>
HWY_INLINE void by_columns(const PointwiseCall& o, const F& f) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(D()));
  const auto mask = hn::FirstN(D(), static_cast<size_t>(o.columns % lanes));
  int64_t c = 0;
  for (; c + 2 * lanes <= o.columns; c += 2 * lanes) strip<2, false>(o, c, mask, f);
  if (c + lanes <= o.columns) {
    strip<1, false>(o, c, mask, f);
    c += lanes;
  }
  if (c < o.columns) strip<1, true>(o, c, mask, f);
}

/// Highway's functions lose NaN by clamping their argument; NaN in is NaN out here.
HWY_INLINE V keep_nan(V x, V y) { return hn::IfThenElse(hn::Eq(x, x), y, x); }

/// Max and min as PyTorch has them: NaN wins from either side.
HWY_INLINE V nan_or(V a, V b, V y) {
  return hn::IfThenElse(hn::IsNaN(a), a, hn::IfThenElse(hn::IsNaN(b), b, y));
}

/// max(0, a) with NaN kept: a comparison that NaN fails.
HWY_INLINE V relu(V a) { return hn::IfThenZeroElse(hn::Lt(a, hn::Zero(D())), a); }
HWY_INLINE V relu_grad(V g, V x) { return hn::IfThenElseZero(hn::Gt(x, hn::Zero(D())), g); }
HWY_INLINE V clamp(V a, V low, V high) {
  a = hn::IfThenElse(hn::Lt(a, low), low, a);
  return hn::IfThenElse(hn::Gt(a, high), high, a);
}
HWY_INLINE V clamp_grad(V g, V x, V low, V high) {
  return hn::IfThenElseZero(hn::And(hn::Gt(x, low), hn::Lt(x, high)), g);
}

void Run(const PointwiseCall& o) {
  const D d;
  const V zero = hn::Zero(d), one = hn::Set(d, 1.0f);
  const V p = hn::Set(d, o.p), q = hn::Set(d, o.q);
  switch (o.code) {
    case Pointwise::kNone:
      return;
    case Pointwise::kCopy:
      return unary(o, [](V a) HWY_ATTR { return a; });
    case Pointwise::kAdd:
      return binary(o, [](V a, V b) HWY_ATTR { return hn::Add(a, b); });
    case Pointwise::kSub:
      return binary(o, [](V a, V b) HWY_ATTR { return hn::Sub(a, b); });
    case Pointwise::kMul:
      return binary(o, [](V a, V b) HWY_ATTR { return hn::Mul(a, b); });
    case Pointwise::kDiv:
      return binary(o, [](V a, V b) HWY_ATTR { return hn::Div(a, b); });
    case Pointwise::kMaximum:
      return binary(o, [](V a, V b) HWY_ATTR { return nan_or(a, b, hn::Max(a, b)); });
    case Pointwise::kMinimum:
      return binary(o, [](V a, V b) HWY_ATTR { return nan_or(a, b, hn::Min(a, b)); });
    case Pointwise::kNeg:
      return unary(o, [](V a) HWY_ATTR { return hn::Neg(a); });
    case Pointwise::kAbs:
      return unary(o, [](V a) HWY_ATTR { return hn::Abs(a); });
    case Pointwise::kSquare:
      return unary(o, [](V a) HWY_ATTR { return hn::Mul(a, a); });
    case Pointwise::kSqrt:
      return unary(o, [](V a) HWY_ATTR { return hn::Sqrt(a); });
    case Pointwise::kRsqrt:
      return unary(o, [&](V a) HWY_ATTR { return hn::Div(one, hn::Sqrt(a)); });
    case Pointwise::kReciprocal:
      return unary(o, [&](V a) HWY_ATTR { return hn::Div(one, a); });
    case Pointwise::kExp:
      return unary(o, [&](V a) HWY_ATTR { return keep_nan(a, hn::Exp(d, a)); });
    case Pointwise::kLog:
      // Highway's logarithm takes positive normal numbers; the rest is IEEE's: log(0) = -inf, NaN
      // below.
      return unary(o, [&](V a) HWY_ATTR {
        const V inf = hn::Set(d, HUGE_VALF);
        V y = hn::Log(d, a);
        y = hn::IfThenElse(hn::Eq(a, inf), inf, y);
        y = hn::IfThenElse(hn::Eq(a, zero), hn::Neg(inf), y);
        y = hn::IfThenElse(hn::Lt(a, zero), hn::Div(zero, zero), y);
        return keep_nan(a, y);
      });
    case Pointwise::kRelu:
      return unary(o, [](V a) HWY_ATTR { return relu(a); });
    case Pointwise::kReluGrad:
      return binary(o, [](V a, V b) HWY_ATTR { return relu_grad(a, b); });
    case Pointwise::kSigmoid:
      return unary(o, [&](V a) HWY_ATTR {
        return keep_nan(a, hn::Div(one, hn::Add(one, hn::Exp(d, hn::Neg(a)))));
      });
    case Pointwise::kTanh:
      return unary(o, [&](V a) HWY_ATTR { return keep_nan(a, hn::Tanh(d, a)); });
    case Pointwise::kClamp:
      return unary(o, [&](V a) HWY_ATTR { return clamp(a, p, q); });
    case Pointwise::kClampGrad:
      return binary(o, [&](V a, V b) HWY_ATTR { return clamp_grad(a, b, p, q); });
    case Pointwise::kLeakyRelu:
      return unary(o,
                   [&](V a) HWY_ATTR { return hn::IfThenElse(hn::Gt(a, zero), a, hn::Mul(a, p)); });
    case Pointwise::kLeakyReluGrad:
      return binary(
          o, [&](V a, V b) HWY_ATTR { return hn::IfThenElse(hn::Gt(b, zero), a, hn::Mul(a, p)); });
    case Pointwise::kChannelAffine:
      return by_columns(o, [](V a, V, const auto& k) HWY_ATTR { return k.affine(a); });
    case Pointwise::kChannelScale:
      return by_columns(o, [](V a, V, const auto& k) HWY_ATTR { return hn::Mul(a, k.s); });
    case Pointwise::kAffineRelu:
      return by_columns(o, [](V a, V, const auto& k) HWY_ATTR { return relu(k.affine(a)); });
    case Pointwise::kAffineClamp:
      return by_columns(o,
                        [&](V a, V, const auto& k) HWY_ATTR { return clamp(k.affine(a), p, q); });
    case Pointwise::kAffineAdd:
      return by_columns(o,
                        [](V a, V b, const auto& k) HWY_ATTR { return hn::Add(k.affine(a), b); });
    case Pointwise::kAffineAddRelu:
      return by_columns(
          o, [](V a, V b, const auto& k) HWY_ATTR { return relu(hn::Add(k.affine(a), b)); });
    case Pointwise::kAddRelu:
      return binary(o, [](V a, V b) HWY_ATTR { return relu(hn::Add(a, b)); });
    case Pointwise::kAffineReluGrad:
      return by_columns(o,
                        [](V a, V b, const auto& k) HWY_ATTR { return relu_grad(a, k.affine(b)); });
    case Pointwise::kAffineClampGrad:
      return by_columns(
          o, [&](V a, V b, const auto& k) HWY_ATTR { return clamp_grad(a, k.affine(b), p, q); });
    case Pointwise::kNormGrad:
      return by_columns(o, [](V a, V b, const auto& k)
                               HWY_ATTR { return hn::Add(hn::Mul(a, k.s2), k.affine(b)); });
  }
}

/// Whole cache lines go past the caches; what begins or ends inside one does not.
void StreamRow(const float* from, int64_t n, float* to) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto misaligned =
      static_cast<int64_t>(reinterpret_cast<uintptr_t>(to) / sizeof(float)) % kLine;
  int64_t i = std::min(n, misaligned ? kLine - misaligned : 0);
  std::copy_n(from, i, to);
  for (; i + kLine <= n; i += kLine)
    for (int64_t j = 0; j < kLine; j += lanes)
      hn::Stream(hn::LoadU(d, from + i + j), d, to + i + j);
  std::copy_n(from + i, n - i, to + i);
}

void RunStream(const float* from, int64_t from_pitch, int64_t rows, int64_t columns, float* to,
               int64_t to_pitch) {
  if (from_pitch == columns && to_pitch == columns) return StreamRow(from, rows * columns, to);
  for (int64_t r = 0; r < rows; ++r) StreamRow(from + r * from_pitch, columns, to + r * to_pitch);
}

}  // namespace ballast::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast::kernels {
HWY_EXPORT(Run);
HWY_EXPORT(RunStream);
void stream(const float* from, int64_t from_pitch, int64_t rows, int64_t columns, float* to,
            int64_t to_pitch) {
  HWY_DYNAMIC_DISPATCH(RunStream)(from, from_pitch, rows, columns, to, to_pitch);
}
void stream_fence() { hwy::FlushStream(); }
void pointwise(PointwiseCall&& o) {
  // Dense rows without numbers of their columns are one row.
  const bool dense =
      o.out_pitch == o.columns && o.a.pitch == o.columns && (!o.b.at || o.b.pitch == o.columns);
  if (dense && !o.s) {
    o.columns *= o.rows;
    o.rows = 1;
  }
  // The loops load all numbers of a column; those that an instruction lacks must not be null.
  for (const float** row : {&o.m, &o.s, &o.t, &o.s2})
    if (!*row) *row = o.a.at;
  HWY_DYNAMIC_DISPATCH(Run)(o);
}
}  // namespace ballast::kernels
#endif
