// ballast eval: loss and accuracy of trained weights.

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "ballast/train/trainer.h"
#include "cli/commands.h"
#include "cli/source.h"

namespace ballast::cli {
namespace {

struct Options {
  SourceOptions source;
  bool json = false;
};

int evaluate_weights(const Options& o) {
  const Source s = o.source.open("eval");
  data::Loader loader = evaluation_loader(s.samples);
  const train::Evaluation m = train::evaluate(*s.model, loader);
  if (o.json)
    fmt::print("{}\n", nlohmann::ordered_json{{"model", s.settings.model},
                                              {"data", s.data},
                                              {"samples", s.samples.size()},
                                              {"loss", m.loss},
                                              {"accuracy", m.accuracy}}
                           .dump());
  else
    fmt::print("{} on {} ({} samples): loss {:.6f}, accuracy {:.2f} %\n", s.settings.model, s.data,
               s.samples.size(), m.loss, 100 * m.accuracy);
  return kOk;
}

}  // namespace

Action add_eval(CLI::App& command) {
  const auto o = std::make_shared<Options>();
  o->source.add_to(command);
  command.add_flag("--json", o->json, "Print JSON");
  return [o] { return evaluate_weights(*o); };
}

}  // namespace ballast::cli
