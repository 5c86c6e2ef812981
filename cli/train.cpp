// ballast train: training, checkpoints, continuing.

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <memory>

#include "ballast/base/file.h"
#include "ballast/base/threads.h"
#include "ballast/io/state.h"
#include "cli/commands.h"
#include "cli/session.h"

namespace ballast::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  Settings settings;
  std::string out, resume;
  std::vector<const CLI::Option*> decided;  // options that settings.json decides when resuming
  bool force = false, json = false, quiet = false;
};

volatile std::sig_atomic_t g_signal = 0;

void stop_between_steps() {
  for (int signal : {SIGINT, SIGTERM})
    std::signal(signal, [](int s) {
      g_signal = s;
      std::signal(s, SIG_DFL);  // a second one stops at once
    });
}

/// When a checkpoint is due: every so many seconds or steps. No value depends on it.
class Due {
 public:
  /// Throws UsageError unless `text` is a positive whole number, with an s for seconds.
  explicit Due(const std::string& text) {
    const bool seconds = text.ends_with('s');
    const std::string digits = text.substr(0, text.size() - seconds);
    if (digits.empty() || digits.size() > 9 ||
        digits.find_first_not_of("0123456789") != digits.npos || std::stoll(digits) == 0)
      throw UsageError(fmt::format(
          "--checkpoint-every: expected seconds or steps such as 30s or 500, got {}", text));
    (seconds ? seconds_ : steps_) = std::stoll(digits);
  }

  bool now(int64_t step) {
    const auto time = std::chrono::steady_clock::now();
    const bool due =
        steps_ > 0 ? step % steps_ == 0 : time - last_ >= std::chrono::seconds(seconds_);
    if (due) last_ = time;
    return due;
  }

 private:
  int64_t seconds_ = 0, steps_ = 0;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

/// The samples of a run, prepared; fits and keeps the principal components where the network takes
/// them.
data::SplitArrays samples_of(Settings& s, std::optional<data::Pca>& components) {
  const data::SplitArrays raw = data::load_split(s.data);
  for (const auto* part : {&raw.train, &raw.test}) check_labels(*part, s.classes, s.data);
  const models::Input kind = models::entry(s.model).input;
  data::Preparation prepare(kind, {});
  try {
    prepare = data::Preparation::fit(kind, raw.train.inputs);
  } catch (const ValueError& e) {
    fail<FileError>("{}: model {}: {}", s.data, s.model, e.what());
  }
  components = prepare.pca();
  data::SplitArrays out{prepare_for(s, prepare, raw.train, s.data),
                        prepare_for(s, prepare, raw.test, s.data)};
  s.sample = data::sample_shape(out.train.inputs);
  return out;
}

void write_metrics(const std::string& run, const Session& session) {
  std::string text;
  for (const EpochMetrics& m : session.metrics()) text += json_line(m) + "\n";
  write_atomically(metrics_path(run), bytes_of(text));
}

void report(const EpochMetrics& m, const Settings& s, const Options& o) {
  if (o.quiet) return;
  if (o.json)
    fmt::print("{}\n", json_line(m));
  else
    fmt::print("epoch {:>3}/{}  train loss {:.4f}  test loss {:.4f}  test accuracy {:.2f} %\n",
               m.epoch, s.epochs, m.train_loss, m.test_loss, 100 * m.test_accuracy);
  std::fflush(stdout);
}

/// Trains to the end of the run, or to a signal. Returns the exit code.
int train_on(Session& session, const Settings& s, const std::string& run, const Options& o) {
  Due due(s.checkpoint_every);
  write_metrics(run, session);
  while (!session.finished()) {
    if (g_signal != 0) {
      session.save(checkpoint_path(run));
      fmt::print(stderr,
                 "ballast: stopped after step {}; continue with: ballast train --resume {}\n",
                 session.steps(), run);
      return 128 + g_signal;
    }
    if (session.step()) {
      write_metrics(run, session);
      report(session.metrics().back(), s, o);
    }
    if (due.now(session.steps())) session.save(checkpoint_path(run));
  }
  session.save(checkpoint_path(run));
  save(session.model().state_dict(), model_path(run), {{"format", "pt"}});
  if (!o.quiet && !o.json) fmt::print("weights: {}\n", model_path(run));
  return kOk;
}

/// Makes the folder ready. An old run in it stays unless `force`.
void prepare_folder(const std::string& run, bool force) {
  std::error_code error;
  fs::create_directories(run, error);
  check<FileError>(fs::is_directory(run), "{}: the folder cannot be made: {}", run,
                   error ? error.message() : "there is a file of that name");
  if (fs::exists(run + "/settings.json") || fs::exists(model_path(run))) {
    if (!force)
      throw UsageError(fmt::format(
          "{} holds a run already; continue it with --resume {}, or overwrite it with --force", run,
          run));
    // Settings go first: without them no remains can be taken for a run.
    for (const std::string& file : {run + "/settings.json", checkpoint_path(run), model_path(run),
                                    metrics_path(run), components_path(run)})
      fs::remove(file);
  }
}

int start(Options& o) {
  Settings& s = o.settings;
  if (o.out.empty()) throw UsageError("train needs --out, the folder of the new run, or --resume");
  models::entry(s.model);
  Due{s.checkpoint_every};
  s.data = source_name(s.data);
  std::optional<data::Pca> components;
  const data::SplitArrays samples = samples_of(s, components);
  s.data_hash = hash_of(samples);
  Session session(s, samples);
  prepare_folder(o.out, o.force);
  if (components) write_components(components_path(o.out), *components);
  write_settings(o.out, s);
  return train_on(session, s, o.out, o);
}

int resume(Options& o) {
  for (const CLI::Option* option : o.decided)
    if (option->count() > 0)
      throw UsageError(
          fmt::format("{} cannot be changed when a run is continued: {}/settings.json "
                      "decides",
                      option->get_name(), o.resume));
  Settings s = read_settings(o.resume);
  if (s.threads > 0) set_num_threads(s.threads);
  std::optional<data::Pca> components;
  const data::SplitArrays samples = samples_of(s, components);
  check<FileError>(hash_of(samples) == s.data_hash,
                   "{}: the samples are not those that the run {} began with", s.data, o.resume);
  Session session(s, samples);
  // A run killed before its first checkpoint begins again: the seed decides all.
  if (fs::exists(checkpoint_path(o.resume))) session.load(checkpoint_path(o.resume));
  if (!o.quiet && !o.json) fmt::print("continuing {} after step {}\n", o.resume, session.steps());
  return train_on(session, s, o.resume, o);
}

int train(Options& o) {
  stop_between_steps();
  if (o.settings.threads > 0) set_num_threads(o.settings.threads);
  return o.resume.empty() ? start(o) : resume(o);
}

}  // namespace

Action add_train(CLI::App& command) {
  const auto o = std::make_shared<Options>();
  Settings& s = o->settings;
  auto decided = [&](CLI::Option* option) {
    o->decided.push_back(option);
    return option;
  };
  auto number = [&](const char* flag, auto& value, const char* help) {
    return decided(command.add_option(flag, value, help)->type_name("N"));
  };
  auto choice = [&](const char* flag, std::string& value, const char* help,
                    std::vector<std::string> choices) {
    decided(command.add_option(flag, value, help)
                ->type_name("KIND")
                ->check(CLI::IsMember(std::move(choices))));
  };
  decided(command.add_option("--model", s.model, "Network: " + models::names() + " (default net)")
              ->type_name("NAME"));
  decided(command
              .add_option("--data", s.data,
                          "digits, or a .csv, .npy or .npz file with labels (default digits)")
              ->type_name("DATA"));
  number("--classes", s.classes, "Classes told apart (default 10)")->check(CLI::PositiveNumber);
  number("--epochs", s.epochs, "Passes over the training samples (default 20)")
      ->check(CLI::PositiveNumber);
  number("--batch-size", s.batch_size, "Samples in a step (default 64)")
      ->check(CLI::PositiveNumber);
  number("--lr", s.lr, "Learning rate (default 0.1)")->check(CLI::NonNegativeNumber);
  number("--momentum", s.momentum, "Of SGD (default 0.9)")->check(CLI::NonNegativeNumber);
  number("--weight-decay", s.weight_decay, "(default 0)")->check(CLI::NonNegativeNumber);
  choice("--optimizer", s.optimizer, "sgd, adam or adamw (default sgd)", {"sgd", "adam", "adamw"});
  choice("--schedule", s.schedule,
         "Learning rate: none, step (a tenth after each third) or cosine (default none)",
         {"none", "step", "cosine"});
  number("--seed", s.seed, "Of initial weights and shuffles (default 0)");
  choice("--norm", s.norm, "batch or none: with or without batch norm (default batch)",
         {"batch", "none"});
  number("--threads", s.threads, "Threads (default: one a core); results do not depend on it")
      ->check(CLI::NonNegativeNumber);
  decided(command
              .add_option("--checkpoint-every", s.checkpoint_every,
                          "Seconds (30s) or steps (500) between checkpoints (default 30s)")
              ->type_name("N[s]"));
  command.add_option("--out", o->out, "Folder of the new run")->type_name("RUN");
  command.add_option("--resume", o->resume, "Continue the run in this folder with its settings")
      ->type_name("RUN")
      ->excludes("--out");
  command.add_flag("--force", o->force, "Overwrite a run that is in --out");
  command.add_flag("--json", o->json, "Print each epoch's metrics as a line of JSON");
  command.add_flag("--quiet", o->quiet, "Print errors only");
  return [o] { return train(*o); };
}

}  // namespace ballast::cli
