// The one matrix product of the library. Forward, data gradient and weight gradient, linear and
// convolution differ only in strides and in what packs the operands.
#pragma once

#include <cstdint>

namespace ballast::kernels {

/// C[m][n] = start + sum_b sum_k A_b[m*sam + k*sak] * B_b[k*sbk + n], n contiguous, for m < rows, n
/// < columns, k < depth, b < batch. Where B is packed into panels (pack_b), `sbk` is the panel's
/// width and `panel` the distance between panels; where it is not, `panel` is the width itself.
struct Product {
  int64_t rows, columns, depth;
  int batch = 1;
  const float* const* a;
  int64_t sam, sak;
  const float* const* b;
  int64_t sbk, panel;
  float* c;
  int64_t ldc;
  bool accumulate = false;      // start from what C holds,
  const float* bias = nullptr;  // or from bias[n], or from zero
};
void product(const Product& p);

/// Width of a panel of B: the columns that the microkernel makes at once on this machine.
int64_t panel_columns();

/// Copies B (depth x columns, element (k, n) at b[k*sbk + n*sbn]) into panels: panel j holds
/// columns j*w .. j*w+w-1 as depth rows of w floats, the last one padded with zeros.
void pack_b(const float* b, int64_t sbk, int64_t sbn, int64_t depth, int64_t columns,
            float* packed);
/// Floats that pack_b writes.
inline int64_t packed_size(int64_t depth, int64_t columns) {
  const int64_t w = panel_columns();
  return (columns + w - 1) / w * w * depth;
}

}  // namespace ballast::kernels
