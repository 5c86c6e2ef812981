// Vectors filled in part: their first lanes are read or written, and nothing beyond them is
// touched. Highway's masked loads and stores keep that promise where the processor has them (AVX2,
// AVX-512); elsewhere they read, and some write, whole vectors, beyond the end of a block of memory
// or over what another thread writes.

// Included once for each target, like the files that include it.
#if defined(BALLAST_KERNELS_PARTIAL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BALLAST_KERNELS_PARTIAL_INL_H_
#undef BALLAST_KERNELS_PARTIAL_INL_H_
#else
#define BALLAST_KERNELS_PARTIAL_INL_H_
#endif

#include <algorithm>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace ballast::kernels::HWY_NAMESPACE {

/// The lanes of `first`, which is a FirstN, from p; zeros in the others.
template <class D, class T = hwy::HWY_NAMESPACE::TFromD<D>>
HWY_INLINE hwy::HWY_NAMESPACE::Vec<D> load_first(hwy::HWY_NAMESPACE::Mask<D> first, D d,
                                                 const T* p) {
#if HWY_TARGET <= HWY_AVX2
  return hwy::HWY_NAMESPACE::MaskedLoad(first, d, p);
#else
  HWY_ALIGN T lanes[HWY_MAX_BYTES / sizeof(T)] = {};
  std::copy_n(p, hwy::HWY_NAMESPACE::CountTrue(d, first), lanes);
  return hwy::HWY_NAMESPACE::Load(d, lanes);
#endif
}

/// Writes the lanes of `first`, which is a FirstN, to p. Only AVX-512 stores masked at full speed:
/// it takes tens of cycles on some AVX2 machines.
template <class V, class D, class T = hwy::HWY_NAMESPACE::TFromD<D>>
HWY_INLINE void store_first(V v, hwy::HWY_NAMESPACE::Mask<D> first, D d, T* p) {
#if HWY_TARGET <= HWY_AVX3
  hwy::HWY_NAMESPACE::BlendedStore(v, first, d, p);
#else
  HWY_ALIGN T lanes[HWY_MAX_BYTES / sizeof(T)];
  hwy::HWY_NAMESPACE::Store(v, d, lanes);
  const size_t count = hwy::HWY_NAMESPACE::CountTrue(d, first);
  const T* from = lanes;
  for (size_t part = hwy::HWY_NAMESPACE::Lanes(d); part > 0; part /= 2)
    if (count & part) {
      std::copy_n(from, part, p);
      from += part;
      p += part;
    }
#endif
}

}  // namespace ballast::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // once for each target
