// Copies between layouts.
#pragma once

#include "ballast/base/shape.h"

namespace ballast::sweep {

/// (N, C, ...) row-major to channels-last, or back.
void convert_layout(const Shape& shape, bool to_channels_last, const float* in, float* out);

}  // namespace ballast::sweep
