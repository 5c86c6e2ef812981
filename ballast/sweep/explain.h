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
  double seconds = 0;              // mean over the runs
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

/// While it lives, evaluations of this thread are recorded. Recorders do not nest. Throws Error if
/// there is one already.
class Recorder {
 public:
  Recorder();
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  /// The plans that ran, in the order of their first run.
  std::vector<PlanReport> plans() const;
};

/// The fastest that this machine copies memory and multiplies, measured once: the roofline
/// (Williams, Waterman & Patterson 2009).
struct Roofline {
  double bytes_per_second, flops_per_second;
  /// The least seconds that a sweep can take.
  double bound(const SweepReport& s) const;
};
const Roofline& roofline();

/// The plan as a table: share of time first.
std::string to_table(const PlanReport& plan);
/// The same as JSON.
std::string to_json(const std::vector<PlanReport>& plans);

}  // namespace ballast
