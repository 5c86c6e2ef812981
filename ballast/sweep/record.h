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
  /// `plan` lives as long as the record does.
  virtual void ran(std::shared_ptr<const plan::Plan> plan, const std::vector<const char*>& kernels,
                   const std::vector<double>& sweep_seconds, double seconds,
                   int64_t lent_bytes) = 0;
};
Record*& record_of_this_thread();

}  // namespace ballast::sweep
