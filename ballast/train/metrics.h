// Numbers that tell how training goes, and showing them.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

#include "ballast/graph/tensor.h"

namespace ballast::train {

/// How many rows of logits (N, C) are largest at their label (N); of equal logits the first counts.
/// Throws ValueError where shapes do not fit.
int64_t correct_count(const Tensor& logits, const Tensor& labels);
/// The same as a fraction of N.
double accuracy(const Tensor& logits, const Tensor& labels);

/// Mean of the values added so far, each counted `weight` times.
struct RunningMean {
  double sum = 0.0, weight = 0.0;

  void add(double value, double times = 1.0) {
    sum += value * times;
    weight += times;
  }
  /// NaN before the first value.
  double value() const { return sum / weight; }
};

/// Shows how far something has come: a bar that moves on a terminal; in a file or a pipe a line of
/// text for each tenth.
class Progress {
 public:
  /// `total` steps, called `label`, shown on `out`.
  Progress(std::string label, int64_t total, std::FILE* out = stderr);
  /// `done` steps are behind us; `note` ("loss 0.31") follows the bar. The terminal is written to
  /// at most ten times a second.
  void update(int64_t done, const std::string& note = "");
  /// Ends the line of the bar.
  void finish();

 private:
  std::string line(int64_t done, const std::string& note) const;

  std::string label_;
  int64_t total_;
  std::FILE* out_;
  bool terminal_;
  bool open_ = false;  // a bar without a line's end is on the terminal
  int64_t tenths_ = 0;
  std::chrono::steady_clock::time_point shown_;
};

}  // namespace ballast::train
