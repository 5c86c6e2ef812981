#include "ballast/kernels/update.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ballast/kernels/update.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which includes this file once per target.
#include "ballast/kernels/partial-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace ballast::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

struct Whole {
  HWY_INLINE V load(const float* p) const { return hn::LoadU(D(), p); }
  HWY_INLINE void store(V v, float* p) const { hn::StoreU(v, D(), p); }
};
struct Part {
  HWY_INLINE V load(const float* p) const { return load_first(mask, D(), p); }
  HWY_INLINE void store(V v, float* p) const { store_first(v, mask, D(), p); }
  hn::Mask<D> mask;
};

template <class Lanes>
HWY_INLINE void adam(const AdamUpdate& u, const Lanes& l, float* p, const float* grad, float* m,
                     float* v, float* largest) {
  const D d;
  const V x = l.load(p), first = l.load(m), rest1 = hn::Set(d, u.rest1);
  V g = hn::Mul(hn::Set(d, u.sign), l.load(grad));
  if (u.weight_decay != 0) g = hn::Add(g, hn::Mul(hn::Set(d, u.weight_decay), x));
  // As torch.lerp: from the end that is nearer.
  const V away = hn::Sub(g, first);
  const V mean = u.lerp_from_end ? hn::Sub(g, hn::Mul(away, hn::Sub(hn::Set(d, 1.0f), rest1)))
                                 : hn::Add(first, hn::Mul(rest1, away));
  l.store(mean, m);
  V second =
      hn::Add(hn::Mul(l.load(v), hn::Set(d, u.beta2)), hn::Mul(hn::Mul(hn::Set(d, u.rest2), g), g));
  l.store(second, v);
  if (largest) {
    const V before = l.load(largest);
    second = hn::IfThenElse(hn::Or(hn::Gt(second, before), hn::IsNaN(second)), second, before);
    l.store(second, largest);
  }
  const V scale = hn::Add(hn::Div(hn::Sqrt(second), hn::Set(d, u.correction)), hn::Set(d, u.eps));
  const V step = hn::Div(hn::Mul(hn::Set(d, u.step_size), mean), scale);
  l.store(hn::Sub(hn::Mul(hn::Set(d, u.shrink), x), step), p);
}

void Adam(const AdamUpdate& update, float* p, const float* grad, float* m, float* v, float* largest,
          int64_t n) {
  const AdamUpdate u = update;  // a copy, which no store can change
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(D()));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    adam(u, Whole{}, p + i, grad + i, m + i, v + i, largest ? largest + i : nullptr);
  if (i < n)
    adam(u, Part{hn::FirstN(D(), static_cast<size_t>(n - i))}, p + i, grad + i, m + i, v + i,
         largest ? largest + i : nullptr);
}

}  // namespace ballast::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast::kernels {
HWY_EXPORT(Adam);
void adam_update(const AdamUpdate& u, float* p, const float* grad, float* m, float* v,
                 float* largest, int64_t n) {
  HWY_DYNAMIC_DISPATCH(Adam)(u, p, grad, m, v, largest, n);
}
}  // namespace ballast::kernels
#endif
