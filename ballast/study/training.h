// One training, described by what it depends on.
#pragma once

#include <functional>
#include <string>

#include "ballast/data/loader.h"
#include "ballast/study/lab.h"

namespace ballast::study {

/// How weights (of two dimensions and more) begin; biases become zero unless kDefault.
struct Init {
  enum Kind : uint8_t { kDefault, kZeros, kNormal, kOrthogonal, kKaiming };
  Kind kind = kDefault;
  double std = 1.0;  ///< of kNormal

  std::string str() const;
  /// Draws them anew.
  void apply(nn::Module& network) const;
};

/// Something that is measured of the trained network.
struct Probe {
  std::string name;
  std::function<void(nn::Module&, const Task&, Numbers&)> measure;
};

/// Training with SGD. Yields
///   train_loss, train_accuracy      of each epoch: means while the weights moved
///   test_accuracy                   after each epoch, in evaluation mode
///   fit_accuracy, fit_loss          at the end, on the training samples in evaluation mode
///   test_loss, correct              at the end; 1 or 0 for each test sample
///   batch_correct                   the same with the statistics of test batches (and dropout)
///   seconds                         by the clock, of all steps together
/// Once the loss is infinite or NaN, no more steps are made, and the numbers of the epochs that are
/// left are those of the last.
struct Training {
  Recipe recipe = {};
  double lr = 0.05, momentum = 0.9, weight_decay = 0.0;
  int64_t batch = 64, epochs = 10;
  int64_t samples = 0;              ///< to train on, the first of the set; 0: all
  double scale = 1.0, shift = 0.0;  ///< inputs, of training and test, become x*scale + shift
  double outliers = 0.0;            ///< fraction of training samples ...
  double outlier_factor = 1.0;      ///< ... that are multiplied by this
  Init init = {};
  Probe probe = {};

  /// All of it, as text.
  std::string str() const;
  Numbers run(const Task& task, const std::function<void()>& check_stop) const;
};

/// Mean loss and, for each sample, whether it is answered right; in evaluation mode, or with the
/// statistics of batches of `batch` samples (running statistics stay).
struct Answers {
  double loss = 0.0;
  std::vector<double> correct;
  double accuracy() const;
};
Answers answers(nn::Module& network, const data::TensorDataset& samples);
Answers answers_by_batch(nn::Module& network, const data::TensorDataset& samples, int64_t batch);

/// Epochs (with a fraction, between two by the line through both) until `accuracy` first reaches
/// `target`, beginning with `start` at epoch 0; the number of epochs where it never does.
double epochs_to(const std::vector<double>& accuracy, double target);
bool reached(const std::vector<double>& accuracy, double target);

/// The data set with inputs x*scale + shift.
data::TensorDataset scaled(const data::ArrayDataset& d, double scale, double shift);

}  // namespace ballast::study
