// What one sample of a recurrent layer computes in one step around its products, in float32: rows
// of `n` hidden numbers, gates one after the other (gates*n). See ops/recurrent.h for the formulas.
#pragma once

#include <cstdint>

namespace ballast::kernels {

/// h = tanh(x + s) (relu: max(x + s, 0)); h may be s.
void rnn_row(bool relu, int64_t n, const float* x, const float* s, float* h);
/// dx = dh * f'(s), by the output h.
void rnn_row_grad(bool relu, int64_t n, const float* h, const float* dh, float* dx);

/// gates: the sums W_hh h + b_hh, then the gates i, f, g, o; c: the cells before and after; h is
/// o*tanh(c).
void lstm_row(int64_t n, const float* x, float* gates, float* c, float* h);
/// By the gates, the cells after and before, and the gradient of o*tanh(c); dc: the gradient of the
/// cells after and before.
void lstm_row_grad(int64_t n, const float* gates, const float* c, const float* c_before,
                   const float* dh, float* dc, float* dx);

/// gates: the sums W_hh h + b_hh, then the gates r, z, n; `inner` gets the third sum; h: the state
/// before and after.
void gru_row(int64_t n, const float* x, float* gates, float* inner, float* h);
/// By the gates, the third sum and the state before; d_inner is the third sum's gradient; dh: the
/// gradient of the state after, then the part of that of the state before which is not by the sums.
void gru_row_grad(int64_t n, const float* gates, const float* inner, const float* h_before,
                  float* dh, float* dx, float* d_inner);

}  // namespace ballast::kernels
