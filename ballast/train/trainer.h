// The training loop, and checkpoints from which it continues to the same bits.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "ballast/data/loader.h"
#include "ballast/nn/module.h"
#include "ballast/train/lr_scheduler.h"
#include "ballast/train/metrics.h"
#include "ballast/train/optim.h"

namespace ballast::train {

/// How an epoch went. Training numbers are means over the epoch, measured in training mode while
/// the weights moved; test numbers are NaN where there is no test set.
struct EpochMetrics {
  int64_t epoch = 0;  // from 1
  double lr = 0.0;
  double train_loss = 0.0, train_accuracy = 0.0;
  double test_loss = 0.0, test_accuracy = 0.0;
};

/// How a step went.
struct StepMetrics {
  int64_t epoch = 0, step = 0;         // from 1; steps are counted over all epochs
  int64_t batch = 0, num_batches = 0;  // within the epoch
  double loss = 0.0;
};

using Loss = std::function<Tensor(const Tensor& output, const Tensor& target)>;

/// Follows a training, and is continued with it.
class Record {
 public:
  virtual ~Record() = default;
  /// After every step, and after every epoch.
  virtual void step(const StepMetrics& m) = 0;
  virtual void epoch(const EpochMetrics& m) = 0;
  /// What `load_state_dict` needs to go on from here; kept in the checkpoint that is written next.
  /// What was recorded so far is on the disk when it returns.
  virtual StateDict state_dict() = 0;
  /// Goes on from there. Called where training continues from a checkpoint, before its first step.
  virtual void load_state_dict(const StateDict& state) = 0;
};

struct FitOptions {
  int64_t epochs = 10;
  Loss loss = nullptr;                      // cross-entropy where not given
  optim::LRScheduler* scheduler = nullptr;  // stepped after every epoch
  /// File of the checkpoint; empty: none is read or written. Where it exists, training continues
  /// from it. It is replaced at the end, when stopped, and every so many steps or seconds (0:
  /// never).
  std::string checkpoint = {};
  int64_t checkpoint_every_steps = 0;
  double checkpoint_every_seconds = 0.0;
  /// What decides the result beside the other arguments, by name ("seed", "data"). Kept in the
  /// checkpoint, which continues no training with others.
  std::vector<std::pair<std::string, std::string>> settings = {};
  Record* record = nullptr;
  /// Training stops after the step during which this becomes true.
  const std::atomic<bool>* stop = nullptr;
  std::function<void(const StepMetrics&)> on_step = nullptr;
  std::function<void(const EpochMetrics&)> on_epoch = nullptr;
  /// The epochs that lie behind, where training continues from a checkpoint.
  std::function<void(const std::vector<EpochMetrics>&)> on_restore = nullptr;
};

struct FitResult {
  std::vector<EpochMetrics> epochs;  // all of them, also those before the checkpoint
  int64_t steps = 0;
  bool stopped = false;  // before the end, by `FitOptions::stop`
};

/// Trains `model` on `train` and, after every epoch, evaluates it on `test` (where not null).
/// Interrupted at any moment and called again with equal arguments, it continues from the
/// checkpoint to the same bits as if never interrupted: a checkpoint holds the model, the
/// optimizer, the scheduler, the default generator, the loaders' positions and the metrics so far,
/// and nothing is looked at at times that depend on a clock. Only `epochs` may differ: it may be as
/// low as the epochs begun, and any number above. A checkpoint carries a checksum. Throws FileError
/// where it cannot be read or written, is damaged, or was made with other settings (of `settings`,
/// the optimizer, the schedule or the loaders: it names the first, and both values); Error for one
/// of another model.
FitResult fit(nn::Module& model, optim::Optimizer& optimizer, data::Loader& train,
              data::Loader* test, const FitOptions& options = {});

/// The entries of a checkpoint of `fit`. Throws FileError where it cannot be read or is damaged.
StateDict load_checkpoint(const std::string& path);
/// The settings that a checkpoint was made with, with those that `fit` adds.
std::vector<std::pair<std::string, std::string>> settings_of(const StateDict& checkpoint,
                                                             const std::string& path);

/// Mean loss and accuracy over a loader, in evaluation mode; the model's mode is restored.
struct Evaluation {
  double loss = 0.0, accuracy = 0.0;
};
Evaluation evaluate(nn::Module& model, data::Loader& loader, const Loss& loss = nullptr);

/// While it lives, SIGINT and SIGTERM set its flag instead of ending the process; a second one ends
/// it. One at a time.
class StopOnSignal {
 public:
  StopOnSignal();
  ~StopOnSignal();
  StopOnSignal(const StopOnSignal&) = delete;
  StopOnSignal& operator=(const StopOnSignal&) = delete;
  const std::atomic<bool>& flag() const;

 private:
  void (*previous_int_)(int);
  void (*previous_term_)(int);
};

}  // namespace ballast::train
