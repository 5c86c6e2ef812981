// Softmax of rows of float32, `n` numbers each, one after the other. NaN and infinities come out
// as the formulas have them.
#pragma once

#include <cstdint>

namespace ballast::kernels {

/// y = exp(x) / sum(exp(x))
void softmax(const float* x, int64_t rows, int64_t n, float* y);
/// y = x - log(sum(exp(x))), exact next to a large maximum
void log_softmax(const float* x, int64_t rows, int64_t n, float* y);
/// dx = y * (g - sum(g*y)) with y = softmax(x)
void softmax_grad(const float* g, const float* y, int64_t rows, int64_t n, float* dx);
/// dx = g - exp(y) * sum(g) with y = log_softmax(x)
void log_softmax_grad(const float* g, const float* y, int64_t rows, int64_t n, float* dx);

}  // namespace ballast::kernels
