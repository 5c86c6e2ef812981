// What claims' experiments share: the same training with and without, and reading results off it.
#pragma once

#include <string>
#include <vector>

#include "ballast/study/finding.h"
#include "ballast/study/training.h"

namespace ballast::study {

/// Trainings of one kind, a run per seed.
struct Arm {
  std::string name;
  int colour = 0;
  Training training = {};
  std::vector<Numbers> runs = {};

  /// Estimates over the seeds; accuracies as percentages.
  Estimate test_accuracy() const;
  Estimate fit_accuracy() const;
  /// Training accuracy less test accuracy, in percentage points, of each seed.
  std::vector<double> gaps() const;
};

/// The arm of a recipe: trained, named "batch norm", "without", ... and coloured accordingly.
Arm train_arm(Lab& lab, Training training, std::string name = "");
/// Of trainings that differ in their rate the one with the best mean accuracy on the training
/// samples.
Arm train_best(Lab& lab, Training training, const std::vector<double>& rates,
               std::string name = "");

/// a's test accuracy less b's, in percentage points, over seeds and test samples.
Estimate gain(const Arm& a, const Arm& b);
/// The same of lists of right answers called `name`.
Estimate gain(const Arm& a, const std::string& name_a, const Arm& b, const std::string& name_b);

/// A line per arm that shares a name, with points to be added.
Series line_of(const Arm& arm);
/// Percentages from 0 to 100.
Axis percent_axis(const std::string& label);

}  // namespace ballast::study
