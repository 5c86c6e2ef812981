// Evaluation of several tensors at once. (Declared here, above its users; defined in sweep/.)
#pragma once

#include <initializer_list>
#include <span>

#include "ballast/graph/tensor.h"

namespace ballast {

/// Computes the tensors' values, the state scheduled on this thread, and what would otherwise keep
/// memory alive (graph/pending.h) in one plan. Everything
/// reached that somebody still holds, or that a later backward() will read, is kept; the rest lives
/// in an arena for the time of the run. If a kernel throws (a label out of range), no tensor
/// changes.
void eval(std::span<const Tensor> tensors);
void eval(std::initializer_list<Tensor> tensors);

}  // namespace ballast
