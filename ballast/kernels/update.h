// Updates of parameters, element by element.
#pragma once

#include <cstdint>

namespace ballast::kernels {

/// A step of Adam (Kingma & Ba 2015) for n elements:
///   g = sign*grad + weight_decay*p;  m += rest1*(g - m);  v = beta2*v + rest2*g*g
///   p = shrink*p - step_size*m / (sqrt(v)/correction + eps)
/// with the largest v so far in place of v where `largest` is not null. `lerp_from_end`: m is
/// computed from g, the nearer end. Every operation rounds as written; none is contracted.
struct AdamUpdate {
  float sign, weight_decay, shrink, rest1, beta2, rest2, step_size, correction, eps;
  bool lerp_from_end;
};
void adam_update(const AdamUpdate& u, float* p, const float* grad, float* m, float* v,
                 float* largest, int64_t n);

}  // namespace ballast::kernels
