// Overfitting: the gap between training and test, and whether dropout is still needed.
#include <fmt/format.h>

#include "ballast/study/arms.h"
#include "ballast/study/claims.h"

namespace ballast::study {
namespace {

/// One percentage point matters.
constexpr double kMargin = 1.0;

/// a - b is at least `kMargin`.
Comparison better(const std::string& setting, const Estimate& difference) {
  return {setting, difference, kMargin, "percentage points"};
}

/// a is not more than `kMargin` below b: the difference is moved by it, and any that is left
/// counts.
Comparison not_worse(const std::string& setting, const Estimate& difference) {
  const Estimate moved{difference.mean + kMargin, difference.low + kMargin,
                       difference.high + kMargin, difference.n};
  return {setting, moved, 1e-6, "percentage points above one lost"};
}

}  // namespace

Finding overfitting(Lab& lab) {
  // Few samples, or digits are learnt without much overfitting.
  const int64_t samples = 300, epochs = lab.pick(2, 60, 150);
  constexpr double kDropout = 0.5, kDecay = 1e-3;
  lab.begin("overfitting", 8 * lab.seeds());
  std::vector<Arm> arms;
  for (const double decay : {0.0, kDecay})
    for (const double dropout : {0.0, kDropout})
      for (const Norm norm : {Norm::kBatch, Norm::kNone})
        arms.push_back(train_arm(lab, {.recipe = {.norm = norm, .dropout = dropout},
                                       .weight_decay = decay,
                                       .batch = 32,
                                       .epochs = epochs,
                                       .samples = samples}));
  const Arm &batch = arms[0], &none = arms[1], &both = arms[2], &dropout = arms[3];

  Finding f;
  f.comparisons = {
      better("gap between training and test: without less with",
             paired_difference(none.gaps(), batch.gaps())),
      better("test accuracy: with less without", gain(batch, none)),
      not_worse("test accuracy: batch norm against dropout", gain(batch, dropout)),
      not_worse("test accuracy: batch norm against batch norm and dropout", gain(batch, both))};
  f.verdict = judge(f.comparisons);
  f.sentence = fmt::format(
      "Trained on {} samples, the gap between training and test is {} percentage points with batch "
      "normalization and {} without; test accuracy is {} % and {} %. Dropout alone reaches {} %, "
      "both "
      "together {} %: what dropout adds to batch normalization is {} points.",
      samples, text_of(mean_interval(batch.gaps())), text_of(mean_interval(none.gaps())),
      text_of(batch.test_accuracy()), text_of(none.test_accuracy()),
      text_of(dropout.test_accuracy()), text_of(both.test_accuracy()), text_of(gain(both, batch)));
  Table table{fmt::format("Trained on {} samples for {} epochs", samples, epochs),
              {{"dropout"},
               {"weight decay"},
               {"network"},
               {"training accuracy", "%"},
               {"test accuracy", "%"},
               {"gap", "percentage points"},
               {"test loss", "nats"}},
              {}};
  Figure figure{"overfitting",
                "Gap between training and test accuracy",
                {"besides"},
                {"gap [percentage points]"},
                {line_of(arms[0]), line_of(arms[1])}};
  figure.ticks = {"nothing", "dropout", "decay", "both"};
  for (size_t i = 0; i < arms.size(); ++i) {
    const Arm& arm = arms[i];
    const size_t pair = i / 2;
    table.rows.push_back({arm.training.recipe.dropout, arm.training.weight_decay, arm.name,
                          arm.fit_accuracy(), arm.test_accuracy(), mean_interval(arm.gaps()),
                          mean_interval(column(arm.runs, "test_loss"))});
    figure.series[i % 2].add(static_cast<double>(pair), mean_interval(arm.gaps()));
  }
  f.tables.push_back(std::move(table));
  f.figures.push_back(std::move(figure));
  return f;
}

}  // namespace ballast::study
