// A training step of a batch whose activations do not fit in memory.
#pragma once

#include <functional>

#include "ballast/data/loader.h"
#include "ballast/nn/module.h"

namespace ballast::study {

struct TrainStepOptions {
  /// Samples whose activations are held at a time.
  int64_t micro_batch = 64;
  /// (output, labels) -> a scalar; undefined: cross-entropy.
  std::function<Tensor(const Tensor&, const Tensor&)> loss = {};
  /// Whether the loss is a mean over the samples given to it (else a sum).
  bool mean = true;
  /// About how many batch-norm layers lie between values that are kept for the way back: fewer take
  /// more memory and less time.
  int stride = 4;
};

/// The step `loss(model(x), y).backward()` of the whole batch, in parts of `micro_batch` samples:
/// statistics, gradients and running statistics are those of the whole batch up to rounding (see
/// `ExactBatch`), where the accumulation of gradients would have the statistics of the parts.
/// Samples are rows of x and y, and may meet in batch-norm layers only. Returns the loss; the
/// optimizer's step is the caller's. Throws ValueError for a batch without samples or of other
/// lengths, and what ExactBatch::add throws.
double train_step(nn::Module& model, const data::Batch& batch,
                  const TrainStepOptions& options = {});

}  // namespace ballast::study
