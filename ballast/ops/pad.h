// Padding: elements added around (or, for negative amounts, cut off) a tensor.
#pragma once

#include <vector>

#include "ballast/graph/tensor.h"

namespace ballast {

enum class PadMode : uint8_t { kConstant, kReflect, kReplicate, kCircular };
/// "constant", "reflect", "replicate", "circular"; throws NotImplementedError for others.
PadMode pad_mode_from(const std::string& name);

/// As PyTorch's `F.pad`: `amounts` are (before, after) pairs, those of the last dimension first.
/// Reflection mirrors without repeating the border, replication repeats it, circular padding
/// continues at the other end; these three pad the last one, two or three dimensions of a tensor of
/// one or two dimensions more. `value` is for the constant mode. Throws PyTorch's errors for
/// amounts that do not fit.
Tensor pad(const Tensor& x, const std::vector<int64_t>& amounts, PadMode mode = PadMode::kConstant,
           double value = 0.0);

}  // namespace ballast
