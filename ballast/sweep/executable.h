// A plan compiled to sweeps, and its runs.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "ballast/plan/plan.h"
#include "ballast/sweep/sweep.h"

namespace ballast::sweep {

/// Weights in the form that a sweep wants, kept from one evaluation to the next. Holding the
/// weights' memory keeps their values: whoever writes to a tensor gets memory of its own first.
class Kept {
 public:
  /// What was prepared from `from`, or null.
  Ref<Buffer> find(const std::vector<Ref<Buffer>>& from) {
    std::lock_guard lock(mutex_);
    return memory_ && from == from_ ? memory_ : Ref<Buffer>();
  }
  /// Whether `from` was the memory last time, too: what changes with every run is not worth
  /// keeping.
  bool seen_again(const std::vector<Ref<Buffer>>& from) {
    std::lock_guard lock(mutex_);
    bool again = last_.size() == from.size();
    last_.resize(from.size());
    for (size_t i = 0; i < from.size(); ++i) {
      again = again && last_[i] == from[i].get() && !from[i]->external();
      last_[i] = from[i].get();
    }
    from_.clear();
    memory_ = {};
    return again;
  }
  void keep(const std::vector<Ref<Buffer>>& from, const Ref<Buffer>& memory) {
    std::lock_guard lock(mutex_);
    from_ = from;
    memory_ = memory;
  }

 private:
  std::mutex mutex_;
  std::vector<const Buffer*> last_;
  std::vector<Ref<Buffer>> from_;
  Ref<Buffer> memory_;
};

/// A plan compiled to sweeps, with the key it is found by.
struct Executable {
  /// Runs the passes and compiles every group.
  Executable(std::vector<uint64_t> its_key, plan::Plan its_plan, const plan::Options& options);

  std::vector<uint64_t> key;
  plan::Plan plan;
  std::vector<std::unique_ptr<Sweep>> sweeps;
  int64_t prepared_bytes = 0, temporary_bytes = 0;  // the most that one sweep wants
  std::unique_ptr<Kept[]> kept;                     // by sweep
};

/// What one run of a plan needs: the nodes stay alive and in place while other threads go on.
struct Run {
  std::shared_ptr<const Executable> executable;
  std::vector<Ref<Node>> outputs;
  std::vector<Ref<Buffer>> leaves, made;  // memory of leaves and outputs, in the plan's order
  std::vector<Buffer*> owned;             // by value of the plan: those of leaves and outputs
  std::vector<std::byte*> at;
  bool evaluation = false;  // nothing of it will be differentiated

  void clear() {
    executable.reset();
    outputs.clear();
    leaves.clear();
    made.clear();
    owned.clear();
    at.clear();
  }
};

/// Runs all sweeps of `run.executable`, in memory for one run: leaves and outputs from outside,
/// temporaries from an arena.
void execute(Run& run);

}  // namespace ballast::sweep
