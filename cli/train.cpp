// ballast train: training, checkpoints, continuing.

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

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

constexpr uint64_t kMaxMetrics = 1 << 28;  // a million epochs' lines

struct Options {
  Settings settings;
  std::string out, resume;
  std::vector<const CLI::Option*> decided;  // options that settings.json decides when resuming
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
    return std::make_unique<optim::StepLR>(optimizer, std::max<int64_t>(1, (s.epochs + 2) / 3));
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

/// Shows an epoch's metrics, and adds their line to those of the epochs before. (Lines after a
/// checkpoint that a kill made void go.)
void report(const train::EpochMetrics& m, const std::string& line, const Settings& s,
            const std::string& run, const Options& o) {
  std::string text;
  if (fs::exists(metrics_path(run))) {
    std::istringstream old(read_file(metrics_path(run), kMaxMetrics));
    std::string kept;
    for (int64_t epoch = 1; epoch < m.epoch && std::getline(old, kept); ++epoch)
      text += kept + "\n";
  }
  write_atomically(metrics_path(run), bytes_of(text + line + "\n"));
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
  const train::FitOptions options{.epochs = s.epochs,
                                  .scheduler = schedule.get(),
                                  .checkpoint = checkpoint_path(run),
                                  .checkpoint_every_steps = every.steps,
                                  .checkpoint_every_seconds = static_cast<double>(every.seconds),
                                  .stop = &g_stop,
                                  .on_step =
                                      [&](const train::StepMetrics& m) {
                                        if (record) record->step(m);
                                      },
                                  .on_epoch =
                                      [&](const train::EpochMetrics& m) {
                                        if (record) record->epoch(m);
                                        report(m, json_line(m, steps), s, run, o);
                                      }};
  const train::FitResult result = train::fit(*model, *optimizer, batches, &test, options);
  if (result.stopped) {
    fmt::print(stderr, "ballast: stopped after step {}; continue with: ballast train --resume {}\n",
               result.steps, run);
    return 128 + g_signal;
  }
  std::string lines;
  for (const train::EpochMetrics& m : result.epochs) lines += json_line(m, steps) + "\n";
  write_atomically(metrics_path(run), bytes_of(lines));
  if (s.plots) study::plot_training(result.epochs, run + "/plots");
  save(model->state_dict(), model_path(run), {{"format", "pt"}});
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
    for (const std::string& file :
         {run + "/settings.json", checkpoint_path(run), model_path(run), metrics_path(run),
          components_path(run), run + "/record.csv", run + "/record.jsonl"})
      fs::remove(file);
    for (const char* folder : {"/tensorboard", "/plots"}) fs::remove_all(run + folder);
  }
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
  prepare_folder(o.out, o.force);
  if (components) write_components(components_path(o.out), *components);
  write_settings(o.out, s);
  return train_on(s, samples, o.out, o);
}

/// Removes what processes that were killed while they wrote into the run's folder left there
/// (FILE.tmp-PROCESS-NUMBER); a process that still lives keeps its file.
void remove_leftovers(const std::string& run) {
  static const std::regex pattern(R"(.+\.(?:jsonl?|safetensors)\.tmp-([0-9]{1,9})-[0-9]+)");
  std::vector<fs::path> leftovers;
  std::error_code ignored;  // what cannot be listed or removed is in nobody's way
  for (const fs::directory_entry& entry : fs::directory_iterator(run, ignored)) {
    const std::string name = entry.path().filename();
    std::smatch match;
    if (std::regex_match(name, match, pattern) && ::kill(std::stoi(match[1]), 0) != 0 &&
        errno == ESRCH)
      leftovers.push_back(entry.path());
  }
  for (const fs::path& path : leftovers) fs::remove(path, ignored);
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
  remove_leftovers(o.resume);
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
  number("--classes", s.classes, "Classes told apart (default 10)")->check(at_least_one);
  number("--epochs", s.epochs, "Passes over the training samples (default 20)")
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
  number("--seed", s.seed, "Of initial weights and shuffles (default 0)")->check(not_negative);
  choice("--norm", s.norm, "batch or none: with or without batch norm (default batch)",
         {"batch", "none"});
  number("--threads", s.threads, "Threads (default: one a core); results do not depend on it")
      ->check(not_negative);
  decided(command
              .add_option("--checkpoint-every", s.checkpoint_every,
                          "Seconds (30s) or steps (500) between checkpoints (default 30s)")
              ->type_name("N[s]"));
  decided(command
              .add_option(
                  "--record", s.record,
                  "Write losses, statistics, activations and gradients as well: tensorboard, csv "
                  "or jsonl (several: with commas)")
              ->type_name("FORMAT")
              ->delimiter(',')
              ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
              ->check(CLI::IsMember({"tensorboard", "csv", "jsonl"})));
  decided(command.add_flag("--plots", s.plots, "Draw curves at the end (needs gnuplot)"));
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
