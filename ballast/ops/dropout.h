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

/// As PyTorch's `F.dropout1d` ... `F.dropout3d`, by `rank`: whole channels of (N, C, ...) or (C,
/// ...) become 0 (Tompson et al. 2015, arXiv:1411.4280). For rank 2 the first two dimensions are N
/// and C whatever follows. Throws as above.
Tensor channel_dropout(int rank, const Tensor& x, double p = 0.5, bool training = true,
                       Generator& generator = default_generator());
/// As PyTorch's `F.alpha_dropout`: elements become the value that SELU saturates at, and what comes
/// out is scaled and shifted so that mean 0 and variance 1 stay (Klambauer et al. 2017,
/// arXiv:1706.02515). Throws as above.
Tensor alpha_dropout(const Tensor& x, double p = 0.5, bool training = false,
                     Generator& generator = default_generator());
/// The same for whole channels of (N, C, ...).
Tensor feature_alpha_dropout(const Tensor& x, double p = 0.5, bool training = false,
                             Generator& generator = default_generator());

}  // namespace ballast
