// Sweeps: what a plan is compiled to.
#pragma once

#include <memory>
#include <span>

#include "ballast/plan/plan.h"

namespace ballast::sweep {

/// Memory of every value of a plan during one run.
using Pointers = std::byte* const*;

/// Memory that a sweep has for the length of a run.
struct Lent {
  const std::byte* prepared;  // what `prepare` wrote; null where prepared_bytes() is 0
  std::byte* temporary;       // temporary_bytes() of it
};

/// One pass over memory. Immutable once built: the same sweep may run on several threads at a time.
class Sweep {
 public:
  virtual ~Sweep() = default;

  /// Operands that seldom change (weights) in the form the kernels want (packed, transformed):
  /// bytes of it, the values it is made of, and the making. The evaluator calls `prepare` before
  /// `run`; in evaluation mode it keeps what was prepared for as long as those values stay the
  /// same.
  virtual int64_t prepared_bytes() const { return 0; }
  virtual std::vector<int> prepared_from() const { return {}; }
  virtual void prepare(Pointers /*p*/, std::byte* /*prepared*/) const {}

  /// Bytes that it wants only while it runs. All sweeps of a plan are lent the same memory, one
  /// after the other.
  virtual int64_t temporary_bytes() const { return 0; }

  /// What runs it, for reports: "winograd", "direct", ...
  virtual const char* kernel() const = 0;
  /// Of the direct algorithm's multiplications, the part it makes.
  virtual double multiplications() const { return 1; }

  virtual void run(Pointers p, const Lent& lent) const = 0;
};

/// Whether a group is more than its first value between values in memory.
bool has_ends(const plan::Plan& plan, const plan::Group& group);

/// Compiles one group. Falls back to the reference kernel where no fast path fits.
std::unique_ptr<Sweep> build(const plan::Plan& plan, const plan::Group& group, bool fast);

// The fast paths: each returns null where it does not fit. Those for products take a group: the
// product first, then what its epilogue makes (see ends.h).
std::unique_ptr<Sweep> build_pointwise(const plan::Plan& plan, const plan::Group& group);
std::unique_ptr<Sweep> build_matmul(const plan::Plan& plan, const plan::Group& group);
std::unique_ptr<Sweep> build_winograd(const plan::Plan& plan, const plan::Group& group);
/// Both gradients of a convolution.
std::unique_ptr<Sweep> build_winograd_grads(const plan::Plan& plan, const plan::Group& input_grad,
                                            int weight_grad);
std::unique_ptr<Sweep> build_depthwise(const plan::Plan& plan, const plan::Group& group);
std::unique_ptr<Sweep> build_conv(const plan::Plan& plan, const plan::Group& group);
std::unique_ptr<Sweep> build_pool(const plan::Plan& plan, const plan::Group& group);
std::unique_ptr<Sweep> build_sums(const plan::Plan& plan, const plan::Group& group);
std::unique_ptr<Sweep> build_convert(const plan::Plan& plan, int value);
std::unique_ptr<Sweep> build_loss(const plan::Plan& plan, int value);
std::unique_ptr<Sweep> build_recurrent(const plan::Plan& plan, int value);

/// Scratch memory of the calling thread for the length of a piece of work; at least `bytes`,
/// aligned.
std::byte* scratch(size_t bytes);

}  // namespace ballast::sweep
