// Dropout (Srivastava et al. 2014, "Dropout: A simple way to prevent neural networks from
// overfitting").
#pragma once

#include "ballast/graph/tensor.h"

namespace ballast {

class Generator;
Generator& default_generator();

/// As PyTorch's `F.dropout`: while training, every element becomes 0 with probability p, and what
/// is left is multiplied by 1/(1 - p). The mask is drawn now, in the order of the calls, and is
/// PyTorch's for the same generator; nothing is drawn for p = 0 (x itself) and p = 1 (x*0). Without
/// `training`, x itself. Throws ValueError unless p is in [0, 1], Error for integer types.
Tensor dropout(const Tensor& x, double p = 0.5, bool training = true,
               Generator& generator = default_generator());

}  // namespace ballast
