// Test accuracy in the end, and where training has come equally far.
#include <fmt/format.h>

#include "ballast/study/arms.h"
#include "ballast/study/claims.h"

namespace ballast::study {
namespace {

/// Half a percentage point of test accuracy matters.
constexpr double kMargin = 0.5;
/// Training losses that both are asked at.
constexpr double kLosses[] = {0.5, 0.2, 0.1};

/// Test accuracy after the first epoch whose training loss is at most `loss`; of the last where
/// none is.
std::vector<double> accuracy_at(const Arm& arm, double loss) {
  std::vector<double> out;
  for (const Numbers& n : arm.runs) {
    const auto& losses = n.at("train_loss");
    size_t epoch = 0;
    while (epoch + 1 < losses.size() && !(losses[epoch] <= loss)) ++epoch;
    out.push_back(100 * n.at("test_accuracy")[epoch]);
  }
  return out;
}

}  // namespace

Finding generalization(Lab& lab) {
  const std::vector<double> rates = convergence_rates(lab);
  const int64_t epochs = convergence_epochs(lab);
  lab.begin("generalization", static_cast<int64_t>(rates.size()) * 2 * lab.seeds());
  const Arm with = train_best(lab, {.epochs = epochs}, rates);
  const Arm without = train_best(lab, {.recipe = {.norm = Norm::kNone}, .epochs = epochs}, rates);
  Finding f;
  f.comparisons = {{"test accuracy in the end, each at its best rate", gain(with, without), kMargin,
                    "percentage points"}};
  Table t{
      fmt::format("Test accuracy after {} epochs, and after the first epoch whose training loss is "
                  "as low as said; each at the rate that fits the training samples best",
                  epochs),
      {{"where"}, {"with", "%"}, {"without", "%"}},
      {{"in the end", with.test_accuracy(), without.test_accuracy()}}};
  Figure figure{"generalization",
                "Test accuracy by how far training has come",
                {"training loss [nats]", true},
                {"test accuracy [%]"},
                {line_of(with), line_of(without)}};
  for (const double loss : kLosses) {
    const auto a = accuracy_at(with, loss), b = accuracy_at(without, loss);
    t.rows.push_back({fmt::format("training loss {}", loss), mean_interval(a), mean_interval(b)});
    figure.series[0].add(loss, mean_interval(a));
    figure.series[1].add(loss, mean_interval(b));
    f.comparisons.push_back({fmt::format("test accuracy at training loss {}", loss),
                             paired_difference(a, b), kMargin, "percentage points"});
  }
  f.verdict = judge(f.comparisons);
  f.sentence = fmt::format(
      "In the end {} % of the test samples are right with batch normalization (rate {}) and {} % "
      "without (rate {}), a difference of {} points. {}.",
      text_of(with.test_accuracy()), with.training.lr, text_of(without.test_accuracy()),
      without.training.lr, text_of(gain(with, without)), tally(f.comparisons));
  f.tables.push_back(std::move(t));
  f.figures.push_back(std::move(figure));
  return f;
}

}  // namespace ballast::study
