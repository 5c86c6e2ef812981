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
/// The record of a training that was killed and continued by `train::fit` is that of one never
/// killed: lines after the checkpoint are dropped. (Event files cannot be changed while TensorBoard
/// reads them. A new one says which events of the others are void.)
class TrainingRecord : public train::Record {
 public:
  /// `model` must outlive this; `batch` is what layers are looked at with. Throws FileError.
  TrainingRecord(nn::Module& model, const Tensor& batch, const std::string& folder,
                 const std::vector<RecordFormat>& formats);
  ~TrainingRecord() override;
  TrainingRecord(const TrainingRecord&) = delete;
  TrainingRecord& operator=(const TrainingRecord&) = delete;

  void step(const train::StepMetrics& m) override;
  void epoch(const train::EpochMetrics& m) override;
  /// The length of each file of lines and the checksum of its content, all forced to the disk.
  StateDict state_dict() override;
  /// Cuts the files of lines off there. A file that `state` does not know begins anew with the next
  /// step. Throws FileError where a file is shorter or holds other lines.
  void load_state_dict(const StateDict& state) override;

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
