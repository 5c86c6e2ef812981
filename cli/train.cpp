// ballast train: training, checkpoints, continuing.

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>

#include "ballast/base/file.h"
#include "ballast/base/threads.h"
#include "ballast/io/state.h"
#include "ballast/ops/create.h"
#include "ballast/ops/rearrange.h"
#include "ballast/study/record.h"
#include "ballast/train/trainer.h"
#include "cli/commands.h"
#include "cli/run.h"
#include "cli/text.h"

namespace ballast::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  Settings settings;
  std::string out, resume;
  std::vector<const CLI::Option*> decided;  // options that settings.json decides when resuming
  /// Options that may be given when resuming, with what takes them over from `settings`.
  std::vector<std::pair<const CLI::Option*, std::function<void(Settings& to)>>> free;
  bool force = false, json = false, quiet = false;
};

std::atomic<bool> g_stop{false};
volatile std::sig_atomic_t g_signal = 0;

void stop_between_steps() {
  for (int signal : {SIGINT, SIGTERM})
    std::signal(signal, [](int s) {
      g_signal = s;
      g_stop = true;
      std::signal(s, SIG_DFL);  // a second one stops at once
    });
}

/// When checkpoints are due. No value depends on it.
struct Interval {
  int64_t steps = 0, seconds = 0;  // one of them is 0
};

/// Throws UsageError unless `text` is a positive whole number, with an s for seconds.
Interval parse_interval(const std::string& text) {
  const bool seconds = text.ends_with('s');
  const std::string digits = text.substr(0, text.size() - seconds);
  if (digits.empty() || digits.size() > 9 ||
      digits.find_first_not_of("0123456789") != digits.npos || std::stoll(digits) == 0)
    throw UsageError(fmt::format(
        "--checkpoint-every: expected seconds or steps such as 30s or 500, got {}", text));
  const int64_t n = std::stoll(digits);
  return seconds ? Interval{.seconds = n} : Interval{.steps = n};
}

std::unique_ptr<optim::Optimizer> make_optimizer(const Settings& s,
                                                 const std::vector<Tensor>& params) {
  if (s.optimizer == "sgd")
    return std::make_unique<optim::SGD>(
        params,
        optim::SGDOptions{.lr = s.lr, .momentum = s.momentum, .weight_decay = s.weight_decay});
  if (s.optimizer == "adam")
    return std::make_unique<optim::Adam>(
        params, optim::AdamOptions{.lr = s.lr, .weight_decay = s.weight_decay});
  check<ValueError>(s.optimizer == "adamw", "there is no optimizer \"{}\"", s.optimizer);
  return std::make_unique<optim::AdamW>(
      params, optim::AdamWOptions{.lr = s.lr, .weight_decay = s.weight_decay});
}

/// "step": a tenth after each third of the run. "cosine": to zero over the run.
std::unique_ptr<optim::LRScheduler> make_schedule(const Settings& s, optim::Optimizer& optimizer) {
  if (s.schedule == "step")
    return std::make_unique<optim::StepLR>(
        optimizer, std::max<int64_t>(1, s.epochs / 3 + (s.epochs % 3 != 0)));
  if (s.schedule == "cosine")
    return std::make_unique<optim::CosineAnnealingLR>(optimizer, s.epochs);
  check<ValueError>(s.schedule == "none", "there is no schedule \"{}\"", s.schedule);
  return nullptr;
}

/// Throws UsageError where the last batch of an epoch would be one sample and the network cannot
/// train on that: PyTorch would stop there, in the middle of the first epoch.
void check_last_batch(const Settings& s, int64_t samples) {
  const int64_t batch = std::min(s.batch_size, samples);
  if (batch > 1 && samples % batch != 1) return;
  Shape one{1};
  for (int64_t d : s.sample) one.push_back(d);
  try {
    (*make_model(s))(zeros(one));
  } catch (const ValueError& e) {
    throw UsageError(fmt::format(
        "--batch-size {}: {} training samples leave a batch of one sample, on which {} cannot be "
        "trained ({}); choose another batch size or --norm none",
        s.batch_size, samples, s.model, e.what()));
  }
}

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

/// An epoch's line of metrics.jsonl. No times: the file of a continued run equals that of one never
/// stopped. A loss that has left the numbers is null.
std::string json_line(const train::EpochMetrics& m, int64_t steps_per_epoch) {
  return nlohmann::ordered_json{{"epoch", m.epoch},
                                {"step", m.epoch * steps_per_epoch},
                                {"train_loss", m.train_loss},
                                {"train_accuracy", m.train_accuracy},
                                {"test_loss", m.test_loss},
                                {"test_accuracy", m.test_accuracy},
                                {"lr", m.lr}}
      .dump();
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

/// Shows an epoch's metrics.
void report(const train::EpochMetrics& m, const std::string& line, const Settings& s,
            const Options& o) {
  if (o.quiet) return;
  if (o.json)
    fmt::print("{}\n", line);
  else
    fmt::print("epoch {:>3}/{}  train loss {:.4f}  test loss {:.4f}  test accuracy {:.2f} %\n",
               m.epoch, s.epochs, m.train_loss, m.test_loss, 100 * m.test_accuracy);
  std::fflush(stdout);
}

/// The record that a run asks for; none, null. Layers are looked at with the first batch's worth of
/// training samples.
std::unique_ptr<study::TrainingRecord> make_record(const Settings& s, nn::Module& model,
                                                   const data::TensorDataset& samples,
                                                   const std::string& run) {
  if (s.record.empty()) return nullptr;
  std::vector<study::RecordFormat> formats;
  for (const std::string& name : s.record)
    formats.push_back(name == "tensorboard" ? study::RecordFormat::kTensorBoard
                      : name == "csv"       ? study::RecordFormat::kCsv
                                            : study::RecordFormat::kJsonLines);
  const int64_t count = std::min(s.batch_size, samples.size());
  return std::make_unique<study::TrainingRecord>(model, narrow(samples.x(), 0, 0, count), run,
                                                 formats);
}

/// Trains to the end of the run, or to a signal. Returns the exit code.
int train_on(const Settings& s, const data::SplitArrays& samples, const std::string& run,
             const Options& o) {
  manual_seed(s.seed);
  const nn::ModulePtr model = make_model(s);
  const auto optimizer = make_optimizer(s, model->parameters());
  const auto schedule = make_schedule(s, *optimizer);
  data::Loader batches(data::TensorDataset(samples.train),
                       {.batch_size = s.batch_size, .shuffle = true});
  data::Loader test = evaluation_loader(samples.test);
  if (s.plots) study::check_plots();
  const auto record = make_record(s, *model, batches.dataset(), run);
  const Interval every = parse_interval(s.checkpoint_every);
  const int64_t steps = batches.num_batches();
  std::vector<std::string> lines;  // of metrics.jsonl
  const auto add = [&](const train::EpochMetrics& m) { lines.push_back(json_line(m, steps)); };
  const train::FitOptions options{.epochs = s.epochs,
                                  .scheduler = schedule.get(),
                                  .checkpoint = checkpoint_path(run),
                                  .checkpoint_every_steps = every.steps,
                                  .checkpoint_every_seconds = static_cast<double>(every.seconds),
                                  .settings = deciding(s),
                                  .record = record.get(),
                                  .stop = &g_stop,
                                  .on_epoch =
                                      [&](const train::EpochMetrics& m) {
                                        add(m);
                                        write_atomically(metrics_path(run),
                                                         bytes_of(joined(lines)));
                                        report(m, lines.back(), s, o);
                                      },
                                  .on_restore =
                                      [&](const std::vector<train::EpochMetrics>& before) {
                                        std::ranges::for_each(before, add);
                                      }};
  const train::FitResult result = train::fit(*model, *optimizer, batches, &test, options);
  if (result.stopped) {
    fmt::print(stderr, "ballast: stopped after step {}; continue with: ballast train --resume {}\n",
               result.steps, run);
    return 128 + g_signal;
  }
  write_atomically(metrics_path(run), bytes_of(joined(lines)));
  if (s.plots) study::plot_training(result.epochs, run + "/plots");
  save_run_weights(*model, run, s);
  if (!o.quiet && !o.json) fmt::print("weights: {}\n", model_path(run));
  return kOk;
}

/// Makes the folder ready and keeps others out. An old run in it stays unless `force`.
FolderLock prepare_folder(const std::string& run, bool force) {
  std::error_code error;
  fs::create_directories(run, error);
  check<FileError>(fs::is_directory(run), "{}: the folder cannot be made: {}", run,
                   error ? error.message() : "there is a file of that name");
  FolderLock lock(run);
  if (fs::exists(run + "/settings.json") || fs::exists(model_path(run))) {
    if (!force)
      throw UsageError(fmt::format(
          "{} holds a run already; continue it with --resume {}, or overwrite it with --force", run,
          run));
    // Settings go first: without them no remains can be taken for a run.
    for (const std::string& file :
         {run + "/settings.json", checkpoint_path(run), model_path(run), metrics_path(run),
          components_path(run), run + "/record.csv", run + "/record.jsonl"})
      fs::remove(file);
    for (const char* folder : {"/tensorboard", "/plots"}) fs::remove_all(run + folder);
  }
  remove_leftovers(run);
  return lock;
}

int start(Options& o) {
  Settings& s = o.settings;
  if (o.out.empty()) throw UsageError("train needs --out, the folder of the new run, or --resume");
  models::entry(s.model);
  parse_interval(s.checkpoint_every);
  s.data = source_name(s.data);
  std::optional<data::Pca> components;
  const data::SplitArrays samples = samples_of(s, components);
  s.data_hash = hash_of(samples);
  check_last_batch(s, samples.train.size());
  const FolderLock lock = prepare_folder(o.out, o.force);
  if (components) write_components(components_path(o.out), *components, s);
  write_settings(o.out, s);
  return train_on(s, samples, o.out, o);
}

/// Throws FileError for settings that were changed in their file: with the first that differs from
/// the checkpoint's, if there is one.
[[noreturn]] void complain_of_changes(const std::string& run, const Settings& s) {
  const std::string file = settings_path(run), checkpoint = checkpoint_path(run);
  if (fs::exists(checkpoint)) {
    const auto now = deciding(s);
    for (const auto& [name, was] :
         train::settings_of(train::load_checkpoint(checkpoint), checkpoint))
      for (const auto& [n, is] : now)
        check<FileError>(n != name || is == was,
                         "{}: {} was {} when the run began, now it is {}; what decides the result "
                         "cannot change",
                         file, name, was, is);
  }
  fail<FileError>(
      "{}: its checksum does not fit its content: it was damaged or changed by hand (what may "
      "change is an option of --resume, such as --threads)",
      file);
}

/// The epochs that lie behind a checkpoint, with the one it is in; 0 where there is none.
int64_t epochs_begun(const std::string& checkpoint) {
  if (!fs::exists(checkpoint)) return 0;
  int64_t begun = 0;
  for (const auto& [name, t] : train::load_checkpoint(checkpoint))
    if (name == "metrics")
      begun += t.size(0);
    else if (name == "batch")
      begun += t.item<int64_t>() > 0;
  return begun;
}

/// The settings of a run with what the command line changes in them.
Settings continued_settings(const Options& o) {
  const std::string text = read_settings_text(o.resume);
  Settings s = parse_settings(text, settings_path(o.resume));
  if (!is_intact(text)) complain_of_changes(o.resume, s);
  const Settings old = s;
  for (const auto& [option, take_over] : o.free)
    if (option->count() > 0) take_over(s);
  s.data = source_name(s.data);
  parse_interval(s.checkpoint_every);
  if (s.epochs == old.epochs) return s;
  if (deciding(s) != deciding(old))
    throw UsageError(fmt::format(
        "--epochs cannot be changed when a run with --schedule {} is continued: the schedule "
        "depends on it",
        s.schedule));
  const int64_t begun = epochs_begun(checkpoint_path(o.resume));
  if (s.epochs < begun)
    throw UsageError(
        fmt::format("--epochs {}: {} epochs of {} have begun", s.epochs, begun, o.resume));
  return s;
}

int resume(Options& o) {
  for (const CLI::Option* option : o.decided)
    if (option->count() > 0)
      throw UsageError(
          fmt::format("{} cannot be changed when a run is continued: {}/settings.json "
                      "decides",
                      option->get_name(), o.resume));
  read_settings_text(o.resume);  // no lock in a folder that is no run's
  const FolderLock lock(o.resume);
  for (const char* folder : {"", "/plots"}) remove_leftovers(o.resume + folder);
  Settings s = continued_settings(o);
  if (s.threads > 0) set_num_threads(s.threads);
  std::optional<data::Pca> components;
  const data::SplitArrays samples = samples_of(s, components);
  check<FileError>(hash_of(samples) == s.data_hash,
                   "{}: the samples are not those that the run {} began with", s.data, o.resume);
  if (components) read_components(components_path(o.resume), s);
  const Settings old = read_settings(o.resume);
  if (s.epochs != old.epochs) fs::remove(model_path(o.resume));  // the run has not ended any more
  if (settings_text(s) != settings_text(old)) write_settings(o.resume, s);
  if (!o.quiet && !o.json) fmt::print("continuing {}\n", o.resume);
  // A run killed before its first checkpoint begins again: the seed decides all.
  try {
    return train_on(s, samples, o.resume, o);
  } catch (const FileError&) {
    throw;
  } catch (const Error& e) {  // a checkpoint of another model
    fail<FileError>("{}: {}", o.resume, e.what());
  }
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
  auto free = [&](const char* flag, auto Settings::*value, const char* help) {
    CLI::Option* option = command.add_option(flag, s.*value, help);
    o->free.emplace_back(option, [&s, value](Settings& to) { to.*value = s.*value; });
    return option;
  };
  auto choice = [&](const char* flag, std::string& value, const char* help,
                    std::vector<std::string> choices) {
    decided(command.add_option(flag, value, help)
                ->type_name("KIND")
                ->check(CLI::IsMember(std::move(choices))));
  };
  decided(command.add_option("--model", s.model, "Network: " + models::names() + " (default net)")
              ->type_name("NAME"));
  free("--data", &Settings::data,
       "digits, or a .csv, .npy or .npz file with labels (default digits)")
      ->type_name("DATA");
  number("--classes", s.classes, "Classes told apart (default 10)")->check(at_least_one);
  free("--epochs", &Settings::epochs, "Passes over the training samples (default 20)")
      ->type_name("N")
      ->check(at_least_one);
  number("--batch-size", s.batch_size, "Samples in a step (default 64)")->check(at_least_one);
  number("--lr", s.lr, "Learning rate (default 0.1)")->check(not_negative);
  number("--momentum", s.momentum, "Of SGD (default 0.9)")->check(not_negative);
  number("--weight-decay", s.weight_decay, "Pull of weights towards zero (default 0)")
      ->check(not_negative);
  choice("--optimizer", s.optimizer, "sgd, adam or adamw (default sgd)", {"sgd", "adam", "adamw"});
  choice("--schedule", s.schedule,
         "Learning rate: none, step (a tenth after each third) or cosine (default none)",
         {"none", "step", "cosine"});
  number("--seed", s.seed, "Of initial weights and shuffles (default 0)")
      ->check(whole<uint64_t, 0>);
  choice("--norm", s.norm, "batch or none: with or without batch norm (default batch)",
         {"batch", "none"});
  free("--threads", &Settings::threads,
       "Threads (default: one a core); results do not depend on it")
      ->type_name("N")
      ->check(whole<int, 0>);
  free("--checkpoint-every", &Settings::checkpoint_every,
       "Seconds (30s) or steps (500) between checkpoints (default 30s)")
      ->type_name("N[s]");
  free("--record", &Settings::record,
       "Write losses, statistics, activations and gradients as well: tensorboard, csv or jsonl "
       "(several: with commas)")
      ->type_name("FORMAT")
      ->delimiter(',')
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->check(CLI::IsMember({"tensorboard", "csv", "jsonl"}));
  o->free.emplace_back(
      command.add_flag("--plots", s.plots, "Draw curves at the end (needs gnuplot)"),
      [](Settings& to) { to.plots = true; });
  command.add_option("--out", o->out, "Folder of the new run")->type_name("RUN");
  command
      .add_option("--resume", o->resume,
                  "Continue the run in this folder with its settings; --threads, "
                  "--checkpoint-every, --record, --plots, --data and, without a schedule, --epochs "
                  "may be given anew")
      ->type_name("RUN")
      ->excludes("--out");
  command.add_flag("--force", o->force, "Overwrite a run that is in --out");
  command.add_flag("--json", o->json, "Print each epoch's metrics as a line of JSON");
  command.add_flag("--quiet", o->quiet, "Print errors only");
  return [o] { return train(*o); };
}

}  // namespace ballast::cli
