// How much neurons depend on each other: correlations, dimensions, and what is left when some are
// switched off.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ballast/ops/pointwise.h"
#include "ballast/study/arms.h"
#include "ballast/study/claims.h"

namespace ballast::study {
namespace {

constexpr PlainShape kShape{};
/// What matters: correlations lower by 0.02; a tenth more dimensions; two percentage points.
constexpr double kCorrelationMargin = 0.02, kAccuracyMargin = 2.0;
const double kDimensionsMargin = std::log(1.1);
constexpr int64_t kDraws = 5;

struct Units {
  int64_t samples, count;
  std::vector<double> centred;  // (samples, count)
};

Units centred(const Tensor& h) {
  Units u{h.size(0), h.size(1), {}};
  const auto v = h.data<float>();
  u.centred.assign(v.begin(), v.end());
  for (int64_t j = 0; j < u.count; ++j) {
    double sum = 0.0;
    for (int64_t i = 0; i < u.samples; ++i) sum += u.centred[i * u.count + j];
    for (int64_t i = 0; i < u.samples; ++i)
      u.centred[i * u.count + j] -= sum / static_cast<double>(u.samples);
  }
  return u;
}

/// Mean of the absolute correlations of two units of a layer that both vary; and the participation
/// ratio (sum of eigenvalues)^2 / sum of their squares of the correlation matrix: how many
/// dimensions the units span, as part of their number.
void correlate(const Units& u, double& correlation, double& dimensions) {
  std::vector<double> covariance(static_cast<size_t>(u.count * u.count));
  for (int64_t i = 0; i < u.samples; ++i) {
    const double* row = u.centred.data() + i * u.count;
    for (int64_t a = 0; a < u.count; ++a)
      for (int64_t b = 0; b <= a; ++b) covariance[a * u.count + b] += row[a] * row[b];
  }
  double sum = 0.0, pairs = 0.0, squares = 0.0, alive = 0.0;
  for (int64_t a = 0; a < u.count; ++a) {
    const double va = covariance[a * u.count + a];
    if (va <= 1e-12) continue;
    ++alive;
    ++squares;
    for (int64_t b = 0; b < a; ++b) {
      const double vb = covariance[b * u.count + b];
      if (vb <= 1e-12) continue;
      const double r = covariance[a * u.count + b] / std::sqrt(va * vb);
      sum += std::abs(r);
      squares += 2 * r * r;
      ++pairs;
    }
  }
  correlation = sum / std::max(1.0, pairs);
  dimensions = alive * alive / std::max(1.0, squares) / static_cast<double>(u.count);
}

/// Right answers with a fraction of each hidden layer's units at zero, drawn anew `kDraws` times.
double ablated(Plain& network, const data::TensorDataset& samples, double fraction) {
  double sum = 0.0;
  for (int64_t draw = 0; draw < kDraws; ++draw) {
    Tensor y = samples.x().flatten(1);
    for (PlainLayer& layer : network.layers) {
      y = layer(y);
      std::vector<float> mask(static_cast<size_t>(y.size(1)), 1.0f);
      std::vector<int64_t> order(mask.size());
      randperm(order, default_generator());
      const auto off =
          static_cast<size_t>(std::lround(fraction * static_cast<double>(mask.size())));
      for (size_t i = 0; i < off; ++i) mask[order[i]] = 0.0f;
      y = y * Tensor::from(mask, {y.size(1)});
    }
    sum += train::accuracy(network.fc(y), samples.y());
  }
  return sum / static_cast<double>(kDraws);
}

Probe looking(const std::vector<double>& fractions) {
  return {fmt::format("units, without {}", fmt::join(fractions, ",")),
          [=](nn::Module& m, const Task& task, Numbers& numbers) {
            const NoGrad off;
            m.eval();
            auto& network = dynamic_cast<Plain&>(m);
            const data::TensorDataset samples(task.test);
            double correlations = 0.0, dimensions = 0.0;
            const auto hidden = network.hidden(samples.x());
            for (const Tensor& h : hidden) {
              double c = 0.0, d = 0.0;
              correlate(centred(h), c, d);
              correlations += c / static_cast<double>(hidden.size());
              dimensions += d / static_cast<double>(hidden.size());
            }
            numbers["correlation"] = {correlations};
            numbers["dimensions"] = {dimensions};
            for (const double f : fractions)
              numbers["ablated"].push_back(ablated(network, samples, f));
          }};
}

}  // namespace

Finding co_adaptation(Lab& lab) {
  const auto fractions = lab.pick<std::vector<double>>({0.3}, {0.1, 0.3, 0.5, 0.7},
                                                       {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8});
  const int64_t epochs = lab.pick(1, 10, 30);
  lab.begin("co-adaptation", 4 * lab.seeds());
  std::vector<Arm> arms;
  for (const double dropout : {0.0, 0.5})
    for (const Norm norm : {Norm::kBatch, Norm::kNone})
      arms.push_back(train_arm(
          lab,
          {.recipe = {.norm = norm, .dropout = dropout, .plain = kShape},
           .epochs = epochs,
           .probe = looking(fractions)},
          fmt::format("{}{}",
                      norm == Norm::kBatch ? "batch norm"
                      : dropout > 0.0      ? ""
                                           : "without",
                      dropout > 0.0 ? norm == Norm::kBatch ? " and dropout" : "dropout" : "")));
  arms[2].colour = 3;
  arms[3].colour = 2;
  const Arm &with = arms[0], &without = arms[1];
  const size_t middle = fractions.size() / 2;
  const auto left = [&](const Arm& arm, size_t at) {
    std::vector<double> out;
    for (const auto& list : lists(arm.runs, "ablated")) out.push_back(100 * list[at]);
    return out;
  };
  Finding f;
  const Estimate ratio =
      paired_ratio(column(with.runs, "dimensions"), column(without.runs, "dimensions"));
  f.comparisons = {
      {"units of a layer are less correlated",
       paired_difference(column(without.runs, "correlation"), column(with.runs, "correlation")),
       kCorrelationMargin, "mean absolute correlation"},
      {"units span more dimensions",
       {std::log(ratio.mean), std::log(ratio.low), std::log(ratio.high), ratio.n},
       kDimensionsMargin,
       "log of the ratio"},
      {fmt::format("accuracy with {:.0f} % of the units off", 100 * fractions[middle]),
       paired_difference(left(with, middle), left(without, middle)), kAccuracyMargin,
       "percentage points"}};
  f.verdict = judge(f.comparisons);
  Table t{"Hidden units on the test samples, means over the layers",
          {{"network"},
           {"mean absolute correlation"},
           {"dimensions", "of the units"},
           {fmt::format("accuracy, {:.0f} % of units off", 100 * fractions[middle]), "%"},
           {"accuracy, all units", "%"}},
          {}};
  Figure figure{"co-adaptation",
                "Test accuracy with a part of each layer's units off",
                {"units off [%]"},
                percent_axis("test accuracy"),
                {}};
  for (const Arm& arm : arms) {
    t.rows.push_back({arm.name, mean_interval(column(arm.runs, "correlation")),
                      mean_interval(column(arm.runs, "dimensions")),
                      mean_interval(left(arm, middle)), arm.test_accuracy()});
    Series line = line_of(arm);
    line.add(0.0, arm.test_accuracy());
    for (size_t i = 0; i < fractions.size(); ++i)
      line.add(100 * fractions[i], mean_interval(left(arm, i)));
    figure.series.push_back(std::move(line));
  }
  f.sentence = fmt::format(
      "Two units of a layer correlate by {} with batch normalization and {} without ({} with "
      "dropout); "
      "with {:.0f} % of the units off {} % and {} % of the test samples are right ({} % with "
      "dropout). "
      "{}.",
      text_of(mean_interval(column(with.runs, "correlation"))),
      text_of(mean_interval(column(without.runs, "correlation"))),
      text_of(mean_interval(column(arms[3].runs, "correlation")).mean), 100 * fractions[middle],
      text_of(mean_interval(left(with, middle))), text_of(mean_interval(left(without, middle))),
      text_of(mean_interval(left(arms[3], middle)).mean), tally(f.comparisons));
  f.tables.push_back(std::move(t));
  f.figures.push_back(std::move(figure));
  return f;
}

}  // namespace ballast::study
