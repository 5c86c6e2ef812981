// Pooling of rows of pixels: vectors run over channels.
#pragma once

#include <cstdint>

namespace ballast::kernels {

/// Outputs j < outputs, `out_step` floats apart, of `channels` channels, each made of taps: tap t
/// of output j is the pixel at x[t] + j*step.
struct PoolRow {
  int64_t outputs, channels, taps;
  const float* const* x;
  int64_t step;
  float* out;
  int64_t out_step;
};
/// The largest tap, NaN being the largest of all; -infinity of none.
void max_pool_row(const PoolRow& row);
/// sum_t weights[t] * tap t / divisor; the weights are 1 where `weights` is null.
void mean_pool_row(const PoolRow& row, const float* weights, float divisor);

/// The gradient of max_pool_row: adds g to the first largest tap (the last NaN) of each output.
/// dx[t] lies to x[t] as the gradient to the input, `dx_step` floats from output to output; null
/// where a tap's gradient is somebody else's to add.
struct MaxPoolGradRow {
  int64_t outputs, channels, taps;
  const float* const* x;
  float* const* dx;
  int64_t step, dx_step;
  const float* g;
  int64_t g_step;
};
void max_pool_grad_row(const MaxPoolGradRow& row);

}  // namespace ballast::kernels
