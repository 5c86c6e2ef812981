// Convolution in groups of as few channels as fit a vector, of rows of pixels: vectors run over the
// channels of several groups. A group of one channel is depthwise convolution.
#pragma once

#include <cstdint>

namespace ballast::kernels {

/// Whether the kernels take groups of so many channels.
bool takes_group(int64_t channels);

/// Pixels of one row of the result, `out_step` floats apart:
///   out[j][c] = bias[c] + sum_{k,t,i} w[k*taps + t][i*w_step + c]
///                                     * x[k][j*stride*pixel + offset[t] + c - c%group + i]
/// for j < outputs, c < channels, k < rows, t < taps, i < group.
struct DepthwiseRow {
  int64_t outputs, channels;
  int64_t group;          // takes_group(group), channels % group == 0
  int64_t rows;           // of the kernel
  const float* const* x;  // one for each of them
  int64_t taps;           // of each
  const int64_t* offset;
  const float* const* w;
  int64_t w_step;
  const float* bias;      // or null
  int64_t pixel, stride;  // floats between pixels; pixels between those of neighbouring outputs
  float* out;
  int64_t out_step;
};
void depthwise_row(const DepthwiseRow& row);

/// What a row of the result's gradient adds to that of the weights:
///   sums[t][i][c] += sum_j g[j*g_step + c - c%group + i] * x[t][j*step + c]
/// for i < group, with the sums of tap t at sums + index[t]*group*channels.
struct DepthwiseGradRow {
  int64_t outputs, channels;
  int64_t group;  // takes_group(group), channels % group == 0
  int64_t taps;
  const float* const* x;
  const int64_t* index;
  int64_t step;
  const float* g;
  int64_t g_step;
  float* sums;
};
void depthwise_grad_row(const DepthwiseGradRow& row);

}  // namespace ballast::kernels
