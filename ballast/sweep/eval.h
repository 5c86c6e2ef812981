// Evaluation: from graph nodes to memory.
#pragma once

#include <cstdint>

#include "ballast/graph/eval.h"

namespace ballast {

/// How often plans were found in, and added to, the process-wide cache.
struct PlanCacheStatistics {
  int64_t hits = 0, misses = 0, size = 0;
};
PlanCacheStatistics plan_cache_statistics();

}  // namespace ballast
