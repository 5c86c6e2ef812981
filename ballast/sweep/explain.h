// What evaluations do: their sweeps, with what they move and compute, and how long they took.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ballast {

/// One sweep of a plan.
struct SweepReport {
  std::string name;                // the operation it is built around: "conv2d 3x3 64->128 /2"
  std::string shape;               // of what it makes: "16x128x28x28"
  std::vector<std::string> fused;  // operations computed with it: in its prologue, its epilogue
  std::string kernel;              // "winograd", "direct", "whole" (not fused), "reference", ...
  int64_t bytes = 0;               // read and written once each
  int64_t flops = 0;               // as the direct algorithm counts
  int64_t operations = 0;  // as the kernel's algorithm counts: Winograd's products are fewer
  double seconds = 0;      // mean over the runs
};

/// One plan that was evaluated.
struct PlanReport {
  std::vector<SweepReport> sweeps;
  int64_t runs = 0;
  double seconds = 0;  // mean over the runs, with everything around the sweeps
  // Memory, in bytes: what the plan reads from outside and leaves behind, and what it needs
  // meanwhile: for temporary values, and lent to sweeps (prepared weights, sums).
  int64_t inputs = 0, outputs = 0, temporary = 0, lent = 0;
};

/// The most memory that was in use while a recorder lived, in bytes, and whose it was: what the
/// largest plan read from outside, left behind, and needed meanwhile (see PlanReport); what
/// optimizers keep (momentum); and what none of these knows of.
struct MemoryReport {
  int64_t peak = 0, inputs = 0, outputs = 0, temporary = 0, lent = 0, optimizer = 0, other = 0;
};

/// While it lives, evaluations of this thread, and updates by optimizers, are recorded. Recorders
/// do not nest. Throws Error if there is one already.
class Recorder {
 public:
  Recorder();
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  /// The plans that ran, in the order of their first run. An optimizer's update is one of a single
  /// sweep, whose kernel is "update".
  std::vector<PlanReport> plans() const;
  MemoryReport memory() const;
};

/// The fastest that this machine copies memory and multiplies, measured once: the roofline
/// (Williams, Waterman & Patterson 2009).
struct Roofline {
  double bytes_per_second, flops_per_second;
  /// The seconds that a sweep's bytes take from and to memory, or its operations, whichever takes
  /// longer. Where its operands are still in a cache, it may take less.
  double bound(const SweepReport& s) const;
};
const Roofline& roofline();

/// The plan as a table: share of time first.
std::string to_table(const PlanReport& plan);
/// "peak 131.2 MB: inputs 47.2, ..."
std::string to_line(const MemoryReport& memory);
/// All of it as JSON.
std::string to_json(const std::vector<PlanReport>& plans, const MemoryReport& memory);

}  // namespace ballast
