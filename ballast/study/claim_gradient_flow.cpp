// Gradients by depth, and which depths train.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ballast/ops/loss.h"
#include "ballast/study/claims.h"
#include "ballast/study/training.h"

namespace ballast::study {
namespace {

constexpr int64_t kWidth = 32, kProbeBatch = 256;
/// Ten percentage points of the training samples matter.
constexpr double kMargin = 0.1;

struct Start {
  const char* name;
  Init init;
};
const Start kStarts[] = {{"PyTorch's", {}}, {"Kaiming", {.kind = Init::kKaiming}}};

double norm_of(std::span<const float> values) {
  double squares = 0.0;
  for (const float v : values) squares += double{v} * v;
  return std::sqrt(squares);
}

/// The norm of the loss's gradient by the weight of each layer, before training.
Numbers gradients(const Task& task, const Recipe& recipe, const Init& init) {
  const nn::ModulePtr network = task.build(recipe);
  init.apply(*network);
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < std::min(kProbeBatch, task.train.size()); ++i) rows.push_back(i);
  const data::Batch b = data::TensorDataset(task.train).rows(rows);
  cross_entropy((*network)(b.x), b.y).backward();
  Numbers numbers;
  for (const auto& [name, t] : network->named_parameters())
    if (t.dim() == 2) numbers["gradients"].push_back(norm_of(t.grad().data<float>()));
  return numbers;
}

struct Arm {
  int64_t depth;
  Norm norm;
  const Start* start;
  std::vector<Numbers> gradients, best;
  double lr = 0.0;

  double trained() const { return mean_interval(column(best, "fit_accuracy")).mean; }
  /// First layer's over last layer's, of the layers that are alike.
  std::vector<double> first_over_last() const {
    std::vector<double> out;
    for (const auto& g : lists(gradients, "gradients"))
      out.push_back(std::max(1e-30, g[1]) / std::max(1e-30, g[g.size() - 2]));
    return out;
  }
};

Arm measure(Lab& lab, int64_t depth, Norm norm, const Start& start,
            const std::vector<double>& rates, int64_t epochs) {
  Arm arm{depth, norm, &start, {}, {}};
  const Recipe recipe{.norm = norm, .plain = PlainShape{.depth = depth, .width = kWidth}};
  for (int64_t seed = 0; seed < lab.seeds(); ++seed)
    arm.gradients.push_back(
        lab.measure(fmt::format("gradients {} init={}", recipe.str(), start.init.str()), seed,
                    [&] { return gradients(lab.task(), recipe, start.init); }));
  for (const double lr : rates) {
    const auto runs = lab.train_all(
        {.recipe = recipe, .lr = lr, .batch = 32, .epochs = epochs, .init = start.init});
    const double accuracy = mean_interval(column(runs, "fit_accuracy")).mean;
    if (!arm.best.empty() && accuracy <= arm.trained()) continue;
    arm.best = runs;
    arm.lr = lr;
  }
  return arm;
}

const char* with_or_without(Norm norm) { return norm == Norm::kBatch ? "batch norm" : "without"; }

/// An empty line of the arm's look.
Series series_of(const Arm& arm) {
  return {.name = fmt::format("{}, {}", with_or_without(arm.norm), arm.start->name),
          .colour = arm.norm == Norm::kBatch ? 0 : 1,
          .x = {},
          .y = {},
          .dashed = arm.start != &kStarts[0]};
}

Figure gradient_figure(const std::vector<Arm>& arms, int64_t depth) {
  Figure figure{"gradient-flow",
                fmt::format("Gradient of the loss by the weights of each of {} layers, "
                            "before training",
                            depth),
                {"layer"},
                {"norm of the gradient", true},
                {}};
  for (const Arm& arm : arms) {
    if (arm.depth != depth) continue;
    Series s = series_of(arm);
    const auto layers = lists(arm.gradients, "gradients");
    for (size_t layer = 0; layer + 1 < layers.front().size(); ++layer) {
      std::vector<double> values;
      values.reserve(layers.size());
      for (const auto& g : layers) values.push_back(std::max(1e-30, g[layer]));
      s.add(static_cast<double>(layer + 1), geometric_interval(values));
    }
    figure.series.push_back(std::move(s));
  }
  return figure;
}

Figure accuracy_figure(const std::vector<Arm>& arms, const std::vector<int64_t>& depths) {
  Figure figure{"gradient-flow-accuracy",
                "Training accuracy by depth, each network at its best rate",
                {"layers"},
                {"training accuracy [%]", false, 0.0, 100.0},
                {}};
  for (size_t kind = 0; kind < arms.size() / depths.size(); ++kind) {
    Series s = series_of(arms[kind]);
    for (size_t i = kind; i < arms.size(); i += arms.size() / depths.size())
      s.add(static_cast<double>(arms[i].depth),
            percent(mean_interval(column(arms[i].best, "fit_accuracy"))));
    figure.series.push_back(std::move(s));
  }
  return figure;
}

}  // namespace

Finding gradient_flow(Lab& lab) {
  const auto depths = lab.pick<std::vector<int64_t>>({4}, {10, 20, 40}, {10, 20, 40});
  const auto rates =
      lab.pick<std::vector<double>>({0.1}, {0.003, 0.03}, {0.001, 0.003, 0.01, 0.03});
  const int64_t epochs = lab.pick(1, 8, 20);
  lab.begin("gradient-flow",
            static_cast<int64_t>(depths.size() * 4 * (rates.size() + 1)) * lab.seeds());
  std::vector<Arm> arms;
  for (const int64_t depth : depths)
    for (const Start& start : kStarts)
      for (const Norm norm : {Norm::kBatch, Norm::kNone})
        arms.push_back(measure(lab, depth, norm, start, rates, epochs));

  Finding f;
  Table table{fmt::format("Plain networks of width {} after {} epochs, each at its best rate",
                          kWidth, epochs),
              {{"layers"},
               {"initialization"},
               {"network"},
               {"gradient, layer 2 over last hidden"},
               {"rate"},
               {"training accuracy", "%"},
               {"test accuracy", "%"}},
              {}};
  for (const Arm& arm : arms)
    table.rows.push_back({std::to_string(arm.depth), arm.start->name, with_or_without(arm.norm),
                          geometric_interval(arm.first_over_last()), arm.lr,
                          percent(mean_interval(column(arm.best, "fit_accuracy"))),
                          percent(estimates(arm.best, "test_accuracy").back())});
  for (size_t i = 0; i < arms.size(); i += 2)
    f.comparisons.push_back(
        {fmt::format("{} layers, {} initialization", arms[i].depth, arms[i].start->name),
         paired_difference(column(arms[i].best, "fit_accuracy"),
                           column(arms[i + 1].best, "fit_accuracy")),
         kMargin, "fraction of the training samples"});
  f.verdict = judge(f.comparisons);
  f.sentence = fmt::format("{}.", tally(f.comparisons));
  const size_t deepest = arms.size() - 4;
  for (size_t i = deepest; i < arms.size(); i += 2)
    f.sentence += fmt::format(
        " At {} layers with {} initialization {} % of the training samples are fitted with batch "
        "normalization, {} % without; the gradient of layer 2 is {} and {} times that of the last.",
        arms[i].depth, arms[i].start->name, text_of(100 * arms[i].trained()),
        text_of(100 * arms[i + 1].trained()),
        text_of(geometric_interval(arms[i].first_over_last()).mean),
        text_of(geometric_interval(arms[i + 1].first_over_last()).mean));
  f.tables.push_back(std::move(table));
  f.figures.push_back(gradient_figure(arms, depths.back()));
  f.figures.push_back(accuracy_figure(arms, depths));
  return f;
}

}  // namespace ballast::study
