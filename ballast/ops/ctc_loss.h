// Connectionist temporal classification.
#pragma once

#include <vector>

#include "ballast/graph/tensor.h"

namespace ballast {

/// As PyTorch's `F.ctc_loss` with reduction "none": minus the log of the probability that the
/// labels `log_probs` (T, N, C), log-softmaxed, draws in the first input_lengths[n] steps become
/// targets[n] once repetitions are merged and blanks taken out; (N). Targets are (N, S), or all one
/// after the other. Impossible targets cost infinity, or 0 where `zero_infinity`. The gradient is
/// that of log_softmax's input, as PyTorch's is. Throws Error for lengths that do not fit.
Tensor ctc_loss(const Tensor& log_probs, const Tensor& targets,
                const std::vector<int64_t>& input_lengths,
                const std::vector<int64_t>& target_lengths, int64_t blank = 0,
                bool zero_infinity = false);

}  // namespace ballast
