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

/// The operands at one place of a row; `Masked` where less than a vector is left.
template <bool kMasked>
struct At {
  const float *pa, *pb, *pm, *ps, *pt, *ps2;
  hn::Mask<D> mask;

  HWY_INLINE V load(const float* p) const {
    if constexpr (kMasked) return hn::MaskedLoad(mask, D(), p);
    return hn::LoadU(D(), p);
  }
  HWY_INLINE V a() const { return load(pa); }
  HWY_INLINE V b() const { return load(pb); }
  HWY_INLINE V s() const { return load(ps); }
  HWY_INLINE V s2() const { return load(ps2); }
  HWY_INLINE V affine(V x) const { return hn::MulAdd(hn::Sub(x, load(pm)), load(ps), load(pt)); }
};

/// Stores f(operands) for every element.
template <class F>
HWY_INLINE void for_elements(const PointwiseCall& o, const F& f) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d)), whole = o.columns / lanes * lanes;
  const auto mask = hn::FirstN(d, static_cast<size_t>(o.columns - whole));
  for (int64_t r = 0; r < o.rows; ++r) {
    const float *a = o.a.at + r * o.a.pitch, *b = o.b.at + r * o.b.pitch;
    float* out = o.out + r * o.out_pitch;
    int64_t c = 0;
    for (; c < whole; c += lanes)
      hn::StoreU(f(At<false>{a + c, b + c, o.m + c, o.s + c, o.t + c, o.s2 + c, mask}), d, out + c);
    if (c < o.columns)
      hn::BlendedStore(f(At<true>{a + c, b + c, o.m + c, o.s + c, o.t + c, o.s2 + c, mask}), mask,
                       d, out + c);
  }
}

template <class F>
HWY_INLINE void unary(const PointwiseCall& o, const F& f) {
  for_elements(o, [&](const auto& at) HWY_ATTR { return f(at.a()); });
}

template <class F>
HWY_INLINE void binary(const PointwiseCall& o, const F& f) {
  for_elements(o, [&](const auto& at) HWY_ATTR { return f(at.a(), at.b()); });
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
      return for_elements(o, [](const auto& x) HWY_ATTR { return x.affine(x.a()); });
    case Pointwise::kChannelScale:
      return for_elements(o, [](const auto& x) HWY_ATTR { return hn::Mul(x.a(), x.s()); });
    case Pointwise::kAffineRelu:
      return for_elements(o, [](const auto& x) HWY_ATTR { return relu(x.affine(x.a())); });
    case Pointwise::kAffineClamp:
      return for_elements(o, [&](const auto& x) HWY_ATTR { return clamp(x.affine(x.a()), p, q); });
    case Pointwise::kAffineAdd:
      return for_elements(o,
                          [](const auto& x) HWY_ATTR { return hn::Add(x.affine(x.a()), x.b()); });
    case Pointwise::kAffineAddRelu:
      return for_elements(
          o, [](const auto& x) HWY_ATTR { return relu(hn::Add(x.affine(x.a()), x.b())); });
    case Pointwise::kAddRelu:
      return binary(o, [](V a, V b) HWY_ATTR { return relu(hn::Add(a, b)); });
    case Pointwise::kAffineReluGrad:
      return for_elements(o,
                          [](const auto& x) HWY_ATTR { return relu_grad(x.a(), x.affine(x.b())); });
    case Pointwise::kAffineClampGrad:
      return for_elements(
          o, [&](const auto& x) HWY_ATTR { return clamp_grad(x.a(), x.affine(x.b()), p, q); });
    case Pointwise::kNormGrad:
      return for_elements(o, [](const auto& x) HWY_ATTR {
        return hn::Add(hn::Mul(x.a(), x.s2()), x.affine(x.b()));
      });
  }
}

}  // namespace ballast::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast::kernels {
HWY_EXPORT(Run);
void pointwise(const PointwiseCall& call) {
  // The loops advance all pointers; those of operands an instruction lacks must not be null.
  PointwiseCall o = call;
  if (!o.b.at) o.b = o.a;
  for (const float** row : {&o.m, &o.s, &o.t, &o.s2})
    if (!*row) *row = o.a.at;
  HWY_DYNAMIC_DISPATCH(Run)(o);
}
}  // namespace ballast::kernels
#endif
