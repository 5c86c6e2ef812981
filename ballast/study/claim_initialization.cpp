// Initial weights of any size.
#include <fmt/format.h>

#include <algorithm>

#include "ballast/study/arms.h"
#include "ballast/study/claims.h"

namespace ballast::study {
namespace {

/// Five percentage points of the training samples matter.
constexpr double kMargin = 5.0;
/// A network that fits so many percent of them is called trained.
constexpr double kTrained = 90.0;

std::vector<Init> starts(const Lab& lab) {
  std::vector<Init> out;
  for (const double std : lab.pick<std::vector<double>>({1.0}, {1e-3, 1e-2, 0.1, 1.0, 10.0},
                                                        {1e-3, 1e-2, 0.1, 1.0, 10.0}))
    out.push_back({Init::kNormal, std});
  for (const auto kind : {Init::kZeros, Init::kOrthogonal, Init::kKaiming, Init::kDefault})
    out.push_back({kind});
  return out;
}

}  // namespace

Finding initialization(Lab& lab) {
  const std::vector<Init> inits = starts(lab);
  const auto rates = lab.pick<std::vector<double>>({0.1}, {0.01, 0.1}, {0.003, 0.01, 0.03, 0.1});
  const int64_t epochs = lab.pick(1, 8, 20);
  lab.begin("initialization", static_cast<int64_t>(inits.size() * rates.size()) * 2 * lab.seeds());
  Finding f;
  Table table{fmt::format("Accuracy after {} epochs, each network at its best rate", epochs),
              {{"initial weights"},
               {"training, with", "%"},
               {"training, without", "%"},
               {"test, with", "%"},
               {"test, without", "%"}},
              {}};
  Figure figure{"initialization",
                "Training accuracy by initial weights",
                {"initial weights"},
                percent_axis("training accuracy"),
                {}};
  int64_t with_trained = 0, without_trained = 0;
  for (const Init& init : inits) {
    std::vector<Arm> arms;
    for (const Norm norm : {Norm::kBatch, Norm::kNone})
      arms.push_back(
          train_best(lab, {.recipe = {.norm = norm}, .epochs = epochs, .init = init}, rates));
    if (figure.series.empty()) figure.series = {line_of(arms[0]), line_of(arms[1])};
    for (const size_t i : {0, 1})
      figure.series[i].add(static_cast<double>(figure.ticks.size()), arms[i].fit_accuracy());
    figure.ticks.push_back(init.str());
    with_trained += arms[0].fit_accuracy().mean >= kTrained;
    without_trained += arms[1].fit_accuracy().mean >= kTrained;
    table.rows.push_back({init.str(), arms[0].fit_accuracy(), arms[1].fit_accuracy(),
                          arms[0].test_accuracy(), arms[1].test_accuracy()});
    f.comparisons.push_back({fmt::format("from {}", init.str()),
                             points(paired_difference(column(arms[0].runs, "fit_accuracy"),
                                                      column(arms[1].runs, "fit_accuracy"))),
                             kMargin, "percentage points of the training samples"});
  }
  f.verdict = judge(f.comparisons);
  f.sentence = fmt::format(
      "Of {} initializations {} train to {:.0f} % with batch normalization and {} without; {}.",
      inits.size(), with_trained, kTrained, without_trained, tally(f.comparisons));
  f.tables.push_back(std::move(table));
  f.figures.push_back(std::move(figure));
  return f;
}

}  // namespace ballast::study
