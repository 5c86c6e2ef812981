#include "ballast/kernels/pointwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ballast/kernels/pointwise.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which includes this file once per target.
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace ballast::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

/// Calls f(load, store) for whole vectors, then once more with masked ones for what is left.
template <class F>
HWY_INLINE void for_vectors(size_t n, float* out, const F& f) {
  const D d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes)
    hn::StoreU(f([&](const float* p) HWY_ATTR { return hn::LoadU(d, p + i); }), d, out + i);
  if (i == n) return;
  const auto rest = hn::FirstN(d, n - i);
  const V v = f([&](const float* p) HWY_ATTR { return hn::MaskedLoad(rest, d, p + i); });
  hn::BlendedStore(v, rest, d, out + i);
}

template <class F>
HWY_INLINE void unary(const PointwiseOperands& o, float* out, size_t n, const F& f) {
  for_vectors(n, out, [&](auto load) HWY_ATTR { return f(load(o.a)); });
}

template <class F>
HWY_INLINE void binary(const PointwiseOperands& o, float* out, size_t n, const F& f) {
  for_vectors(n, out, [&](auto load) HWY_ATTR { return f(load(o.a), load(o.b)); });
}

/// Highway's functions lose NaN by clamping their argument; NaN in is NaN out here.
HWY_INLINE V keep_nan(V x, V y) { return hn::IfThenElse(hn::Eq(x, x), y, x); }

/// Max and min as PyTorch has them: NaN wins from either side.
HWY_INLINE V nan_or(V a, V b, V y) {
  return hn::IfThenElse(hn::IsNaN(a), a, hn::IfThenElse(hn::IsNaN(b), b, y));
}

void Run(Pointwise code, const PointwiseOperands& o, float* out, size_t n) {
  const D d;
  const V zero = hn::Zero(d), one = hn::Set(d, 1.0f);
  switch (code) {
    case Pointwise::kNone:
      return;
    case Pointwise::kCopy:
      return unary(o, out, n, [](V a) HWY_ATTR { return a; });
    case Pointwise::kAdd:
      return binary(o, out, n, [](V a, V b) HWY_ATTR { return hn::Add(a, b); });
    case Pointwise::kSub:
      return binary(o, out, n, [](V a, V b) HWY_ATTR { return hn::Sub(a, b); });
    case Pointwise::kMul:
      return binary(o, out, n, [](V a, V b) HWY_ATTR { return hn::Mul(a, b); });
    case Pointwise::kDiv:
      return binary(o, out, n, [](V a, V b) HWY_ATTR { return hn::Div(a, b); });
    case Pointwise::kMaximum:
      return binary(o, out, n, [](V a, V b) HWY_ATTR { return nan_or(a, b, hn::Max(a, b)); });
    case Pointwise::kMinimum:
      return binary(o, out, n, [](V a, V b) HWY_ATTR { return nan_or(a, b, hn::Min(a, b)); });
    case Pointwise::kNeg:
      return unary(o, out, n, [](V a) HWY_ATTR { return hn::Neg(a); });
    case Pointwise::kAbs:
      return unary(o, out, n, [](V a) HWY_ATTR { return hn::Abs(a); });
    case Pointwise::kSquare:
      return unary(o, out, n, [](V a) HWY_ATTR { return hn::Mul(a, a); });
    case Pointwise::kSqrt:
      return unary(o, out, n, [](V a) HWY_ATTR { return hn::Sqrt(a); });
    case Pointwise::kRsqrt:
      return unary(o, out, n, [&](V a) HWY_ATTR { return hn::Div(one, hn::Sqrt(a)); });
    case Pointwise::kReciprocal:
      return unary(o, out, n, [&](V a) HWY_ATTR { return hn::Div(one, a); });
    case Pointwise::kExp:
      return unary(o, out, n, [&](V a) HWY_ATTR { return keep_nan(a, hn::Exp(d, a)); });
    case Pointwise::kLog:
      // Highway's logarithm takes positive normal numbers; the rest is IEEE's: log(0) = -inf, NaN
      // below.
      return unary(o, out, n, [&](V a) HWY_ATTR {
        const V inf = hn::Set(d, HUGE_VALF);
        V y = hn::Log(d, a);
        y = hn::IfThenElse(hn::Eq(a, inf), inf, y);
        y = hn::IfThenElse(hn::Eq(a, zero), hn::Neg(inf), y);
        y = hn::IfThenElse(hn::Lt(a, zero), hn::Div(zero, zero), y);
        return keep_nan(a, y);
      });
    case Pointwise::kRelu:
      // max(0, a) with NaN kept: a comparison that NaN fails.
      return unary(o, out, n, [&](V a) HWY_ATTR { return hn::IfThenZeroElse(hn::Lt(a, zero), a); });
    case Pointwise::kReluGrad:
      return binary(o, out, n,
                    [&](V a, V b) HWY_ATTR { return hn::IfThenElseZero(hn::Gt(b, zero), a); });
    case Pointwise::kSigmoid:
      return unary(o, out, n, [&](V a) HWY_ATTR {
        return keep_nan(a, hn::Div(one, hn::Add(one, hn::Exp(d, hn::Neg(a)))));
      });
    case Pointwise::kTanh:
      return unary(o, out, n, [&](V a) HWY_ATTR { return keep_nan(a, hn::Tanh(d, a)); });
    case Pointwise::kChannelAffine:
      return for_vectors(n, out, [&](auto load) HWY_ATTR {
        return hn::MulAdd(hn::Sub(load(o.a), load(o.m)), load(o.s), load(o.t));
      });
    case Pointwise::kChannelScale:
      return for_vectors(n, out, [&](auto load) HWY_ATTR { return hn::Mul(load(o.a), load(o.s)); });
  }
}

}  // namespace ballast::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast::kernels {
HWY_EXPORT(Run);
void pointwise(Pointwise code, const PointwiseOperands& operands, float* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(Run)(code, operands, out, n);
}
}  // namespace ballast::kernels
#endif
