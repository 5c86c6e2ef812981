// Extreme values among the inputs.
#include <fmt/format.h>

#include <limits>

#include "ballast/study/arms.h"
#include "ballast/study/claims.h"

namespace ballast::study {
namespace {

/// Two percentage points of accuracy matter.
constexpr double kMargin = 2.0;
constexpr double kFraction = 0.01;
constexpr int64_t kBatch = 64;

/// The test samples in batches whose first sample is multiplied by `factor`; answers of the others.
Probe in_company(const std::vector<double>& factors) {
  std::string name = "in company of";
  for (const double factor : factors) name += fmt::format(" {}", factor);
  return {name, [=](nn::Module& network, const Task& task, Numbers& numbers) {
            for (const double factor : factors) {
              const std::vector<float> values(task.test.inputs.as<float>().begin(),
                                              task.test.inputs.as<float>().end());
              data::ArrayDataset d{io::Array::of(task.test.inputs.shape, values), task.test.labels};
              const int64_t stride = d.inputs.numel() / d.size();
              for (int64_t i = 0; i < d.size(); i += kBatch)
                for (float& v : d.inputs.as<float>().subspan(i * stride, stride))
                  v *= static_cast<float>(factor);
              const data::TensorDataset samples(d);
              const std::string key = fmt::format("company {}", factor);
              const auto others = [](const std::vector<double>& correct) {
                std::vector<double> out;
                for (size_t i = 0; i < correct.size(); ++i)
                  if (i % kBatch != 0) out.push_back(correct[i]);
                return out;
              };
              numbers[key] = others(answers(network, samples).correct);
              numbers["batch " + key] = others(answers_by_batch(network, samples, kBatch).correct);
            }
          }};
}

Estimate accuracy(const Arm& arm, const std::string& answers) {
  std::vector<double> out;
  for (const auto& correct : lists(arm.runs, answers)) out.push_back(mean_interval(correct).mean);
  return percent(mean_interval(out));
}

}  // namespace

Finding extremes(Lab& lab) {
  const auto factors =
      lab.pick<std::vector<double>>({1e4}, {1e2, 1e4, 1e6}, {10, 1e2, 1e3, 1e4, 1e5, 1e6});
  const int64_t epochs = lab.pick(1, 10, 25);
  lab.begin("extremes", 2 * lab.seeds() * static_cast<int64_t>(factors.size() + 1));
  Finding f;
  const Probe probe = in_company(factors);
  const Arm clean = train_arm(lab, {.epochs = epochs, .probe = probe});
  const Arm clean_without =
      train_arm(lab, {.recipe = {.norm = Norm::kNone}, .epochs = epochs, .probe = probe});
  Table trained{
      fmt::format("Trained with {:.0f} % of the samples multiplied by a factor; tested on "
                  "samples as they are",
                  100 * kFraction),
      {{"factor"}, {"test accuracy, with", "%"}, {"test accuracy, without", "%"}},
      {{"1", clean.test_accuracy(), clean_without.test_accuracy()}}};
  Table company{
      "Trained on samples as they are; tested in batches of 64 with one multiplied sample: "
      "answers to the other 63",
      {{"factor"},
       {"with, running statistics", "%"},
       {"with, batch statistics", "%"},
       {"without", "%"}},
      {}};
  Figure figure{"extremes",
                "Trained with 1 % of the samples multiplied by a factor",
                {"factor", true},
                percent_axis("test accuracy"),
                {line_of(clean),
                 line_of(clean_without),
                 {.name = "one such neighbour, batch statistics",
                  .colour = 2,
                  .x = {},
                  .y = {},
                  .dashed = true}}};
  for (const double factor : factors) {
    std::vector<Arm> arms;
    for (const Norm norm : {Norm::kBatch, Norm::kNone})
      arms.push_back(train_arm(lab, {.recipe = {.norm = norm},
                                     .epochs = epochs,
                                     .outliers = kFraction,
                                     .outlier_factor = factor}));
    const std::string key = fmt::format("company {}", factor);
    trained.rows.push_back({factor, arms[0].test_accuracy(), arms[1].test_accuracy()});
    company.rows.push_back({factor, accuracy(clean, key), accuracy(clean, "batch " + key),
                            accuracy(clean_without, key)});
    for (const size_t i : {0, 1}) figure.series[i].add(factor, arms[i].test_accuracy());
    figure.series[2].add(factor, accuracy(clean, "batch " + key));
    f.comparisons.push_back({fmt::format("trained with samples times {}", factor),
                             gain(arms[0], arms[1]), kMargin, "percentage points"});
    f.comparisons.push_back({fmt::format("one neighbour times {}, batch statistics", factor),
                             gain(clean, "batch " + key, clean_without, key), kMargin,
                             "percentage points"});
  }
  f.verdict = judge(f.comparisons);
  f.sentence = fmt::format(
      "With 1 % of the training samples multiplied by {}, test accuracy is {} % with batch "
      "normalization ({} % without such samples) and {} % without ({} %). A single such sample in "
      "a "
      "batch whose own statistics are used leaves {} % of its neighbours' answers right; with "
      "running "
      "statistics {} %. {}.",
      text_of(factors.back()), text_of(figure.series[0].y.back()),
      text_of(clean.test_accuracy().mean), text_of(figure.series[1].y.back()),
      text_of(clean_without.test_accuracy().mean), text_of(figure.series[2].y.back()),
      text_of(company.rows.back()[1].value->mean), tally(f.comparisons));
  f.tables = {std::move(trained), std::move(company)};
  f.figures.push_back(std::move(figure));
  return f;
}

}  // namespace ballast::study
