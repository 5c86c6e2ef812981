// What is wrong with a batch-normalized network, found by experiments on it.
//
// Running statistics are the record of what training saw. Diagnosis repeats what training did, on
// batches of data, and compares; where record and repetition disagree, it repeats under each
// suspicion (another eps, batches of one sample, inputs of another scale) and sees which of them
// brings the record back.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ballast/data/loader.h"
#include "ballast/study/subject.h"

namespace ballast::study {

using Loss = std::function<Tensor(const Tensor& output, const Tensor& target)>;

struct DiagnoseOptions {
  /// Samples in training's batches; 0: as many as the loader's.
  int64_t batch_size = 0;
  /// Samples that are looked at, the first of the loader; whole batches.
  int64_t max_samples = 512;
  /// Steps of training, where known: running statistics that took in more batches than that were
  /// changed by something else.
  std::optional<int64_t> steps;
  /// Of the layers in training, where it was not the model's.
  std::optional<double> momentum = {};
  /// Of a batch: a mean. Cross-entropy where outputs (N, classes) meet labels (N); else, where not
  /// given, no losses are measured, and gradients are those of the mean square of the output.
  Loss loss = nullptr;
};

/// Mean and variance, channel by channel.
struct ChannelStatistics {
  std::vector<double> mean, var;
};

/// What was seen of one batch-norm layer. Lists have an entry per channel; numbers called shifts
/// and noises are in standard deviations of the channel.
struct LayerMeasurement {
  std::string name;
  double eps = 1e-5;
  std::optional<double> momentum;
  bool training = false, tracks = true;
  int64_t batches_tracked = 0;
  std::vector<double> weight, bias;  // ones and zeros where it has none
  ChannelStatistics running;
  /// Its inputs in batches like training's, all layers using the batch's statistics: what the
  /// running statistics estimate.
  ChannelStatistics batch;
  /// Its inputs in evaluation, all layers using the running statistics.
  ChannelStatistics evaluation;
  /// The standard errors of one batch's mean and variance.
  ChannelStatistics error;
  /// The variance within a sample, and that of the samples' means: what batches of one sample see
  /// and do not see.
  std::vector<double> within, between;
  int64_t values_per_sample = 1;  // pixels
  std::vector<double> highest;    // the largest output, all layers using the batch's statistics
  /// How far the running statistics lie from those of the nearest single sample, and how far single
  /// samples' usually lie from their nearest (median): distances as in `Mismatch`.
  double nearest_sample = 0.0, samples_apart = 0.0;
  bool rectified = false;   // a ReLU reads the output, and nothing else
  double gradient = 0.0;    // norm of the loss's gradient by the output
  double gap_output = 0.0;  // how far the output moves when this layer alone uses the
  double gap_loss = 0.0;    // batch's statistics; and the loss
};

/// How far the running statistics of one layer lie from the actual ones (see `distance_of`), and
/// what chance alone would make of it:
/// `sampling` for the limited number of batches looked at, `averaging` for the limited number of
/// batches that the running average holds.
struct Mismatch {
  double distance = 0.0, sampling = 0.0, averaging = 0.0;
};

/// Training repeated under a suspicion.
struct Replay {
  enum class Kind { kEps, kSingleSample, kInput } kind = Kind::kEps;
  double value = 0.0;            // eps, or the factor of the inputs
  double offset = 0.0;           // of the inputs
  std::vector<double> distance;  // of each layer's running statistics
  double output = 0.0;           // how far evaluation's output moves if the suspicion is met
  double loss = 0.0;             // and the loss then
};

/// Values that are not finite, where they began.
struct NonFinite {
  enum class Where { kNowhere, kInput, kParameter, kActivation, kGradient } where = Where::kNowhere;
  std::string name;    // of the tensor or layer
  int64_t count = 0;   // of such values in it
  std::string detail;  // whether a layer made it, or got it
};

/// All that the rules of `judge` look at.
struct Measurements {
  int64_t samples = 0, batch_size = 0, num_batches = 0, loader_batch = 0, last_batch = 0;
  bool batch_size_known = false;  // as training's, not as the loader's alone
  std::optional<int64_t> steps;
  std::vector<LayerMeasurement> layers;  // in the order in which they are called
  std::vector<Replay> replays;
  NonFinite non_finite;
  double batch_dependence = 0.0;  // how far a sample's output moves with its batch, modes as given
  double loss_evaluation = 0.0, loss_batch = 0.0, loss_recalibrated = 0.0;  // NaN: no loss
  double output_batch = 0.0;         // how far the output moves from evaluation to training mode
  double output_recalibrated = 0.0;  // and if running statistics are replaced by the actual ones
};

/// In the order in which findings of one severity are ranked: what makes others doubtful comes
/// first.
enum class FaultKind {
  kNonFinite,
  kSingleSample,
  kForgottenEval,
  kNeverUpdated,
  kWrongEps,
  kChangedInput,
  kNoisyStatistics,
  kStaleStatistics,
  kDeadChannels,
  kNoStatistics,
  kGradientScale,
  kSmallVariance,
};
/// "forgotten_eval", ...
const char* name_of(FaultKind kind);

struct Fault {
  enum class Severity { kNote, kWarning, kError };
  FaultKind kind = FaultKind::kNonFinite;
  Severity severity = Severity::kNote;
  std::vector<std::string> layers;
  double number = 0.0;    // the evidence
  std::string number_is;  // what it is
  std::string what, cause, remedy;
};

struct Diagnosis {
  Measurements measurements;
  std::vector<Fault> findings;  // the gravest first

  /// The findings in words and a table of the layers.
  std::string str() const;
  /// All of it.
  std::string json() const;
};

/// The experiments. Throws ValueError where there are no samples.
Measurements measure(const Subject& subject, std::span<const data::Batch> batches,
                     const DiagnoseOptions& options = {});
/// The rules.
std::vector<Fault> judge(const Measurements& m);

/// Root of the mean over the channels of shift^2 + (log of the deviations' ratio)^2, between
/// layers' statistics of which eps is added to the variances.
double distance_of(const ChannelStatistics& a, const ChannelStatistics& b, double eps);
Mismatch mismatch_of(const LayerMeasurement& layer, const Measurements& m);

/// Both. The model is judged as it is: its mode is part of what is judged, so call `model.eval()`
/// first as you would to evaluate it. Neither the model nor the default generator has changed
/// afterwards. The samples are those that the model is (to be) evaluated on.
Diagnosis diagnose(nn::Module& model, data::Loader& loader, const DiagnoseOptions& options = {});
Diagnosis diagnose(const Subject& subject, std::span<const data::Batch> batches,
                   const DiagnoseOptions& options = {});

}  // namespace ballast::study
