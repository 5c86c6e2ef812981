#include "ballast/study/batch_costs.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "ballast/base/threads.h"
#include "ballast/ops/loss.h"
#include "ballast/study/arms.h"
#include "ballast/sweep/explain.h"
#include "ballast/train/optim.h"

namespace ballast::study {
namespace {

using Sizes = std::vector<int64_t>;

Sizes sizes_of(const Lab& lab) {
  Sizes all = lab.pick<Sizes>({8, 64}, {2, 8, 32, 128, 512}, {2, 4, 8, 16, 32, 64, 128, 256, 512});
  std::erase_if(all, [&](int64_t n) { return n > lab.task().train.size(); });
  return all;
}

std::vector<int64_t> drawn(int64_t batch, int64_t of) {
  std::vector<int64_t> rows(static_cast<size_t>(of));
  randperm(rows, default_generator());
  rows.resize(static_cast<size_t>(batch));
  return rows;
}

struct Moments {
  double mean, variance;  // unbiased
};

Moments moments(std::span<const float> values, int64_t columns, int64_t column,
                const std::vector<int64_t>& rows) {
  const auto n = static_cast<double>(rows.size());
  double sum = 0.0, squares = 0.0;
  for (const int64_t r : rows) sum += values[r * columns + column];
  const double mean = sum / n;
  for (const int64_t r : rows) {
    const double d = values[r * columns + column] - mean;
    squares += d * d;
  }
  return {mean, squares / (n - 1.0)};
}

/// Of a batch's mean and variance against those of all samples, of what the first layer of a plain
/// network hands to its batch norm: roots of mean squares, in standard deviations and as a fraction
/// of the variance.
Numbers statistics_error(const Task& task, const Sizes& sizes, int64_t draws) {
  const auto network = task.build({.plain = PlainShape{}});
  const NoGrad off;
  const data::TensorDataset samples(task.train);
  const Tensor y = dynamic_cast<Plain&>(*network).layers[0].fc(samples.x().flatten(1));
  const auto values = y.data<float>();
  const int64_t n = y.size(0), channels = y.size(1);
  std::vector<int64_t> all = drawn(n, n);
  std::vector<Moments> whole;
  for (int64_t c = 0; c < channels; ++c) whole.push_back(moments(values, channels, c, all));
  Numbers numbers;
  for (const int64_t batch : sizes) {
    double mean_squares = 0.0, variance_squares = 0.0;
    for (int64_t d = 0; d < draws; ++d) {
      const std::vector<int64_t> rows = drawn(batch, n);
      for (int64_t c = 0; c < channels; ++c) {
        if (whole[c].variance <= 0.0) continue;
        const Moments m = moments(values, channels, c, rows);
        const double off_mean = m.mean - whole[c].mean;
        const double off_variance = m.variance / whole[c].variance - 1.0;
        mean_squares += off_mean * off_mean / whole[c].variance;
        variance_squares += off_variance * off_variance;
      }
    }
    const auto count = static_cast<double>(draws * channels);
    numbers["mean"].push_back(std::sqrt(mean_squares / count));
    numbers["variance"].push_back(std::sqrt(variance_squares / count));
  }
  return numbers;
}

/// 1/sqrt(batch), of samples drawn without replacement.
double theory(int64_t batch, int64_t of) {
  return std::sqrt((1.0 - static_cast<double>(batch) / static_cast<double>(of)) /
                   static_cast<double>(batch));
}

std::vector<double> gradient(nn::Module& network, const data::Batch& b) {
  network.zero_grad();
  cross_entropy(network(b.x), b.y).backward();
  std::vector<double> out;
  for (const Tensor& t : network.parameters())
    for (const float v : t.grad().data<float>()) out.push_back(v);
  return out;
}

/// Distance of a batch's gradient from that of all samples, relative to its length; of fresh
/// weights.
Numbers gradient_noise(const Task& task, const Recipe& recipe, const Sizes& sizes, int64_t draws) {
  const auto network = task.build(recipe);
  const data::TensorDataset samples(task.train);
  const std::vector<double> whole = gradient(*network, {samples.x(), samples.y()});
  double length = 0.0;
  for (const double v : whole) length += v * v;
  Numbers numbers;
  for (const int64_t batch : sizes) {
    double squares = 0.0;
    for (int64_t d = 0; d < draws; ++d) {
      const auto g = gradient(*network, samples.rows(drawn(batch, samples.size())));
      for (size_t i = 0; i < g.size(); ++i) squares += (g[i] - whole[i]) * (g[i] - whole[i]);
    }
    numbers["noise"].push_back(std::sqrt(squares / static_cast<double>(draws) / length));
  }
  return numbers;
}

/// Seconds of a training step per sample, the least of some, by the number of threads; and the
/// memory that a step needs, in bytes a sample.
Numbers costs(const Task& task, const Recipe& recipe, const Sizes& sizes, int64_t steps) {
  const auto network = task.build(recipe);
  const data::TensorDataset samples(task.train);
  optim::SGD sgd(network->parameters(), {.lr = 0.0, .momentum = 0.9});
  const int before = num_threads();
  Numbers numbers;
  for (const int64_t batch : sizes) {
    const data::Batch b = samples.rows(drawn(batch, samples.size()));
    const auto step = [&] {
      sgd.zero_grad();
      cross_entropy((*network)(b.x), b.y).backward();
      sgd.step();
    };
    for (const int threads : {1, 2}) {
      set_num_threads(threads);
      double least = std::numeric_limits<double>::infinity();
      for (int64_t i = 0; i < steps; ++i) {
        const auto start = std::chrono::steady_clock::now();
        step();
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
        least = std::min(least, took.count());
      }
      numbers[fmt::format("seconds {}", threads)].push_back(least / static_cast<double>(batch));
    }
    const Recorder recorder;
    step();
    int64_t bytes = 0;
    for (const PlanReport& p : recorder.plans()) bytes = std::max(bytes, p.temporary + p.outputs);
    numbers["bytes"].push_back(static_cast<double>(bytes) / static_cast<double>(batch));
  }
  set_num_threads(before);
  return numbers;
}

Estimate times(const Estimate& e, double factor) {
  return {e.mean * factor, e.low * factor, e.high * factor, e.n};
}

void add_statistics(const Sizes& sizes, const std::vector<Numbers>& runs, int64_t samples,
                    Finding& f) {
  Table t{
      "Error of a batch's statistics, before the first batch norm of a plain network: root of the "
      "mean square",
      {{"batch"},
       {"mean", "standard deviations"},
       {"theory, 1/sqrt(n)", "standard deviations"},
       {"variance", "of the variance"}},
      {}};
  Figure figure{"batch-statistics",
                "Error of a batch's statistics",
                {"batch size [samples]", true},
                {"error [std. dev.; part of variance]", true},
                {{.name = "mean", .colour = 0, .x = {}, .y = {}},
                 {.name = "variance", .colour = 3, .x = {}, .y = {}},
                 {.name = "1/sqrt(n)", .colour = 5, .x = {}, .y = {}, .dashed = true}}};
  const auto mean = estimates(runs, "mean"), variance = estimates(runs, "variance");
  double worst = 0.0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const double expected = theory(sizes[i], samples);
    t.rows.push_back({std::to_string(sizes[i]), mean[i], expected, variance[i]});
    const auto x = static_cast<double>(sizes[i]);
    figure.series[0].add(x, mean[i]);
    figure.series[1].add(x, variance[i]);
    figure.series[2].add(x, {expected, expected, expected, 1});
    worst = std::max(worst, std::abs(mean[i].mean / expected - 1.0));
  }
  f.sentence += fmt::format(
      "A batch's mean is off by {} standard deviations at {} samples and {} at {}, within {:.1f} % "
      "of "
      "1/sqrt(n).",
      text_of(mean[0].mean), sizes[0], text_of(mean.back().mean), sizes.back(), 100 * worst);
  f.tables.push_back(std::move(t));
  f.figures.push_back(std::move(figure));
}

}  // namespace

int64_t cost_measurements(const Lab& lab) { return 5 * lab.seeds(); }

void add_costs(Lab& lab, Finding& f) {
  const Sizes sizes = sizes_of(lab);
  const Task& task = lab.task();
  const int64_t draws = lab.pick(2, 20, 100), steps = lab.pick(2, 10, 40);
  std::vector<Numbers> statistics;
  std::vector<Numbers> noise[2], cost[2];
  std::string list = fmt::format("{}", fmt::join(sizes, ","));
  for (int64_t seed = 0; seed < lab.seeds(); ++seed) {
    statistics.push_back(lab.measure(fmt::format("statistics of {}, {} draws", list, draws), seed,
                                     [&] { return statistics_error(task, sizes, draws); }));
    for (const size_t i : {0, 1}) {
      const Recipe recipe{.norm = i == 0 ? Norm::kBatch : Norm::kNone};
      noise[i].push_back(
          lab.measure(fmt::format("noise {} of {}, {} draws", recipe.str(), list, draws), seed,
                      [&] { return gradient_noise(task, recipe, sizes, draws); }));
      cost[i].push_back(
          lab.measure(fmt::format("costs {} of {}, {} steps", recipe.str(), list, steps), seed,
                      [&] { return costs(task, recipe, sizes, steps); }));
    }
  }
  add_statistics(sizes, statistics, task.train.size(), f);
  Table t{
      "A training step: noise of the gradient (distance from that of all samples, in its "
      "length); memory and time a sample",
      {{"batch"},
       {"noise, with"},
       {"noise, without"},
       {"memory, with", "kB/sample"},
       {"memory, without", "kB/sample"},
       {"1 thread, with", "µs/sample", true},
       {"2 threads, with", "µs/sample", true},
       {"1 thread, without", "µs/sample", true},
       {"2 threads, without", "µs/sample", true}},
      {}};
  Figure figure{"batch-time",
                "Time of a training step per sample",
                {"batch size [samples]", true},
                {"time [µs/sample]", true},
                {}};
  figure.timing = true;
  for (const size_t i : {0, 1})
    for (const int threads : {1, 2})
      figure.series.push_back(
          {.name = fmt::format("{}, {} thread{}", i == 0 ? "batch norm" : "without", threads,
                               threads == 1 ? "" : "s"),
           .colour = static_cast<int>(i),
           .x = {},
           .y = {},
           .dashed = threads == 2});
  for (size_t s = 0; s < sizes.size(); ++s) {
    std::vector<Cell> row{std::to_string(sizes[s])};
    for (const size_t i : {0, 1}) {
      std::vector<double> of_seeds;
      for (const auto& of_sizes : lists(noise[i], "noise")) of_seeds.push_back(of_sizes[s]);
      row.emplace_back(geometric_interval(of_seeds));
    }
    for (const size_t i : {0, 1}) row.emplace_back(times(estimates(cost[i], "bytes")[s], 1e-3));
    for (const size_t i : {0, 1})
      for (const size_t threads : {1, 2}) {
        const Estimate e = times(estimates(cost[i], fmt::format("seconds {}", threads))[s], 1e6);
        row.emplace_back(e);
        figure.series[2 * i + threads - 1].add(static_cast<double>(sizes[s]), e);
      }
    t.rows.push_back(std::move(row));
  }
  const auto at = [&](size_t line, bool last) {
    const Series& s = figure.series[line];
    return text_of(last ? s.y.back() : s.y.front());
  };
  f.timing = fmt::format(
      "A sample takes {} µs in batches of {} and {} µs in batches of {} with batch normalization "
      "on "
      "one thread, {} and {} µs on two.",
      at(0, false), sizes.front(), at(0, true), sizes.back(), at(1, false), at(1, true));
  f.tables.push_back(std::move(t));
  f.figures.push_back(std::move(figure));
}

}  // namespace ballast::study
