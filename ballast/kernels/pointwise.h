// Vector loops over rows of float32.
#pragma once

#include <cstdint>

#include "ballast/base/pointwise.h"

namespace ballast::kernels {

/// A matrix operand: element (r, c) at at[r*pitch + c]. A pitch of 0 repeats one row. What lies
/// `ahead` floats further on will be read soon: it is fetched into the cache (0: nothing is).
struct RowOperand {
  const float* at = nullptr;
  int64_t pitch = 0;
  int64_t ahead = 0;
};

/// One instruction over `rows` x `columns` elements. What it does not use may be null. m, s, t, s2
/// are rows of per-column numbers (s2 is kNormGrad's s'); p and q are numbers of the instruction.
struct PointwiseCall {
  Pointwise code = Pointwise::kNone;
  RowOperand a, b, c;
  const float *m = nullptr, *s = nullptr, *t = nullptr, *s2 = nullptr;
  float p = 0, q = 0;
  float* out = nullptr;  // may be an operand
  int64_t out_pitch = 0;
  int64_t rows = 0, columns = 0;
  // With g the elements of a where the activation of (b - m)*s + t is open, the sums of g and of
  // g*(b - m) down each column are added to these: by kAffineReluGrad and kAffineClampGrad where
  // there are such, by kReluGradScaleAdd and kClampGradScaleAdd always.
  float *sum = nullptr, *centred = nullptr;
};
/// It is taken where it was built: a copy would have to wait until all of it is stored.
void pointwise(PointwiseCall&& call);

/// Copies rows x columns elements past the caches: memory that is not read before it has left them
/// need not be fetched in order to be written. To be followed by `stream_fence` before another
/// thread may read what was written.
void stream(const float* from, int64_t from_pitch, int64_t rows, int64_t columns, float* to,
            int64_t to_pitch);
void stream_fence();

}  // namespace ballast::kernels
