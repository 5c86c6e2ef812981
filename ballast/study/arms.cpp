#include "ballast/study/arms.h"

namespace ballast::study {
namespace {

const char* called(Norm norm) {
  switch (norm) {
    case Norm::kNone:
      return "without";
    case Norm::kFixed:
      return "without scale and shift";
    case Norm::kNoisy:
      return "noise after batch norm";
    default:
      return "batch norm";
  }
}

Arm arm_of(const Training& training, std::string name) {
  const Norm norm = training.recipe.norm;
  return {name.empty() ? called(norm) : std::move(name),
          static_cast<int>(norm == Norm::kBatch  ? 0
                           : norm == Norm::kNone ? 1
                                                 : 2),
          training};
}

}  // namespace

Estimate Arm::test_accuracy() const {
  return percent(mean_interval(column(runs, "test_accuracy")));
}
Estimate Arm::fit_accuracy() const { return percent(mean_interval(column(runs, "fit_accuracy"))); }

std::vector<double> Arm::gaps() const {
  std::vector<double> out;
  for (const Numbers& n : runs)
    out.push_back(100 * (n.at("fit_accuracy").back() - n.at("test_accuracy").back()));
  return out;
}

Arm train_arm(Lab& lab, Training training, std::string name) {
  Arm arm = arm_of(training, std::move(name));
  arm.runs = lab.train_all(training);
  return arm;
}

Arm train_best(Lab& lab, Training training, const std::vector<double>& rates, std::string name) {
  Arm best;
  for (const double lr : rates) {
    training.lr = lr;
    Arm arm = train_arm(lab, training, name);
    if (best.runs.empty() || arm.fit_accuracy().mean > best.fit_accuracy().mean)
      best = std::move(arm);
  }
  return best;
}

Estimate gain(const Arm& a, const std::string& name_a, const Arm& b, const std::string& name_b) {
  return points(accuracy_difference(lists(a.runs, name_a), lists(b.runs, name_b)));
}

Estimate gain(const Arm& a, const Arm& b) { return gain(a, "correct", b, "correct"); }

Series line_of(const Arm& arm) {
  return {.name = arm.name, .colour = arm.colour, .x = {}, .y = {}};
}

Axis percent_axis(const std::string& label) { return {label + " [%]", false, 0.0, 100.0}; }

}  // namespace ballast::study
