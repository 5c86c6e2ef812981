// Copies between layouts.
#pragma once

#include "ballast/graph/op.h"

namespace ballast::sweep {

/// (N, C, ...) row-major to channels-last, or back.
void convert_layout(const Shape& shape, bool to_channels_last, const float* in, float* out);
/// The same for elements of any type.
void convert_layout(const Operand& in, const Operand& out, bool to_channels_last);

}  // namespace ballast::sweep
