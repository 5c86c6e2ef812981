// Running statistics computed anew: exactly, over all of a data set.
#pragma once

#include <cstdint>
#include <vector>

#include "ballast/data/loader.h"
#include "ballast/nn/module.h"
#include "ballast/ops/batch_statistics.h"
#include "ballast/study/merged_moments.h"

namespace ballast::study {

/// Moments of the batches that batch-norm layers have seen, by layer.
class RunningMoments {
 public:
  /// Takes note of a batch that has moments (3, C) and `n` values per channel.
  void note(const BatchNormState& state, const Tensor& moments, double n);
  /// Evaluates and merges what has been noted; to be called after each batch.
  void collect();
  /// Sets the running statistics of all layers seen to mean and unbiased variance of all their
  /// batches' values, weighted `count : prior` against what they are, and num_batches_tracked to
  /// the number of batches.
  void write(double prior = 0) const;

 private:
  struct Layer {
    BatchNormState state;
    MergedMoments merged;
    int64_t batches = 0;
  };
  struct Noted {
    size_t layer;
    Tensor moments;
    double n;
  };
  std::vector<Layer> layers_;
  std::vector<Noted> noted_;
};

/// While it lives, the batches that this thread's batch-norm layers see in training mode are noted;
/// they are normalized as always, but the running statistics stay.
class StatisticsRecorder : public StatisticsScope {
 public:
  explicit StatisticsRecorder(RunningMoments& to) : to_(to) {}
  Tensor moments(const Tensor& x, const BatchNormState* state, double momentum) override;

 private:
  RunningMoments& to_;
};

/// Sets the running statistics of all batch normalizations to those of a pass over the data, as Wu
/// & Johnson 2021 (arXiv:2105.07576, section 3) advise: mean and variance of all values that a
/// layer sees while each batch is normalized by its own statistics, where training leaves a moving
/// average of past weights. Moments are merged exactly, in one pass and constant memory. Dropout is
/// off, as in evaluation, for which the statistics are.
void precise_bn(nn::Module& model, data::Loader& batches);

/// AdaBN (Li et al. 2016, arXiv:1603.04779): the same over data of another domain, which need no
/// labels. With a `prior` the old statistics count as that many values more of each channel
/// (Schneider et al. 2020, arXiv:2006.16971, equation 3, counts samples), for few data.
void adapt_bn(nn::Module& model, data::Loader& batches, double prior = 0);

}  // namespace ballast::study
