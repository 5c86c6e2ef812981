// Depthwise convolution of rows of pixels: every channel has weights of its own, vectors run over
// channels.
#pragma once

#include <cstdint>

namespace ballast::kernels {

/// Pixels of one row of the result, `out_step` floats apart:
///   out[j][c] = bias[c] + sum_{k,t} w[k*taps + t][c] * x[k][j*stride*pixel + offset[t] + c]
/// for j < outputs, c < channels, k < rows, t < taps.
struct DepthwiseRow {
  int64_t outputs, channels;
  int64_t rows;           // of the kernel
  const float* const* x;  // one for each of them
  int64_t taps;           // of each
  const int64_t* offset;
  const float* const* w;
  const float* bias;      // or null
  int64_t pixel, stride;  // floats between pixels; pixels between those of neighbouring outputs
  float* out;
  int64_t out_step;
};
void depthwise_row(const DepthwiseRow& row);

/// What a row of the result's gradient adds to that of the weights:
///   sums[t][c] += sum_j g[j*g_step + c] * x[t][j*step + c]
/// with the sums of tap t at sums + index[t]*channels.
struct DepthwiseGradRow {
  int64_t outputs, channels, taps;
  const float* const* x;
  const int64_t* index;
  int64_t step;
  const float* g;
  int64_t g_step;
  float* sums;
};
void depthwise_grad_row(const DepthwiseGradRow& row);

}  // namespace ballast::kernels
