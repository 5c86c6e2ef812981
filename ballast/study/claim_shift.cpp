// Internal covariate shift, measured, and the smoothness of the loss: which of them goes along with
// the gain.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ballast/ops/loss.h"
#include "ballast/study/arms.h"
#include "ballast/study/claims.h"
#include "ballast/train/optim.h"

namespace ballast::study {
namespace {

constexpr PlainShape kShape{.depth = 5, .width = 64};
constexpr double kRate = 0.1;
constexpr int64_t kProbe = 256;
/// Steps along the gradient, in learning rates (Santurkar et al. go from 1/2 to 4).
constexpr double kSteps[] = {0.5, 1.0, 2.0, 4.0};
/// A factor of 1.2 matters; two percentage points of accuracy do.
const double kMargin = std::log(1.2);
constexpr double kAccuracyMargin = 2.0;

using Vectors = std::vector<std::vector<float>>;

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0.0;
  for (size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * b[i];
  return sum;
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = double{a[i]} - b[i];
    sum += d * d;
  }
  return std::sqrt(sum);
}

double length(const std::vector<float>& a) { return std::sqrt(dot(a, a)); }

std::vector<float> joined(const Vectors& parts) {
  std::vector<float> out;
  for (const auto& p : parts) out.insert(out.end(), p.begin(), p.end());
  return out;
}

/// A training that is looked at every so many steps.
class Follow {
 public:
  Follow(const Task& task, Norm norm, int64_t epochs, int64_t every)
      : task_(task),
        every_(every),
        epochs_(epochs),
        network_(task.build({.norm = norm, .plain = kShape})),
        plain_(dynamic_cast<Plain&>(*network_)),
        samples_(task.train) {
    for (PlainLayer& layer : plain_.layers) groups_.push_back(layer.parameters());
    groups_.push_back(plain_.fc.parameters());
    // Weights with which both kinds of network train.
    Init{.kind = Init::kKaiming}.apply(*network_);
  }

  Numbers go() {
    optim::SGD sgd(network_->parameters(), {.lr = kRate});
    data::Loader loader(
        samples_,
        {.batch_size = std::min<int64_t>(64, samples_.size()), .shuffle = true, .drop_last = true});
    int64_t step = 0;
    for (int64_t epoch = 0; epoch < epochs_; ++epoch)
      for (const auto& b : loader) {
        if (step++ % every_ == 0) look(b);
        const Tensor loss = cross_entropy((*network_)(b.x), b.y);
        sgd.zero_grad();
        loss.backward();
        sgd.step();
      }
    const Answers tested = answers(*network_, data::TensorDataset(task_.test));
    numbers_["test_accuracy"] = {tested.accuracy()};
    numbers_["correct"] = tested.correct;
    numbers_["fit_loss"] = {answers(*network_, samples_).loss};
    return std::move(numbers_);
  }

 private:
  /// The parameters' values, or gradients at the present values, of each layer.
  Vectors values() const {
    Vectors out;
    for (const auto& group : groups_) {
      std::vector<float> all;
      for (const Tensor& t : group) {
        const auto v = t.data<float>();
        all.insert(all.end(), v.begin(), v.end());
      }
      out.push_back(std::move(all));
    }
    return out;
  }
  Vectors gradients(const data::Batch& b, double& loss) {
    network_->zero_grad();
    const Tensor value = cross_entropy((*network_)(b.x), b.y);
    value.backward();
    loss = value.item();
    Vectors out;
    for (const auto& group : groups_) {
      std::vector<float> all;
      for (const Tensor& t : group) {
        const auto v = t.grad().data<float>();
        all.insert(all.end(), v.begin(), v.end());
      }
      out.push_back(std::move(all));
    }
    return out;
  }
  void set(size_t layer, const std::vector<float>& from, const std::vector<float>& direction,
           double factor) {
    size_t at = 0;
    for (Tensor& t : groups_[layer])
      for (float& v : t.mutable_data<float>()) {
        v = static_cast<float>(from[at] + factor * direction[at]);
        ++at;
      }
  }

  void look(const data::Batch& b) {
    double loss = 0.0;
    const Vectors weights = values(), g = gradients(b, loss);
    numbers_["loss"].push_back(loss);
    shift_of_gradients(b, weights, g);
    along_the_gradient(b, weights, g, loss);
    for (size_t l = 0; l < groups_.size(); ++l) set(l, weights[l], g[l], 0.0);
    shift_of_activations();
  }

  /// Santurkar et al.'s measure: how much a layer's gradient changes because the layers before it
  /// made their step.
  void shift_of_gradients(const data::Batch& b, const Vectors& weights, const Vectors& g) {
    double change = 0.0, cosine = 0.0, loss = 0.0;
    for (size_t l = 1; l < groups_.size(); ++l) {
      set(l - 1, weights[l - 1], g[l - 1], -kRate);
      const Vectors after = gradients(b, loss);
      change += distance(g[l], after[l]) / std::max(1e-30, length(g[l]));
      cosine += dot(g[l], after[l]) / std::max(1e-30, length(g[l]) * length(after[l]));
    }
    const auto layers = static_cast<double>(groups_.size() - 1);
    numbers_["shift"].push_back(change / layers);
    numbers_["cosine"].push_back(cosine / layers);
    for (size_t l = 0; l < groups_.size(); ++l) set(l, weights[l], g[l], 0.0);
  }

  /// Range of the loss, and largest change of the gradient, along the gradient.
  void along_the_gradient(const data::Batch& b, const Vectors& weights, const Vectors& g,
                          double start) {
    double low = start, high = start, change = 0.0, beta = 0.0;
    const std::vector<float> whole = joined(g);
    for (const double step : kSteps) {
      for (size_t l = 0; l < groups_.size(); ++l) set(l, weights[l], g[l], -step * kRate);
      double loss = 0.0;
      const double moved = distance(joined(gradients(b, loss)), whole);
      low = std::min(low, loss);
      high = std::max(high, loss);
      change = std::max(change, moved / std::max(1e-30, length(whole)));
      beta = std::max(beta, moved / std::max(1e-30, step * kRate * length(whole)));
    }
    numbers_["loss_range"].push_back(high - low);
    numbers_["gradient_change"].push_back(change);
    numbers_["beta"].push_back(beta);
  }

  /// How far the mean of each unit has moved since the last look, in its standard deviations, on
  /// samples that stay the same.
  void shift_of_activations() {
    const NoGrad off;
    std::vector<int64_t> rows;
    for (int64_t i = 0; i < std::min(kProbe, samples_.size()); ++i) rows.push_back(i);
    std::vector<double> means, deviations;
    for (const Tensor& h : plain_.hidden(samples_.rows(rows).x)) {
      const auto v = h.data<float>();
      const int64_t n = h.size(0), units = h.size(1);
      for (int64_t u = 0; u < units; ++u) {
        double sum = 0.0, squares = 0.0;
        for (int64_t i = 0; i < n; ++i) sum += v[i * units + u];
        const double mean = sum / static_cast<double>(n);
        for (int64_t i = 0; i < n; ++i)
          squares += (v[i * units + u] - mean) * (v[i * units + u] - mean);
        means.push_back(mean);
        deviations.push_back(std::sqrt(squares / static_cast<double>(n)));
      }
    }
    if (!means_.empty()) {
      double moved = 0.0, units = 0.0;
      for (size_t i = 0; i < means.size(); ++i) {
        if (deviations_[i] < 1e-6) continue;  // a unit that is off
        moved += std::abs(means[i] - means_[i]) / deviations_[i];
        ++units;
      }
      numbers_["moved"].push_back(moved / std::max(1.0, units));
    }
    means_ = means;
    deviations_ = deviations;
  }

  const Task& task_;
  int64_t every_, epochs_;
  nn::ModulePtr network_;
  Plain& plain_;
  data::TensorDataset samples_;
  std::vector<std::vector<Tensor>> groups_;
  std::vector<double> means_, deviations_;
  Numbers numbers_;
};

/// The three networks, each looked at in the same way.
std::vector<Arm> follow(Lab& lab, const char* claim) {
  const int64_t epochs = lab.pick(1, 5, 12), every = lab.pick(12, 5, 4);
  lab.begin(claim, 3 * lab.seeds());
  std::vector<Arm> arms{{"batch norm", 0}, {"without", 1}, {"noise after batch norm", 2}};
  const Norm norms[] = {Norm::kBatch, Norm::kNone, Norm::kNoisy};
  for (size_t i = 0; i < arms.size(); ++i)
    for (int64_t seed = 0; seed < lab.seeds(); ++seed)
      arms[i].runs.push_back(
          lab.measure(fmt::format("follow {} from kaiming, {} epochs, every {}", name_of(norms[i]),
                                  epochs, every),
                      seed, [&] { return Follow(lab.task(), norms[i], epochs, every).go(); }));
  return arms;
}

/// The mean of each run's list.
std::vector<double> means(const Arm& arm, const std::string& name) {
  std::vector<double> out;
  for (const auto& list : lists(arm.runs, name))
    out.push_back(std::max(1e-30, mean_interval(list).mean));
  return out;
}

Comparison less(const std::string& setting, const Arm& with, const Arm& without,
                const std::string& name) {
  const Estimate r = paired_ratio(means(without, name), means(with, name));
  return {setting,
          {std::log(r.mean), std::log(r.low), std::log(r.high), r.n},
          kMargin,
          "log of the ratio without / with"};
}

Figure course(const std::vector<Arm>& arms, const char* file, const char* caption,
              const char* label, const std::string& name) {
  Figure figure{file, caption, {"look (every few steps)"}, {label, true}, {}};
  for (const Arm& arm : arms) {
    Series line = line_of(arm);
    const auto runs = lists(arm.runs, name);
    for (size_t i = 0; i < runs.front().size(); ++i) {
      std::vector<double> values;
      for (const auto& r : runs) values.push_back(std::max(1e-30, r[i]));
      line.add(static_cast<double>(i + 1), geometric_interval(values));
    }
    line.low.clear();
    line.high.clear();
    figure.series.push_back(std::move(line));
  }
  return figure;
}

Table table_of(const std::vector<Arm>& arms,
               const std::vector<std::pair<Column, std::string>>& columns) {
  Table t{fmt::format("Means over a training of plain networks ({} layers of {} units, Kaiming's "
                      "weights, rate {}), and "
                      "where it ends",
                      kShape.depth, kShape.width, kRate),
          {{"network"}},
          {}};
  for (const auto& [column, name] : columns) t.columns.push_back(column);
  t.columns.push_back({"training loss", "nats"});
  t.columns.push_back({"test accuracy", "%"});
  for (const Arm& arm : arms) {
    std::vector<Cell> row{arm.name};
    for (const auto& [column, name] : columns)
      row.emplace_back(geometric_interval(means(arm, name)));
    row.emplace_back(mean_interval(column(arm.runs, "fit_loss")));
    row.emplace_back(arm.test_accuracy());
    t.rows.push_back(std::move(row));
  }
  return t;
}

}  // namespace

Finding covariate_shift(Lab& lab) {
  const std::vector<Arm> arms = follow(lab, "covariate-shift");
  const Arm &with = arms[0], &without = arms[1], &noisy = arms[2];
  Finding f;
  f.comparisons = {
      less("gradients change less by the step of the layers before", with, without, "shift"),
      less("means of the units move less", with, without, "moved"),
      {"more shift trains worse, batch norm against noise after it: test accuracy",
       gain(with, noisy), kAccuracyMargin, "percentage points"},
      {"more shift trains worse, without against noise after batch norm: test accuracy",
       gain(without, noisy), kAccuracyMargin, "percentage points"}};
  f.verdict = judge(f.comparisons);
  f.sentence = fmt::format(
      "A layer's gradient changes by {} of its length through the step of the layers before it "
      "with "
      "batch normalization, by {} without and {} with noise after it; test accuracy is {} %, {} % "
      "and "
      "{} %. {}.",
      text_of(geometric_interval(means(with, "shift"))),
      text_of(geometric_interval(means(without, "shift"))),
      text_of(geometric_interval(means(noisy, "shift"))), text_of(with.test_accuracy()),
      text_of(without.test_accuracy()), text_of(noisy.test_accuracy()), tally(f.comparisons));
  f.tables.push_back(table_of(arms, {{{"change of gradients", "of their length"}, "shift"},
                                     {{"cosine of gradients"}, "cosine"},
                                     {{"movement of means", "standard deviations"}, "moved"}}));
  f.figures = {
      course(arms, "covariate-shift", "Change of a layer's gradient by the layers before it",
             "change [of its length]", "shift"),
      course(arms, "covariate-shift-means", "Movement of the units' means between two looks",
             "movement [std. dev.]", "moved")};
  return f;
}

Finding smoothness(Lab& lab) {
  const std::vector<Arm> arms = follow(lab, "smoothness");
  const Arm &with = arms[0], &without = arms[1];
  Finding f;
  f.comparisons = {less("range of the loss along the gradient", with, without, "loss_range"),
                   less("change of the gradient along itself", with, without, "gradient_change"),
                   less("effective smoothness (change over distance)", with, without, "beta")};
  f.verdict = judge(f.comparisons);
  const auto ratio = [&](const char* name) {
    return text_of(paired_ratio(means(with, name), means(without, name)));
  };
  f.sentence = fmt::format(
      "Along the gradient, from half to four times the learning rate of {}, the loss ranges over "
      "{} times "
      "what it does without batch normalization, and the gradient changes by {} times as much. {}.",
      kRate, ratio("loss_range"), ratio("gradient_change"), tally(f.comparisons));
  f.tables.push_back(
      table_of(arms, {{{"range of the loss", "nats"}, "loss_range"},
                      {{"change of the gradient", "of its length"}, "gradient_change"},
                      {{"change over distance"}, "beta"}}));
  f.figures = {course(arms, "smoothness-loss", "Range of the loss along the gradient",
                      "range [nats]", "loss_range"),
               course(arms, "smoothness-gradient", "Largest change of the gradient along itself",
                      "change [of its length]", "gradient_change")};
  return f;
}

}  // namespace ballast::study
