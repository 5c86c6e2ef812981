#include "cli/source.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <filesystem>

#include "cli/commands.h"
#include "cli/text.h"

namespace ballast::cli {
namespace {

/// The samples asked for, as the model takes them: those of another file than the run's are all
/// test samples unless --split says otherwise.
data::ArrayDataset samples_for(const SourceOptions& o, const Settings& s,
                               const data::Preparation& prepare, const std::string& data) {
  const bool own = data == s.data;
  const std::string split = o.split.empty() ? (own ? "test" : "all") : o.split;
  const data::ArrayDataset raw = split == "train"  ? data::load_split(data).train
                                 : split == "test" ? data::load_split(data).test
                                                   : load_all(data);
  check_labels(raw, s.classes, data);
  return prepare_for(s, prepare, raw, data);
}

}  // namespace

void SourceOptions::add_to(CLI::App& command) {
  command.add_option("source", source, "Folder of a run, or a safetensors file of weights")
      ->type_name("RUN_OR_FILE");
  command.add_option("--data", data, "digits, or a .csv, .npy or .npz file (default: the run's)")
      ->type_name("DATA");
  command
      .add_option("--split", split,
                  "train, test or all (default: test of the run's own data, all of other data)")
      ->type_name("PART")
      ->check(CLI::IsMember({"train", "test", "all"}));
  command.add_option("--model", model, "Network of a file of weights: " + models::names())
      ->type_name("NAME");
  command.add_option("--norm", norm, "batch or none, for a file of weights (default batch)")
      ->type_name("KIND")
      ->check(CLI::IsMember({"batch", "none"}));
  command.add_option("--classes", classes, "Classes, for a file of weights (default 10)")
      ->type_name("N")
      ->check(at_least_one);
}

Source SourceOptions::open(const char* command) const {
  Source out;
  out.is_run = std::filesystem::is_directory(source);
  if (source.empty())
    throw UsageError(fmt::format("{} needs a run's folder or a file of weights", command));
  if (!out.is_run && model.empty())
    throw UsageError(
        fmt::format("{} of a file of weights needs --model, one of {} ({} is no run's folder)",
                    command, models::names(), source));
  Settings& s = out.settings;
  if (out.is_run) {
    s = read_settings(source);
  } else {
    s.model = model;
    s.norm = norm;
    s.classes = classes;
    if (!data.empty()) s.data = source_name(data);
  }
  out.data = data.empty() ? s.data : source_name(data);
  const data::Preparation prepare =
      out.is_run ? preparation_of(source, s)
                 : data::Preparation::fit(models::entry(s.model).input,
                                          data::load_split(out.data).train.inputs);
  out.samples = samples_for(*this, s, prepare, out.data);
  if (!out.is_run) s.sample = data::sample_shape(out.samples.inputs);
  out.model = make_model(s);
  if (out.is_run)
    load_run_weights(*out.model, source, s);
  else
    load_weights(*out.model, source);
  return out;
}

}  // namespace ballast::cli
