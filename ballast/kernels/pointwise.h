// Vector loops over blocks of float32.
#pragma once

#include <cstddef>

#include "ballast/base/pointwise.h"

namespace ballast::kernels {

/// Arrays that one instruction reads; what an instruction does not use may be null. The
/// coefficients m, s, t are tiled to the length of the block.
struct PointwiseOperands {
  const float *a = nullptr, *b = nullptr;
  const float *m = nullptr, *s = nullptr, *t = nullptr;
};

/// out[i] = code(operands[i]) for i < n. `out` may be one of the operands.
void pointwise(Pointwise code, const PointwiseOperands& operands, float* out, size_t n);

}  // namespace ballast::kernels
