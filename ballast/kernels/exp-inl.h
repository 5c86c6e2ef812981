// The exponential function of every float.

// Included once for each target, like the files that include it.
#if defined(BALLAST_KERNELS_EXP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BALLAST_KERNELS_EXP_INL_H_
#undef BALLAST_KERNELS_EXP_INL_H_
#else
#define BALLAST_KERNELS_EXP_INL_H_
#endif

#include <cmath>

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace ballast::kernels::HWY_NAMESPACE {

/// y; NaN where x is.
template <class V>
HWY_INLINE V keep_nan(V x, V y) {
  return hwy::HWY_NAMESPACE::IfThenElse(hwy::HWY_NAMESPACE::Eq(x, x), y, x);
}

/// Highway's function loses NaN, and is made for arguments whose result is finite: the exponent of
/// others wraps around.
template <class V>
HWY_INLINE V exponential(V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::DFromV<V> d;
  const V most = hn::Set(d, 88.722839f);  // log(FLT_MAX)
  const V y = hn::Exp(d, hn::Min(x, most));
  return keep_nan(x, hn::IfThenElse(hn::Gt(x, most), hn::Set(d, INFINITY), y));
}

}  // namespace ballast::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // once for each target
