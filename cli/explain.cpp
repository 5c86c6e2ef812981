// ballast explain: the sweeps that a step is made of.

#include "ballast/sweep/explain.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <utility>
#include <vector>

#include "ballast/ops/create.h"
#include "ballast/ops/loss.h"
#include "ballast/train/optim.h"
#include "cli/commands.h"
#include "cli/network.h"
#include "cli/text.h"

namespace ballast::cli {
namespace {

struct Options {
  NetworkOptions network{.batch = 16};
  int64_t runs = 5;
  bool evaluation = false, json = false;
};

/// The plans of steps, after two that make plans and touch memory for the first time, and the most
/// memory that these had.
std::pair<std::vector<PlanReport>, MemoryReport> record(const Options& o, const Shape& sample) {
  const auto model = o.network.make(sample);
  const Tensor x = randn(o.network.shape(sample)),
               y = randint(0, o.network.classes, {o.network.batch});
  // A rate of zero: a network that has learnt its one batch by heart would compute with denormals.
  optim::SGD optimizer(model->parameters(), {.lr = 0.0, .momentum = 0.9});
  if (o.evaluation) model->eval();
  auto step = [&] {
    if (o.evaluation) {
      const NoGrad off;
      (*model)(x).eval();
      return;
    }
    optimizer.zero_grad();
    cross_entropy((*model)(x), y).backward();
    optimizer.step();
  };
  step();
  step();
  const Recorder recorder;
  for (int64_t i = 0; i < o.runs; ++i) step();
  return {recorder.plans(), recorder.memory()};
}

int explain(const Options& o) {
  const Shape sample = o.network.sample("explain");
  const auto [plans, memory] = record(o, sample);
  if (o.json) {
    fmt::print("{}\n", to_json(plans, memory));
    return kOk;
  }
  fmt::print("{}, batch of {} samples of shape {}, {}; roofline {:.0f} GB/s and {:.0f} GFLOP/s\n\n",
             o.network.model, o.network.batch, sample, o.evaluation ? "evaluation" : "training",
             roofline().bytes_per_second / 1e9, roofline().flops_per_second / 1e9);
  for (const PlanReport& plan : plans) fmt::print("{}\n", to_table(plan));
  fmt::print("{}", to_line(memory));
  return kOk;
}

}  // namespace

Action add_explain(CLI::App& command) {
  const auto o = std::make_shared<Options>();
  o->network.add_to(command);
  command.add_option("--runs", o->runs, "Steps that are measured (default 5)")
      ->type_name("N")
      ->check(at_least_one);
  command.add_flag("--eval", o->evaluation, "Evaluation instead of a training step");
  command.add_flag("--json", o->json, "Print JSON");
  return [o] { return explain(*o); };
}

}  // namespace ballast::cli
