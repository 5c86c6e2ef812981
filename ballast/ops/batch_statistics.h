// Where batch normalization takes its statistics from while it trains, and how a layer remembers
// them.
#pragma once

#include "ballast/graph/tensor.h"

namespace ballast {

/// Running statistics of a batch-norm layer.
struct BatchNormState {
  Tensor mean, var;            // (C)
  Tensor num_batches_tracked;  // scalar int64; may be undefined
};

/// Rows of moments. The deviation is the variance's root: it stays finite where float32 cannot hold
/// the variance (numbers beyond 1e19).
inline constexpr int64_t kMomentRows = 3;

/// Per-channel mean, biased variance and standard deviation of x (N, C, ...): a tensor (3, C).
/// Centred sums in double, merged (Chan, Golub & LeVeque 1979) and rounded once: a large mean costs
/// no accuracy, and float32 moments practically do not depend on the order of the samples, or on
/// where a batch is cut.
Tensor channel_moments(const Tensor& x);

/// The same as float64, before that rounding. It takes a pass over x of its own.
Tensor exact_moments(const Tensor& x);

/// The moments (3, C) by which training normalizes x (N, C, ...): its own, which `state` (null:
/// none) takes in, or what the StatisticsScope of this thread gives. Throws ValueError "Expected
/// more than 1 value per channel when training" where a channel has one value.
Tensor batch_moments(const Tensor& x, const BatchNormState* state, double momentum);

/// The state becomes (1 - momentum)*old + momentum*new, the variance unbiased (factor n/(n - 1), n
/// the values of a channel); a momentum of NaN stands for PyTorch's `None`, the cumulative
/// average 1/num_batches_tracked.
void track_moments(const BatchNormState& state, const Tensor& moments, int64_t n, double momentum);

/// The running statistics as moments (3, C) of another dtype, perhaps.
Tensor state_moments(const BatchNormState& state, DType dtype);

/// Throws ValueError in PyTorch's words where a channel of x has one of `n` values only.
void check_moments(const Tensor& x, int64_t n);

/// While it lives, it gives the statistics of this thread's batch-norm layers in place of the
/// batch's own: those of a batch of which x is a part, for example, or the batch's, of which it
/// takes note. Scopes are used one inside the other.
class StatisticsScope {
 public:
  StatisticsScope();
  virtual ~StatisticsScope();
  StatisticsScope(const StatisticsScope&) = delete;
  StatisticsScope& operator=(const StatisticsScope&) = delete;

  /// What `batch_moments` returns. It is for the scope to track them.
  virtual Tensor moments(const Tensor& x, const BatchNormState* state, double momentum) = 0;
  /// Whether x is a part of the batch that the moments are of. Layers that have statistics of
  /// other parts refuse to work then.
  virtual bool beyond_input() const { return false; }

  /// The innermost of this thread, or null.
  static StatisticsScope* current();

 private:
  StatisticsScope* outer_;
};

}  // namespace ballast
