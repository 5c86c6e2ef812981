// ballast inspect: what is wrong with a network's batch normalization.

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <filesystem>
#include <memory>
#include <optional>

#include "ballast/study/diagnose.h"
#include "ballast/train/trainer.h"
#include "cli/commands.h"
#include "cli/source.h"
#include "cli/text.h"

namespace ballast::cli {
namespace {

struct Options {
  SourceOptions source;
  int64_t batch_size = 0, samples = 512;
  std::optional<double> momentum;
  bool json = false;
};

/// Steps that a run's training made: what its checkpoint counted.
std::optional<int64_t> steps_of(const std::string& run) {
  if (!std::filesystem::is_directory(run) || !std::filesystem::exists(checkpoint_path(run)))
    return {};
  for (const auto& [name, t] : train::load_checkpoint(checkpoint_path(run)))
    if (name == "steps" && t.dtype() == DType::kInt64 && t.numel() == 1) return t.item<int64_t>();
  return {};
}

int inspect(const Options& o) {
  const Source s = o.source.open("inspect");
  // Of a run, training's batches are known; of a file of weights only where they are given.
  study::DiagnoseOptions options;
  options.batch_size = o.batch_size > 0 ? o.batch_size : s.is_run ? s.settings.batch_size : 0;
  options.max_samples = o.samples;
  options.steps = steps_of(o.source.source);
  options.momentum = o.momentum;
  data::Loader loader(data::TensorDataset(s.samples),
                      {.batch_size = options.batch_size > 0 ? options.batch_size : 64});
  s.model->eval();
  const study::Diagnosis d = study::diagnose(*s.model, loader, options);
  if (o.json)
    fmt::print("{}\n", d.json());
  else
    fmt::print("{} on {}\n\n{}", s.settings.model, s.data, d.str());
  return kOk;
}

}  // namespace

Action add_inspect(CLI::App& command) {
  const auto o = std::make_shared<Options>();
  o->source.add_to(command);
  command
      .add_option("--batch-size", o->batch_size,
                  "Samples in training's batches (default: the run's; else 64, as a guess)")
      ->type_name("N")
      ->check(at_least_one);
  command
      .add_option("--bn-momentum", o->momentum,
                  "Momentum of the batch norms in training (default 0.1): of weights trained "
                  "elsewhere, files do not say")
      ->type_name("M")
      ->check(CLI::Range(0.0, 1.0));
  command.add_option("--samples", o->samples, "Samples to look at (default 512)")
      ->type_name("N")
      ->check(at_least_one);
  command.add_flag("--json", o->json, "Print JSON");
  return [o] { return inspect(*o); };
}

}  // namespace ballast::cli
