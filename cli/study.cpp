// ballast study: what is said of batch normalization, measured.

#include "ballast/study/study.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "ballast/base/threads.h"
#include "ballast/train/trainer.h"
#include "cli/commands.h"
#include "cli/run.h"
#include "cli/text.h"

namespace ballast::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::vector<std::string> claims;
  std::string model = "plain", data = "digits", out = "study";
  int threads = 0;
  bool quick = false, json = false, quiet = false;
};

/// The options that a command needs to measure the same.
std::string arguments_of(const Options& o) {
  std::string out;
  if (o.model != "plain") out += " --model " + o.model;
  if (o.data != "digits") out += " --data " + o.data;
  if (o.quick) out += " --quick";
  return out.empty() ? out : out.substr(1);
}

/// Hands over to Python, where FILE.py:Class can be built: the interpreter of the environment that
/// the tool is installed in.
[[noreturn]] void run_in_python(const Options& o) {
  const std::string python = fs::read_symlink("/proc/self/exe").parent_path() / "python3";
  if (!fs::exists(python))
    throw UsageError(fmt::format(
        "--model {}: a Python class needs the tool that is installed with the Python package "
        "(scripts/setup puts it into .venv/bin); there is no {}",
        o.model, python));
  std::vector<std::string> words = {python, "-m", "ballast.study"};
  words.insert(words.end(), o.claims.begin(), o.claims.end());
  for (const std::string& word : {std::string("--model"), o.model, std::string("--data"), o.data,
                                  std::string("--out"), o.out})
    words.push_back(word);
  if (o.threads > 0) words.insert(words.end(), {"--threads", std::to_string(o.threads)});
  if (o.quick) words.emplace_back("--quick");
  if (o.json) words.emplace_back("--json");
  if (o.quiet) words.emplace_back("--quiet");
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  ::execv(python.c_str(), arguments.data());
  fail<FileError>("{}: {}", python, std::strerror(errno));
}

void show(const study::Result& r) {
  const study::Finding& f = r.finding;
  fmt::print("{}: {}\n  {}{}{}\n", r.claim->name, study::name_of(f.verdict), f.sentence,
             f.timing.empty() ? "" : " ", f.timing);
  if (r.claim->own_networks) fmt::print("  {}\n", study::network_of(*r.claim));
  std::fflush(stdout);
}

int study_command(Options& o) {
  if (o.model.find(".py:") != std::string::npos) run_in_python(o);
  for (const std::string& name : o.claims) study::claim(name);
  if (o.threads > 0) set_num_threads(o.threads);
  const study::Task task = study::task_of(o.model, source_name(o.data));
  const train::StopOnSignal signals;
  try {
    const study::Report report =
        study::run(task, {.claims = o.claims,
                          .effort = o.quick ? study::Effort::kQuick : study::Effort::kFull,
                          .folder = o.out,
                          .command = arguments_of(o),
                          .stop = &signals.flag(),
                          .progress = !o.quiet,
                          .on_result = o.json || o.quiet ? nullptr : show});
    if (o.json) fmt::print("{}", study::json_of(report));
    if (!report.no_pictures.empty()) fmt::print(stderr, "ballast: {}\n", report.no_pictures);
    if (!o.json && !o.quiet)
      fmt::print("report: {0}/report.html, {0}/report.md, {0}/report.json\n", o.out);
  } catch (const study::Stopped&) {
    fmt::print(stderr, "ballast: stopped; the same command goes on with what is in {}\n", o.out);
    return 130;
  }
  return kOk;
}

}  // namespace

Action add_study(CLI::App& command) {
  const auto o = std::make_shared<Options>();
  command.add_option("CLAIM", o->claims, "What to measure (default all): " + study::claim_names())
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command
      .add_option("--model", o->model,
                  "Network: plain (three layers of 100 units, the default), a name of 'ballast "
                  "train', or FILE.py:Class")
      ->type_name("NAME");
  command
      .add_option("--data", o->data,
                  "digits, or a .csv, .npy or .npz file with labels (default digits)")
      ->type_name("DATA");
  command.add_option("--out", o->out, "Folder of runs and report (default study)")
      ->type_name("FOLDER");
  command
      .add_option("--threads", o->threads,
                  "Threads (default: one a core); results do not depend on it")
      ->type_name("N")
      ->check(whole<int, 0>);
  command.add_flag("--quick", o->quick, "Three seeds and short trainings: a first look");
  command.add_flag("--json", o->json, "Print report.json");
  command.add_flag("--quiet", o->quiet, "Print errors only");
  return [o] { return study_command(*o); };
}

}  // namespace ballast::cli
