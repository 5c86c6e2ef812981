#include "ballast/kernels/pointwise.h"

#include <algorithm>
#include <type_traits>

#include "ballast/kernels/fetch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ballast/kernels/pointwise.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which includes this file once per target.
#include "ballast/kernels/exp-inl.h"
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

/// Calls f(vectors, masked, first column, mask) over strips of columns.
template <class F>
HWY_INLINE void for_strips(int64_t columns, const F& f) {
  using Two = std::integral_constant<int, 2>;
  using One = std::integral_constant<int, 1>;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(D()));
  const auto mask = hn::FirstN(D(), static_cast<size_t>(columns % lanes));
  int64_t c = 0;
  for (; c + 2 * lanes <= columns; c += 2 * lanes) f(Two(), std::false_type(), c, mask);
  if (c + lanes <= columns) {
    f(One(), std::false_type(), c, mask);
    c += lanes;
  }
  if (c < columns) f(One(), std::true_type(), c, mask);
}

template <class F>
HWY_INLINE void by_columns(const PointwiseCall& o, const F& f) {
  for_strips(o.columns, [&](auto vectors, auto masked, int64_t c, hn::Mask<D> mask)
                            HWY_ATTR { strip<vectors, masked>(o, c, mask, f); });
}

/// A gradient g through an activation of the normalized b, open(a, y) of y = affine(b): stores
/// result(g, c, coefficients) down NV vectors of columns, and adds up g and g*(b - m). As in
/// `column_sums`, rounding grows with 32 rows plus the number of such runs.
template <int NV, bool kMasked, class Open, class Result>
HWY_INLINE void summed_strip(const PointwiseCall& o, int64_t c, hn::Mask<D> mask, const Open& open,
                             const Result& result) {
  constexpr int64_t kRun = 32;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(D()));
  Coefficients k[NV];
  for (int j = 0; j < NV; ++j) k[j] = Coefficients::at<kMasked>(o, c + j * lanes, mask);
  const RowOperand& third = o.c.at ? o.c : o.a;
  const float *a = o.a.at + c, *b = o.b.at + c, *d = third.at + c;
  float* out = o.out + c;
  const int64_t pitch_a = o.a.pitch, pitch_b = o.b.pitch, pitch_d = third.pitch,
                pitch = o.out_pitch;
  for (int64_t r0 = 0; r0 < o.rows; r0 += kRun) {
    V sum[NV], centred[NV];
    for (int j = 0; j < NV; ++j) sum[j] = centred[j] = hn::Zero(D());
    const int64_t rows = std::min(kRun, o.rows - r0);
    for (int64_t r = 0; r < rows; ++r, a += pitch_a, b += pitch_b, d += pitch_d, out += pitch)
      for (int j = 0; j < NV; ++j) {
        const V x = hn::Sub(load<kMasked>(b + j * lanes, mask), k[j].m);
        const V g = open(load<kMasked>(a + j * lanes, mask), hn::MulAdd(x, k[j].s, k[j].t));
        sum[j] = hn::Add(sum[j], g);
        centred[j] = hn::MulAdd(g, x, centred[j]);
        store<kMasked>(result(g, load<kMasked>(d + j * lanes, mask), k[j]), out + j * lanes, mask);
      }
    for (int j = 0; j < NV; ++j) {
      const int64_t at = c + j * lanes;
      store<kMasked>(hn::Add(load<kMasked>(o.sum + at, mask), sum[j]), o.sum + at, mask);
      store<kMasked>(hn::Add(load<kMasked>(o.centred + at, mask), centred[j]), o.centred + at,
                     mask);
    }
  }
}

/// Stores result(g, c, coefficients) in all columns, and adds up as the call asks for.
template <class Open, class Result>
HWY_INLINE void open_columns(const PointwiseCall& o, const Open& open, const Result& result) {
  const auto strip = [&](auto vectors, auto masked, int64_t c, hn::Mask<D> mask)
                         HWY_ATTR { summed_strip<vectors, masked>(o, c, mask, open, result); };
  for_strips(o.columns, strip);
}

HWY_INLINE V scale_add(V g, V c, const Coefficients& k) { return hn::Add(hn::Mul(g, k.s), c); }

/// Max and min as PyTorch has them: NaN wins from either side.
HWY_INLINE V nan_or(V a, V b, V y) {
  return hn::IfThenElse(hn::IsNaN(a), a, hn::IfThenElse(hn::IsNaN(b), b, y));
}

/// max(0, a) with NaN kept: a comparison that NaN fails.
HWY_INLINE V relu(V a) { return hn::IfThenZeroElse(hn::Lt(a, hn::Zero(D())), a); }
HWY_INLINE V relu_grad(V g, V x) { return hn::IfThenZeroElse(hn::Le(x, hn::Zero(D())), g); }
HWY_INLINE V clamp(V a, V low, V high) {
  a = hn::IfThenElse(hn::Lt(a, low), low, a);
  return hn::IfThenElse(hn::Gt(a, high), high, a);
}
HWY_INLINE V clamp_grad(V g, V x, V low, V high) {
  // A bound that is NaN is none, and an x that is NaN has the derivative 0.
  return hn::IfThenZeroElse(hn::Or(hn::Or(hn::Le(x, low), hn::Ge(x, high)), hn::IsNaN(x)), g);
}

void Run(const PointwiseCall& o) {
  const D d;
  const V zero = hn::Zero(d), one = hn::Set(d, 1.0f);
  const V p = hn::Set(d, o.p), q = hn::Set(d, o.q);
  const auto open_relu = [](V g, V y) HWY_ATTR { return relu_grad(g, y); };
  const auto open_clamp = [&](V g, V y) HWY_ATTR { return clamp_grad(g, y, p, q); };
  const auto as_it_is = [](V g, V, const Coefficients&) HWY_ATTR { return g; };
  const auto added = [](V g, V c, const Coefficients& k) HWY_ATTR { return scale_add(g, c, k); };
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
      return unary(o, [](V a) HWY_ATTR { return exponential(a); });
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
      return unary(
          o, [&](V a) HWY_ATTR { return hn::Div(one, hn::Add(one, exponential(hn::Neg(a)))); });
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
      if (o.sum) return open_columns(o, open_relu, as_it_is);
      return by_columns(o,
                        [](V a, V b, const auto& k) HWY_ATTR { return relu_grad(a, k.affine(b)); });
    case Pointwise::kAffineClampGrad:
      if (o.sum) return open_columns(o, open_clamp, as_it_is);
      return by_columns(
          o, [&](V a, V b, const auto& k) HWY_ATTR { return clamp_grad(a, k.affine(b), p, q); });
    case Pointwise::kNormGrad:
      return by_columns(o, [](V a, V b, const auto& k)
                               HWY_ATTR { return hn::Add(hn::Mul(a, k.s2), k.affine(b)); });
    case Pointwise::kScaleAdd:
      return by_columns(o, [](V a, V b, const auto& k) HWY_ATTR { return scale_add(a, b, k); });
    case Pointwise::kReluGradScaleAdd:
      return open_columns(o, open_relu, added);
    case Pointwise::kClampGradScaleAdd:
      return open_columns(o, open_clamp, added);
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
