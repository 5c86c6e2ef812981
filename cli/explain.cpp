// ballast explain: the sweeps that a step is made of.

#include "ballast/sweep/explain.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>

#include "ballast/models/factory.h"
#include "ballast/ops/create.h"
#include "ballast/ops/loss.h"
#include "ballast/train/optim.h"
#include "cli/commands.h"
#include "cli/text.h"

namespace ballast::cli {
namespace {

struct Options {
  std::string model, input, norm = "batch";
  int64_t batch = 16, classes = 10, runs = 5;
  bool evaluation = false, json = false;
};

/// The plans of steps, after two that make plans and touch memory for the first time.
std::vector<PlanReport> record(const Options& o, const Shape& sample) {
  const auto model =
      models::make(o.model, sample, {.batch_norm = o.norm == "batch", .classes = o.classes});
  Shape shape{o.batch};
  for (int64_t d : sample) shape.push_back(d);
  const Tensor x = randn(shape), y = randint(0, o.classes, {o.batch});
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
  return recorder.plans();
}

int explain(const Options& o) {
  if (o.model.empty())
    throw UsageError(fmt::format("explain needs --model, one of {}", models::names()));
  const Shape sample = o.input.empty() ? models::entry(o.model).sample : parse_shape(o.input);
  const std::vector<PlanReport> plans = record(o, sample);
  if (o.json) {
    fmt::print("{}\n", to_json(plans));
    return kOk;
  }
  fmt::print("{}, batch of {} samples of shape {}, {}; roofline {:.0f} GB/s and {:.0f} GFLOP/s\n\n",
             o.model, o.batch, sample, o.evaluation ? "evaluation" : "training",
             roofline().bytes_per_second / 1e9, roofline().flops_per_second / 1e9);
  for (const PlanReport& plan : plans) fmt::print("{}\n", to_table(plan));
  return kOk;
}

}  // namespace

Action add_explain(CLI::App& command) {
  const auto o = std::make_shared<Options>();
  command.add_option("--model", o->model, "Network: " + models::names())->type_name("NAME");
  command
      .add_option("--input", o->input, "Shape of one sample, such as 3x32x32 (default: a digit)")
      ->type_name("SHAPE");
  command.add_option("--batch", o->batch, "Samples in the batch (default 16)")
      ->type_name("N")
      ->check(at_least_one);
  command.add_option("--classes", o->classes, "Classes told apart (default 10)")
      ->type_name("N")
      ->check(at_least_one);
  command
      .add_option("--norm", o->norm, "batch or none: with or without batch norm (default batch)")
      ->type_name("KIND")
      ->check(CLI::IsMember({"batch", "none"}));
  command.add_option("--runs", o->runs, "Steps that are measured (default 5)")
      ->type_name("N")
      ->check(at_least_one);
  command.add_flag("--eval", o->evaluation, "Evaluation instead of a training step");
  command.add_flag("--json", o->json, "Print JSON");
  return [o] { return explain(*o); };
}

}  // namespace ballast::cli
