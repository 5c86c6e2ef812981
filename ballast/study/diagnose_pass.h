// Runs of a network in which batch-norm layers use the statistics an experiment wants, and what is
// seen of them. Not part of the public interface.
#pragma once

#include <limits>
#include <vector>

#include "ballast/study/diagnose.h"

namespace ballast::study {

/// Which statistics a layer normalizes by.
enum class Use { kBatch, kRunning, kActual };

/// Sums over the inputs of a layer.
class InputSums {
 public:
  explicit InputSums(int64_t channels);
  /// x (N, C, ...), normalized by its own statistics with this weight, bias and eps.
  void add(const Tensor& x, const std::vector<double>& weight, const std::vector<double>& bias,
           double eps);

  int64_t batches() const { return batches_; }
  int64_t values_per_sample() const { return pixels_; }
  /// Means over the batches of the batch's mean and unbiased variance: what a running average
  /// approaches.
  ChannelStatistics of_batches() const;
  /// Over all values together.
  ChannelStatistics of_all() const;
  /// Standard errors of the mean and variance of a batch of `n` samples.
  ChannelStatistics errors(int64_t n) const;
  std::vector<double> within() const;
  std::vector<double> between() const;
  const std::vector<double>& highest() const { return highest_; }

 private:
  struct Channel {
    double mean = 0.0, var = 0.0;        // sums over batches
    double sum = 0.0, square = 0.0;      // over all values, the square about `origin`
    double origin = 0.0;                 // the first batch's mean
    double within = 0.0, between = 0.0;  // over samples
    double spread = 0.0, spread2 = 0.0;  // a sample's mean square about the batch's mean; squared
  };
  std::vector<Channel> channels_;
  std::vector<double> highest_;
  int64_t batches_ = 0, samples_ = 0, values_ = 0, pixels_ = 1;
};

/// Samples, and the statistics per layer that `Use::kActual` stands for.
class Pass : public Watcher {
 public:
  Pass(const Subject& subject, Use all)
      : subject_(subject), use(subject.norms.size(), all), eps(subject.norms.size()) {
    for (size_t i = 0; i < eps.size(); ++i) eps[i] = subject.norms[i].eps;
  }

  Tensor norm(size_t i, const Tensor& x) override;
  /// Runs x; notes inputs where `sums` is set.
  Tensor operator()(const Tensor& x) { return subject_.run(x, *this); }

 private:
  const Subject& subject_;

 public:
  std::vector<Use> use;
  std::vector<double> eps;
  std::vector<InputSums>*sums = nullptr, *more_sums = nullptr;
  const std::vector<std::pair<Tensor, Tensor>>* actual = nullptr;  // mean and variance
  std::vector<size_t>* order = nullptr;                            // of the calls
  bool keep = false;                                               // the outputs of the layers
  std::vector<std::pair<size_t, Tensor>> kept;
};

/// While it lives, operations are recorded for autograd, whatever stands around it.
class WithGradients {
 public:
  WithGradients() : before_(grad_enabled()) { set_grad_enabled(true); }
  ~WithGradients() { set_grad_enabled(before_); }
  WithGradients(const WithGradients&) = delete;
  WithGradients& operator=(const WithGradients&) = delete;

 private:
  bool before_;
};

/// The elements of a tensor of any type.
std::vector<double> doubles(const Tensor& t);
/// How far `b` lies from `a`, two outputs with `rows` samples: the root mean square of the
/// difference, relative to that of `a` about the mean of its samples.
double moved(const std::vector<double>& a, const std::vector<double>& b, int64_t rows);
/// A weight or bias; `otherwise` where undefined.
std::vector<double> per_channel(const Tensor& t, int64_t channels, double otherwise);

/// The first value that is not finite on the way through the network, backwards included; nowhere
/// where all are.
NonFinite non_finite(const Subject& subject, std::span<const data::Batch> batches,
                     const Loss& loss);

}  // namespace ballast::study
