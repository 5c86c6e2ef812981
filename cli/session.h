// Training that can be cut off after any step and continued to the same bits.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ballast/data/loader.h"
#include "ballast/train/lr_scheduler.h"
#include "cli/run.h"

namespace ballast::cli {

/// One epoch's line of metrics.jsonl.
struct EpochMetrics {
  int64_t epoch = 0, step = 0;
  double train_loss = 0, test_loss = 0, test_accuracy = 0, lr = 0;
};
/// {"epoch": ..., ...} without a line break. Holds no times: the file of a continued run equals
/// that of one never stopped.
std::string json_line(const EpochMetrics& m);

/// A network in training. Everything that later steps depend on is in its checkpoint: weights,
/// statistics, optimizer, schedule, generator, the position within the epoch and the metrics so
/// far.
class Session {
 public:
  /// Fresh weights from the settings' seed. Throws UsageError where the last batch of an epoch
  /// would be one sample and the network cannot train on that.
  Session(const Settings& settings, const data::SplitArrays& data);

  bool finished() const { return epoch_ == settings_.epochs; }
  /// One step of the optimizer; at the end of an epoch also measures the test samples, and returns
  /// true.
  bool step();

  /// The position as a checkpoint file, atomically; and back. `load` throws FileError where the
  /// file is no checkpoint of such a run.
  void save(const std::string& path) const;
  void load(const std::string& path);

  const std::vector<EpochMetrics>& metrics() const { return metrics_; }
  int64_t steps() const { return steps_; }
  nn::Module& model() { return *model_; }

 private:
  void check_last_batch() const;
  void end_epoch();

  Settings settings_;
  data::Loader loader_;
  data::Loader::Iterator batch_;  // the last one trained on; at the end between epochs
  data::ArrayDataset test_;
  nn::ModulePtr model_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  std::unique_ptr<optim::LRScheduler> schedule_;

  int64_t epoch_ = 0, in_epoch_ = 0, steps_ = 0;  // epochs done, steps of this one and in all
  double loss_sum_ = 0;                           // of this epoch, weighted by samples
  std::vector<EpochMetrics> metrics_;
};

}  // namespace ballast::cli
