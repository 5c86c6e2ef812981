// The highest learning rate that still trains.
#include <fmt/format.h>

#include <cmath>

#include "ballast/study/claims.h"
#include "ballast/study/training.h"

namespace ballast::study {
namespace {

/// Of the training samples; a network that always says the same has a tenth.
constexpr double kTrained = 0.8;
/// Rates are looked for between 10^-3 and 10^3.
constexpr double kLow = -3.0, kHigh = 3.0;
/// A factor of 1.5 matters.
const double kMargin = std::log10(1.5);

struct Search {
  Lab& lab;
  int64_t epochs, points, steps;

  double grid(int64_t i) const {
    return kLow + (kHigh - kLow) * static_cast<double>(i) / static_cast<double>(points - 1);
  }
  Training at(Norm norm, double log_rate) const {
    return {.recipe = {.norm = norm}, .lr = std::pow(10.0, log_rate), .epochs = epochs};
  }
  bool trains(Norm norm, double log_rate, int64_t seed) const {
    const Numbers& run = lab.train(at(norm, log_rate), seed);
    return run.at("diverged").back() == 0.0 && run.at("train_accuracy").back() >= kTrained;
  }
  /// log10 of the highest rate: that of the grid, and between it and the next by bisection. `kLow`
  /// where none trains.
  double highest(Norm norm, int64_t seed) const {
    int64_t best = points - 1;
    while (best >= 0 && !trains(norm, grid(best), seed)) --best;
    if (best < 0 || best == points - 1) return best < 0 ? kLow : kHigh;
    double low = grid(best), high = grid(best + 1);
    for (int64_t i = 0; i < steps; ++i) {
      const double middle = 0.5 * (low + high);
      (trains(norm, middle, seed) ? low : high) = middle;
    }
    return low;
  }
  Series curve(Norm norm, const char* name, int colour) const {
    Series s{.name = name, .colour = colour, .x = {}, .y = {}};
    for (int64_t i = 0; i < points; ++i)
      s.add(std::pow(10.0, grid(i)),
            percent(mean_interval(column(lab.train_all(at(norm, grid(i))), "train_accuracy"))));
    return s;
  }
};

Estimate powers(const Estimate& e) {
  return {std::pow(10.0, e.mean), std::pow(10.0, e.low), std::pow(10.0, e.high), e.n};
}

}  // namespace

Finding learning_rate(Lab& lab) {
  const Search search{lab, lab.pick(1, 10, 20), lab.pick(2, 9, 13), lab.pick(1, 6, 8)};
  lab.begin("learning-rate", 2 * lab.seeds() * (search.steps + 2 * search.points));
  Finding f;
  f.figures.push_back(
      {"learning-rate",
       fmt::format("Training accuracy in epoch {} by learning rate", search.epochs),
       {"learning rate", true},
       {"training accuracy [%]", false, 0.0, 100.0},
       {search.curve(Norm::kBatch, "batch norm", 0), search.curve(Norm::kNone, "without", 1)}});
  std::vector<double> with, without;
  for (int64_t seed = 0; seed < lab.seeds(); ++seed) {
    with.push_back(search.highest(Norm::kBatch, seed));
    without.push_back(search.highest(Norm::kNone, seed));
  }
  const Estimate difference = paired_difference(with, without);
  f.comparisons = {{"highest rate", difference, kMargin, "decades"}};
  f.verdict = judge(f.comparisons);
  f.sentence = fmt::format(
      "With batch normalization the highest rate that trains is {}, without {}: {} times as high.",
      text_of(powers(mean_interval(with))), text_of(powers(mean_interval(without))),
      text_of(powers(difference)));
  f.tables.push_back(
      {fmt::format("The highest learning rate at which epoch {} reaches {:.0f} % of "
                   "the training samples, between {} and {}",
                   search.epochs, 100 * kTrained, std::pow(10.0, kLow), std::pow(10.0, kHigh)),
       {{"network"}, {"highest rate"}},
       {{"batch norm", powers(mean_interval(with))},
        {"without", powers(mean_interval(without))},
        {"ratio", powers(difference)}}});
  return f;
}

}  // namespace ballast::study
