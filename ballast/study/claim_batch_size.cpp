// Batch sizes from 2 to 512: accuracy, dynamics, the gap between training and evaluation.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ballast/study/arms.h"
#include "ballast/study/batch_costs.h"
#include "ballast/study/claims.h"

namespace ballast::study {
namespace {

constexpr double kTarget = 0.95;
/// One percentage point of test accuracy matters.
constexpr double kMargin = 1.0;
constexpr int64_t kSmall = 8, kReference = 64;

std::vector<double> samples_to_target(const Arm& arm, int64_t samples_per_epoch) {
  std::vector<double> out;
  for (const auto& curve : lists(arm.runs, "test_accuracy"))
    out.push_back(epochs_to(curve, kTarget) * static_cast<double>(samples_per_epoch));
  return out;
}

/// Right answers with the batch's statistics less those with the running ones.
Estimate evaluation_gap(const Arm& arm) { return gain(arm, "batch_correct", arm, "correct"); }

struct Size {
  int64_t batch;
  Arm with, without;
};

Table accuracies(const std::vector<Size>& sizes, int64_t epochs, int64_t samples) {
  Table t{fmt::format("After {} epochs; samples until {:.0f} % of the test samples are right",
                      epochs, 100 * kTarget),
          {{"batch"},
           {"test, with", "%"},
           {"test, without", "%"},
           {"gap to training, with", "percentage points"},
           {"gap to training, without", "percentage points"},
           {"batch less running statistics", "percentage points"},
           {"samples, with", "samples"},
           {"steps, with", "steps"},
           {"samples, without", "samples"}},
          {}};
  for (const Size& s : sizes) {
    const std::vector<double> needed = samples_to_target(s.with, samples);
    std::vector<double> steps;
    steps.reserve(needed.size());
    for (const double n : needed) steps.push_back(n / static_cast<double>(s.batch));
    t.rows.push_back({std::to_string(s.batch), s.with.test_accuracy(), s.without.test_accuracy(),
                      mean_interval(s.with.gaps()), mean_interval(s.without.gaps()),
                      evaluation_gap(s.with), geometric_interval(needed), geometric_interval(steps),
                      geometric_interval(samples_to_target(s.without, samples))});
  }
  return t;
}

Figure accuracy_figure(const std::vector<Size>& sizes) {
  Figure figure{"batch-size",
                "Test accuracy by batch size, learning rate in proportion",
                {"batch size [samples]", true},
                {"test accuracy [%]"},
                {line_of(sizes[0].with), line_of(sizes[0].without)}};
  figure.series.push_back(
      {.name = "batch norm, batch statistics", .colour = 2, .x = {}, .y = {}, .dashed = true});
  for (const Size& s : sizes) {
    const auto x = static_cast<double>(s.batch);
    figure.series[0].add(x, s.with.test_accuracy());
    figure.series[1].add(x, s.without.test_accuracy());
    std::vector<double> own;
    for (const auto& correct : lists(s.with.runs, "batch_correct"))
      own.push_back(mean_interval(correct).mean);
    figure.series[2].add(x, percent(mean_interval(own)));
  }
  return figure;
}

}  // namespace

double rate_of(int64_t batch) {
  return std::min(0.2, 0.05 * static_cast<double>(batch) / static_cast<double>(kReference));
}

Finding batch_size(Lab& lab) {
  const auto batches = lab.pick<std::vector<int64_t>>({8, 64}, {2, 8, 64, 512},
                                                      {2, 4, 8, 16, 32, 64, 128, 256, 512});
  const int64_t epochs = lab.pick(1, 6, 15);
  lab.begin("batch-size",
            static_cast<int64_t>(batches.size()) * 2 * lab.seeds() + cost_measurements(lab));
  std::vector<Size> sizes;
  const Size* reference = nullptr;
  sizes.reserve(batches.size());
  for (const int64_t batch : batches) {
    const auto train = [&](Norm norm) {
      return train_arm(
          lab, {.recipe = {.norm = norm}, .lr = rate_of(batch), .batch = batch, .epochs = epochs});
    };
    sizes.push_back({batch, train(Norm::kBatch), train(Norm::kNone)});
    if (batch == kReference) reference = &sizes.back();
  }
  Finding f;
  for (const Size& s : sizes) {
    if (s.batch > kSmall) continue;
    const auto lost = [](const Arm& large, const Arm& small) {
      std::vector<double> out;
      const auto a = column(large.runs, "test_accuracy"), b = column(small.runs, "test_accuracy");
      for (size_t i = 0; i < a.size(); ++i) out.push_back(100 * (a[i] - b[i]));
      return out;
    };
    f.comparisons.push_back(
        {fmt::format("lost from batch {} to {}: with less without", kReference, s.batch),
         paired_difference(lost(reference->with, s.with), lost(reference->without, s.without)),
         kMargin, "percentage points"});
    f.comparisons.push_back({fmt::format("batch {}: batch less running statistics", s.batch),
                             {-evaluation_gap(s.with).mean, -evaluation_gap(s.with).high,
                              -evaluation_gap(s.with).low, evaluation_gap(s.with).n},
                             kMargin,
                             "percentage points lost by the batch's own statistics"});
  }
  f.verdict = judge(f.comparisons);
  f.sentence = fmt::format(
      "Batches of {} reach {} % with batch normalization and {} % without; batches of {} {} % and "
      "{} "
      "%. {}. ",
      sizes[0].batch, text_of(sizes[0].with.test_accuracy()),
      text_of(sizes[0].without.test_accuracy()), sizes.back().batch,
      text_of(sizes.back().with.test_accuracy()), text_of(sizes.back().without.test_accuracy()),
      tally(f.comparisons));
  f.tables.push_back(accuracies(sizes, epochs, lab.task().train.size()));
  f.figures.push_back(accuracy_figure(sizes));
  add_costs(lab, f);
  return f;
}

}  // namespace ballast::study
