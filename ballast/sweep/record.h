// How the evaluator tells a recorder (explain.h) what it does.
#pragma once

#include <memory>
#include <vector>

#include "ballast/sweep/sweep.h"

namespace ballast::sweep {

/// The recorder's side of an evaluation; null where nothing records on this thread.
class Record {
 public:
  virtual ~Record() = default;
  /// A plan's sweeps, one for each group; they live as long as the record holds `plan`.
  virtual void ran(std::shared_ptr<const plan::Plan> plan,
                   const std::vector<std::unique_ptr<Sweep>>& sweeps,
                   const std::vector<double>& sweep_seconds, double seconds,
                   int64_t lent_bytes) = 0;
  /// An optimizer has updated parameters: their bytes, and those of what it keeps for them.
  virtual void updated(const char* optimizer, int64_t elements, int64_t parameter_bytes,
                       int64_t state_bytes, double seconds) = 0;
};
Record*& record_of_this_thread();

}  // namespace ballast::sweep
