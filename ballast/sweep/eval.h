// Evaluation: from graph nodes to memory.
#pragma once

#include <span>
#include <vector>

#include "ballast/graph/tensor.h"

namespace ballast {

/// Computes the tensors' values, and the state scheduled on this thread, in one plan. Everything
/// reached that somebody still holds, or that a later backward() will read, is kept; the rest lives
/// in an arena for the time of the run. If a kernel throws (a label out of range), no tensor
/// changes.
void eval(std::span<const Tensor> tensors);
void eval(std::initializer_list<Tensor> tensors);

/// How often plans were found in, and added to, the process-wide cache.
struct PlanCacheStatistics {
  int64_t hits = 0, misses = 0, size = 0;
};
PlanCacheStatistics plan_cache_statistics();

}  // namespace ballast
