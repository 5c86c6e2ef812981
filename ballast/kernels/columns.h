// Sums down the columns of a tile: rows of float32, the channels of one pixel each.
#pragma once

#include <cstdint>

namespace ballast::kernels {

/// For every column of x (rows x columns, `pitch` floats from row to row) a centre close to its
/// mean, and the sums of (x - centre) and (x - centre)^2: the corrected two-pass algorithm (Chan,
/// Golub & LeVeque 1983), for which a mean much larger than the deviation costs nothing. In double:
/// what is rounded to float32 in the end does not depend on how rows are cut into tiles, nor on
/// their order, but where a sum lies within 1e-15 of the middle of two float32 numbers. Meant for
/// tiles that stay in cache. `cold`: the tile, and what follows it, comes from memory: rows are
/// fetched before they are read.
void column_moments(const float* x, int64_t pitch, int64_t rows, int64_t columns, bool cold,
                    float* centre, double* sum, double* squares);

/// Adds what `column_moments` tells of `rows` rows to the moments of those columns so far: how many
/// rows, their mean and the squares around it (Chan, Golub & LeVeque 1979).
void add_moments(const float* centre, const double* sum, const double* squares, double rows,
                 int64_t columns, double* count, double* mean, double* centred);

/// sum[c] = sum_r g[r][c] and, where `x` is given, centred[c] = sum_r g[r][c] * (x[r][c] -
/// centre[c]). Rows of g and x lie `g_pitch` and `x_pitch` floats apart.
void column_sums(const float* g, int64_t g_pitch, const float* x, int64_t x_pitch,
                 const float* centre, int64_t rows, int64_t columns, bool cold, float* sum,
                 float* centred);

/// For every row of x (rows x columns, dense) two numbers whose sum is log(sum(exp(x))): the
/// largest element (0 where that is infinite), and what is left, which is lost in the sum where the
/// first is large.
void row_log_sum_exp(const float* x, int64_t rows, int64_t columns, double* out);

/// For every row of x (rows x columns, dense), out[r][c] = exp(x[r][c] - shift) * scale + offset
/// with the row's `shift` as the two numbers that row_log_sum_exp makes.
void exp_affine(const float* x, int64_t rows, int64_t columns, const double* shift, float scale,
                float offset, float* out);

}  // namespace ballast::kernels
