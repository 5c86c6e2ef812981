// ballast eval: loss and accuracy of trained weights.

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "ballast/base/error.h"
#include "ballast/train/trainer.h"
#include "cli/commands.h"
#include "cli/run.h"
#include "cli/text.h"

namespace ballast::cli {
namespace {

struct Options {
  std::string source, model, data, split, norm = "batch";
  int64_t classes = 10;
  bool json = false;
};

/// The samples asked for, as the model takes them: those of another file than the run's are all
/// test samples unless --split says otherwise.
data::ArrayDataset samples_for(const Options& o, const Settings& s,
                               const data::Preparation& prepare, const std::string& data) {
  const bool own = data == s.data;
  const std::string split = o.split.empty() ? (own ? "test" : "all") : o.split;
  const data::ArrayDataset raw = split == "train"  ? data::load_split(data).train
                                 : split == "test" ? data::load_split(data).test
                                                   : load_all(data);
  check_labels(raw, s.classes, data);
  return prepare_for(s, prepare, raw, data);
}

int evaluate_weights(const Options& o) {
  const bool is_run = std::filesystem::is_directory(o.source);
  if (o.source.empty()) throw UsageError("eval needs a run's folder or a file of weights");
  if (!is_run && o.model.empty())
    throw UsageError(
        fmt::format("eval of a file of weights needs --model, one of {} ({} is no run's folder)",
                    models::names(), o.source));
  Settings s;
  if (is_run) {
    s = read_settings(o.source);
  } else {
    s.model = o.model;
    s.norm = o.norm;
    s.classes = o.classes;
    if (!o.data.empty()) s.data = source_name(o.data);
  }
  const std::string data = o.data.empty() ? s.data : source_name(o.data);
  const data::Preparation prepare =
      is_run ? preparation_of(o.source, s)
             : data::Preparation::fit(models::entry(s.model).input,
                                      data::load_split(data).train.inputs);
  const data::ArrayDataset d = samples_for(o, s, prepare, data);
  if (!is_run) s.sample = data::sample_shape(d.inputs);
  const nn::ModulePtr model = make_model(s);
  load_weights(*model, is_run ? model_path(o.source) : o.source);

  data::Loader loader = evaluation_loader(d);
  const train::Evaluation m = train::evaluate(*model, loader);
  if (o.json)
    fmt::print("{}\n", nlohmann::ordered_json{{"model", s.model},
                                              {"data", data},
                                              {"samples", d.size()},
                                              {"loss", m.loss},
                                              {"accuracy", m.accuracy}}
                           .dump());
  else
    fmt::print("{} on {} ({} samples): loss {:.6f}, accuracy {:.2f} %\n", s.model, data, d.size(),
               m.loss, 100 * m.accuracy);
  return kOk;
}

}  // namespace

Action add_eval(CLI::App& command) {
  const auto o = std::make_shared<Options>();
  command.add_option("source", o->source, "Folder of a run, or a safetensors file of weights")
      ->type_name("RUN_OR_FILE");
  command
      .add_option("--data", o->data, "digits, or a .csv, .npy or .npz file (default: the run's)")
      ->type_name("DATA");
  command
      .add_option("--split", o->split,
                  "train, test or all (default: test of the run's own data, all of other data)")
      ->type_name("PART")
      ->check(CLI::IsMember({"train", "test", "all"}));
  command.add_option("--model", o->model, "Network of a file of weights: " + models::names())
      ->type_name("NAME");
  command.add_option("--norm", o->norm, "batch or none, for a file of weights (default batch)")
      ->type_name("KIND")
      ->check(CLI::IsMember({"batch", "none"}));
  command.add_option("--classes", o->classes, "Classes, for a file of weights (default 10)")
      ->type_name("N")
      ->check(at_least_one);
  command.add_flag("--json", o->json, "Print JSON");
  return [o] { return evaluate_weights(*o); };
}

}  // namespace ballast::cli
