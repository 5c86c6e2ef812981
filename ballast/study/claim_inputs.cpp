// Inputs that are scaled and shifted: while training, and only when tested.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ballast/study/arms.h"
#include "ballast/study/claims.h"

namespace ballast::study {
namespace {

/// Two percentage points of accuracy matter.
constexpr double kMargin = 2.0;
constexpr int64_t kBatch = 64;

struct Change {
  double scale, shift;

  std::string str() const {
    return shift == 0.0 ? fmt::format("times {}", scale) : fmt::format("plus {}", shift);
  }
};

std::string answers_under(const Change& c) { return fmt::format("correct {}", c.str()); }
std::string batch_answers_under(const Change& c) {
  return fmt::format("batch correct {}", c.str());
}

/// Asks the trained network about changed test samples, with running and with batch statistics.
Probe asking(const std::vector<Change>& changes) {
  std::string name = "asked";
  for (const Change& c : changes) name += fmt::format(" {}", c.str());
  return {name, [=](nn::Module& network, const Task& task, Numbers& numbers) {
            for (const Change& c : changes) {
              const data::TensorDataset samples = scaled(task.test, c.scale, c.shift);
              numbers[answers_under(c)] = answers(network, samples).correct;
              numbers[batch_answers_under(c)] = answers_by_batch(network, samples, kBatch).correct;
            }
          }};
}

Estimate accuracy(const Arm& arm, const std::string& answers) {
  std::vector<double> out;
  for (const auto& correct : lists(arm.runs, answers)) out.push_back(mean_interval(correct).mean);
  return percent(mean_interval(out));
}

/// How far apart the two gains are: a drop of b beyond a's.
Comparison holds_on(const std::string& setting, const Arm& with, const std::string& with_changed,
                    const Arm& without, const std::string& without_changed) {
  const auto drops = [](const Arm& arm, const std::string& changed) {
    std::vector<double> out;
    const auto before = lists(arm.runs, "correct"), after = lists(arm.runs, changed);
    for (size_t i = 0; i < before.size(); ++i)
      out.push_back(100 * (mean_interval(before[i]).mean - mean_interval(after[i]).mean));
    return out;
  };
  return {setting, paired_difference(drops(without, without_changed), drops(with, with_changed)),
          kMargin, "percentage points less lost"};
}

}  // namespace

Finding input_distributions(Lab& lab) {
  const auto changes = lab.pick<std::vector<Change>>(
      {{100, 0}}, {{0.01, 0}, {0.1, 0}, {10, 0}, {100, 0}, {1, 1}, {1, 10}, {1, 100}},
      {{0.01, 0}, {0.1, 0}, {10, 0}, {100, 0}, {1, 0.01}, {1, 0.1}, {1, 1}, {1, 10}, {1, 100}});
  const int64_t epochs = lab.pick(1, 10, 30);
  lab.begin("inputs", 2 * lab.seeds() * static_cast<int64_t>(changes.size() + 1));
  const auto train = [&](Norm norm, const Change& c, const Probe& probe) {
    return train_arm(lab, {.recipe = {.norm = norm},
                           .epochs = epochs,
                           .scale = c.scale,
                           .shift = c.shift,
                           .probe = probe});
  };
  const Probe probe = asking(changes);
  const Arm with = train(Norm::kBatch, {1, 0}, probe), without = train(Norm::kNone, {1, 0}, probe);

  Finding f;
  Table table{
      "Test accuracy with inputs changed alike in training and test; and of networks "
      "trained on the inputs as they are, changed in the test only",
      {{"inputs"},
       {"trained so, with", "%"},
       {"trained so, batch statistics", "%"},
       {"trained so, without", "%"},
       {"tested so, with", "%"},
       {"tested so, batch statistics", "%"},
       {"tested so, without", "%"}},
      {{"as they are", with.test_accuracy(), accuracy(with, "batch_correct"),
        without.test_accuracy(), with.test_accuracy(), accuracy(with, "batch_correct"),
        without.test_accuracy()}}};
  const Series batch_line{
      .name = "batch norm, batch statistics", .colour = 2, .x = {}, .y = {}, .dashed = true};
  Figure trained{"inputs-training",
                 "Inputs changed in training and test",
                 {"inputs"},
                 percent_axis("test accuracy"),
                 {line_of(with), line_of(without), batch_line}};
  Figure tested{"inputs-test",
                "Inputs changed in the test only",
                {"inputs"},
                percent_axis("test accuracy"),
                {line_of(with), line_of(without), batch_line}};
  for (size_t i = 0; i < changes.size(); ++i) {
    const Change& c = changes[i];
    const Arm a = train(Norm::kBatch, c, {}), b = train(Norm::kNone, c, {});
    const std::string own = answers_under(c), batch = batch_answers_under(c);
    table.rows.push_back({c.str(), a.test_accuracy(), accuracy(a, "batch_correct"),
                          b.test_accuracy(), accuracy(with, own), accuracy(with, batch),
                          accuracy(without, own)});
    const auto x = static_cast<double>(i);
    trained.series[0].add(x, a.test_accuracy());
    trained.series[1].add(x, b.test_accuracy());
    trained.series[2].add(x, accuracy(a, "batch_correct"));
    tested.series[0].add(x, accuracy(with, own));
    tested.series[1].add(x, accuracy(without, own));
    tested.series[2].add(x, accuracy(with, batch));
    trained.ticks.push_back(c.str());
    tested.ticks.push_back(c.str());
    f.comparisons.push_back({fmt::format("trained and tested on inputs {}", c.str()), gain(a, b),
                             kMargin, "percentage points"});
    f.comparisons.push_back(
        holds_on(fmt::format("only tested on inputs {}", c.str()), with, own, without, own));
  }
  f.verdict = judge(f.comparisons);
  const auto group = [&](size_t from) {
    std::vector<Comparison> out;
    for (size_t i = from; i < f.comparisons.size(); i += 2) out.push_back(f.comparisons[i]);
    return out;
  };
  const auto lowest = [](const Series& s) { return *std::min_element(s.y.begin(), s.y.end()); };
  f.sentence = fmt::format(
      "Changed in training too ({}): the worst of {} changes leaves {} % with batch normalization "
      "({} % with the statistics of test batches), {} % without. Changed in the test only ({}): "
      "the worst leaves {} % with, {} % without, "
      "because "
      "the statistics are those of the training; {} % with the statistics of the test's own "
      "batches.",
      tally(group(0)), changes.size(), text_of(lowest(trained.series[0])),
      text_of(lowest(trained.series[2])), text_of(lowest(trained.series[1])), tally(group(1)),
      text_of(lowest(tested.series[0])), text_of(lowest(tested.series[1])),
      text_of(lowest(tested.series[2])));
  f.tables.push_back(std::move(table));
  f.figures = {std::move(trained), std::move(tested)};
  return f;
}

}  // namespace ballast::study
