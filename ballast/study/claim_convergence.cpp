// Epochs and seconds to an accuracy.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ballast/study/claims.h"
#include "ballast/study/training.h"

namespace ballast::study {
namespace {

constexpr double kTarget = 0.95;
/// Epochs that are 10 % fewer matter.
const double kMargin = std::log(1 / 0.9);

struct Arm {
  Norm norm;
  double lr;
  std::vector<Numbers> runs;

  std::vector<double> epochs() const {
    std::vector<double> out;
    for (const auto& curve : lists(runs, "test_accuracy")) out.push_back(epochs_to(curve, kTarget));
    return out;
  }
  int64_t reaching() const {
    int64_t n = 0;
    for (const auto& curve : lists(runs, "test_accuracy")) n += reached(curve, kTarget);
    return n;
  }
  std::vector<double> seconds() const {
    std::vector<double> out;
    const std::vector<double> all = column(runs, "seconds"), needed = epochs();
    for (size_t i = 0; i < all.size(); ++i)
      out.push_back(all[i] * needed[i] / static_cast<double>(runs[i].at("train_loss").size()));
    return out;
  }
};

Series curve(const Arm& arm, const char* name, int colour) {
  Series s{.name = name, .colour = colour, .x = {}, .y = {}};
  double epoch = 1;
  for (const Estimate& e : estimates(arm.runs, "test_accuracy")) s.add(epoch++, percent(e));
  return s;
}

/// The arm that needs the fewest epochs.
const Arm& best(const std::vector<Arm>& arms) {
  return *std::min_element(arms.begin(), arms.end(), [](const Arm& a, const Arm& b) {
    return geometric_interval(a.epochs()).mean < geometric_interval(b.epochs()).mean;
  });
}

Comparison compare(const std::string& setting, const Arm& with, const Arm& without) {
  const Estimate ratio = paired_ratio(without.epochs(), with.epochs());
  return {setting,
          {std::log(ratio.mean), std::log(ratio.low), std::log(ratio.high), ratio.n},
          kMargin,
          "log of the ratio of epochs"};
}

}  // namespace

std::vector<double> convergence_rates(const Lab& lab) {
  return lab.pick<std::vector<double>>({0.1}, {0.01, 0.05, 0.2}, {0.003, 0.01, 0.03, 0.1, 0.3});
}
int64_t convergence_epochs(const Lab& lab) { return lab.pick(2, 15, 40); }

Finding convergence(Lab& lab) {
  const std::vector<double> rates = convergence_rates(lab);
  const int64_t epochs = convergence_epochs(lab);
  lab.begin("convergence", static_cast<int64_t>(rates.size()) * 2 * lab.seeds());
  std::vector<Arm> with, without;
  for (const double lr : rates)
    for (const Norm norm : {Norm::kBatch, Norm::kNone})
      (norm == Norm::kBatch ? with : without)
          .push_back(
              {norm, lr, lab.train_all({.recipe = {.norm = norm}, .lr = lr, .epochs = epochs})});

  Finding f;
  Table table{
      fmt::format("Epochs and seconds until {:.0f} % of the test samples are answered right "
                  "({} where that never happens)",
                  100 * kTarget, epochs),
      {{"learning rate"},
       {"epochs with", "epochs"},
       {"epochs without", "epochs"},
       {"reached with / without", "seeds"},
       {"seconds with", "s", true},
       {"seconds without", "s", true}},
      {}};
  for (size_t i = 0; i < rates.size(); ++i) {
    table.rows.push_back(
        {rates[i], geometric_interval(with[i].epochs()), geometric_interval(without[i].epochs()),
         fmt::format("{} / {} of {}", with[i].reaching(), without[i].reaching(), lab.seeds()),
         geometric_interval(with[i].seconds()), geometric_interval(without[i].seconds())});
    f.comparisons.push_back(
        compare(fmt::format("learning rate {}", rates[i]), with[i], without[i]));
  }
  const Arm &a = best(with), &b = best(without);
  f.comparisons.push_back(compare("each at its best rate", a, b));
  f.verdict = judge(f.comparisons);
  const Estimate ratio = paired_ratio(b.epochs(), a.epochs());
  f.sentence = fmt::format(
      "At its best rate ({}) a network with batch normalization needs {} epochs to {:.0f} %, one "
      "without ({}) {}: {} times as many. Over all rates {}.",
      a.lr, text_of(geometric_interval(a.epochs())), 100 * kTarget, b.lr,
      text_of(geometric_interval(b.epochs())), text_of(ratio), tally(f.comparisons));
  f.timing = fmt::format("In seconds, at these rates: {} with, {} without.",
                         text_of(geometric_interval(a.seconds())),
                         text_of(geometric_interval(b.seconds())));
  f.tables.push_back(std::move(table));
  f.figures.push_back({"convergence",
                       "Test accuracy, each network at its best learning rate",
                       {"epoch"},
                       {"test accuracy [%]", false, 0.0, 100.0},
                       {curve(a, "batch norm", 0), curve(b, "without", 1)}});
  return f;
}

}  // namespace ballast::study
