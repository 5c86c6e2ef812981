// The one matrix product of the library. Forward, data gradient and weight gradient, linear and
// convolution differ only in strides and in what lays out the operands.
#pragma once

#include <cstdint>

#include "ballast/kernels/fetch.h"

namespace ballast::kernels {

/// C[m][n] = start + sum_b sum_k A_b[m*sam + k*sak] * B_b[k*sbk + n], n contiguous, for m < rows, n
/// < columns, k < depth, b < batch. Where B is packed into panels (pack_b), `sbk` is the panel's
/// width and `panel` the distance between panels; where it is not, `panel` is the width itself.
/// The sum runs over b, then k, in this order, whatever the numbers of rows and columns.
struct Product {
  int64_t rows, columns, depth;
  int batch = 1;
  const float* const* a;
  int64_t sam, sak;
  const int64_t* a_rows = nullptr;  // where each row of A starts, instead of m*sam: any pixels
  const float* const* b;
  int64_t sbk, panel;
  float* c;
  int64_t ldc;
  const int64_t* c_rows = nullptr;  // where each row of C starts, instead of m*ldc
  bool accumulate = false;          // start from what C holds,
  const float* bias = nullptr;      // or from bias[n], or from zero
  Fetch* fetch = nullptr;           // fetched meanwhile
};
void product(const Product& p);

/// Few rows: C[m][n] = bias[n] + sum_k A[m*lda + k] * B[n*ldb + k], both contiguous along k, for m
/// < rows, n < columns. Reads B once, as it lies: its packing would cost more than the product.
void dots(const float* a, int64_t lda, const float* b, int64_t ldb, const float* bias, int64_t rows,
          int64_t columns, int64_t depth, float* c, int64_t ldc);

/// Width of a panel of B: the columns that the microkernel makes at once on this machine.
int64_t panel_columns();
/// Blocks that it makes of such a product, about: parts of `fetch` that it takes.
int64_t product_blocks(int64_t rows, int64_t columns, int64_t depth);
/// Rows that it makes at once: blocks of a multiple of them leave it nothing to cut.
int64_t block_rows();

/// Whether C may lie where A did: all columns of a row are made at once, from the whole of its
/// operand.
bool product_in_place(int64_t columns, int64_t depth);

/// Copies B (depth x columns, element (k, n) at b[k*sbk + n*sbn], one of the two strides 1) into
/// panels: panel j holds columns j*w .. j*w+w-1 as depth rows of w floats, the last one padded with
/// zeros. Panels are dense or, as part of a deeper B, `panel` floats apart.
void pack_b(const float* b, int64_t sbk, int64_t sbn, int64_t depth, int64_t columns, float* packed,
            int64_t panel = 0);
/// Floats that pack_b writes.
inline int64_t packed_size(int64_t depth, int64_t columns) {
  const int64_t w = panel_columns();
  return (columns + w - 1) / w * w * depth;
}

}  // namespace ballast::kernels
