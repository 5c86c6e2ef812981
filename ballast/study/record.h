// The record of a training: losses, statistics and gradients over the steps, in files.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ballast/study/subject.h"
#include "ballast/train/trainer.h"

namespace ballast::study {

enum class RecordFormat {
  kTensorBoard,  ///< FOLDER/tensorboard/events...: scalars and histograms
  kCsv,          ///< FOLDER/record.csv: step,tag,value
  kJsonLines,    ///< FOLDER/record.jsonl: {"step": ..., "tag": ..., "value": ...}
};

/// Writes what happens in a training. After every step: the loss. After every epoch: the loss and
/// accuracy of both sets, the learning rate, per parameter the norm of its gradient in the last
/// step, and per batch-norm layer the running statistics and its inputs and outputs on one batch,
/// normalized by that batch. CSV and JSON lines hold mean and deviation in place of histograms.
/// Training goes on as if nobody recorded: no statistic, gradient or random number changes.
class TrainingRecord {
 public:
  /// `model` must outlive this; `batch` is what layers are looked at with. Throws FileError.
  TrainingRecord(nn::Module& model, const Tensor& batch, const std::string& folder,
                 const std::vector<RecordFormat>& formats);
  ~TrainingRecord();
  TrainingRecord(const TrainingRecord&) = delete;
  TrainingRecord& operator=(const TrainingRecord&) = delete;

  /// Where the first step is not 1, training goes on: lines of that and later steps are dropped.
  void step(const train::StepMetrics& m);
  /// After the epoch's last step.
  void epoch(const train::EpochMetrics& m);

 private:
  class Sink;
  class EventSink;
  class LineSink;
  class LayerProbe;

  void scalar(const std::string& tag, double value);
  void values(const std::string& tag, const Tensor& t);

  nn::Module& model_;
  Tensor batch_;
  Subject subject_;
  std::vector<std::unique_ptr<Sink>> sinks_;
  int64_t step_ = 0;
};

/// Draws loss, accuracy and learning rate over the epochs, as FOLDER/loss.svg and so on. Throws
/// FileError where gnuplot is missing.
void plot_training(const std::vector<train::EpochMetrics>& epochs, const std::string& folder);
/// Throws FileError where gnuplot is missing or draws nothing.
void check_plots();

}  // namespace ballast::study
