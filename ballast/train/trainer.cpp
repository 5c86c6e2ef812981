#include "ballast/train/trainer.h"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "ballast/io/state.h"
#include "ballast/ops/loss.h"

namespace ballast::train {
namespace {

// Numbers of an EpochMetrics in a checkpoint: one row each.
constexpr int64_t kMetricColumns = 6;

using Json = nlohmann::json;

Tensor bytes_tensor(const std::string& text) {
  return Tensor::from(std::vector<uint8_t>(text.begin(), text.end()),
                      {static_cast<int64_t>(text.size())});
}

std::string text_of(const Tensor& bytes) {
  const std::vector<uint8_t> v = bytes.values<uint8_t>();
  return {v.begin(), v.end()};
}

using Settings = std::vector<std::pair<std::string, std::string>>;

/// The entry of a checkpoint. Throws FileError where it is missing.
Tensor entry(const StateDict& all, const std::string& name, DType dtype, const std::string& path) {
  for (const auto& [n, t] : all)
    if (n == name && t.dtype() == dtype) return t;
  fail<FileError>("{}: not a checkpoint: it has no {} of type {}", path, name, name_of(dtype));
}

/// Settings are kept as a list of names and values in JSON.
Settings parsed(const std::string& text, const std::string& path) {
  try {
    return Json::parse(text).get<Settings>();
  } catch (const Json::exception& e) {
    fail<FileError>("{}: not a checkpoint: its settings cannot be read: {}", path, e.what());
  }
}

Tensor scalar(int64_t value) { return Tensor::from(std::span<const int64_t>(&value, 1), Shape{}); }

/// Whether the loss is a mean over as many targets as labels are compared, so that accuracy makes
/// sense.
bool classifies(const Tensor& output, const Tensor& target) {
  return output.dim() == 2 && target.dim() == 1 && target.dtype() == DType::kInt64;
}

/// Sums of an epoch or an evaluation.
struct Sums {
  RunningMean loss;
  double correct = 0.0;

  void add(double value, const Tensor& output, const Tensor& target) {
    loss.add(value, static_cast<double>(target.size(0)));
    if (classifies(output, target)) correct += static_cast<double>(correct_count(output, target));
  }
  double accuracy() const { return correct / loss.weight; }
};

Tensor loss_of(const Loss& loss, const Tensor& output, const Tensor& target) {
  return loss ? loss(output, target) : cross_entropy(output, target);
}

/// One call of `fit`: what it was given, and how far it has come.
class Run {
 public:
  Run(nn::Module& model, optim::Optimizer& optimizer, data::Loader& train, data::Loader* test,
      const FitOptions& options)
      : model_(model), optimizer_(optimizer), train_(train), test_(test), options_(options) {}

  FitResult go() {
    settings_ = settings_text();
    if (!options_.checkpoint.empty() && std::filesystem::exists(options_.checkpoint)) restore();
    saved_at_ = std::chrono::steady_clock::now();
    while (static_cast<int64_t>(result_.epochs.size()) < options_.epochs && !result_.stopped)
      run_epoch();
    write_checkpoint();
    return result_;
  }

 private:
  /// An epoch, or what is left of it until a stop. Its last step and its metrics are one: no
  /// checkpoint comes between them, because the metrics tell of gradients that it does not hold.
  void run_epoch() {
    model_.train();
    for (const auto& [x, y] : train_) {
      step(x, y);
      if (batch_ == train_.num_batches()) continue;
      pause();
      if (result_.stopped) return;
    }
    finish_epoch();
    pause();
  }

  /// Notices a wish to stop, and writes a checkpoint that is due.
  void pause() {
    result_.stopped = options_.stop && options_.stop->load(std::memory_order_relaxed);
    if (!result_.stopped && checkpoint_is_due()) write_checkpoint();
  }

  void step(const Tensor& x, const Tensor& y) {
    const Tensor output = model_(x);
    const Tensor loss = loss_of(options_.loss, output, y);
    optimizer_.zero_grad();
    loss.backward();
    optimizer_.step();
    // Computed together with the gradients: looking at them costs nothing more.
    const double value = loss.item();
    sums_.add(value, output, y);
    ++batch_;
    ++result_.steps;
    const StepMetrics m{.epoch = static_cast<int64_t>(result_.epochs.size()) + 1,
                        .step = result_.steps,
                        .batch = batch_,
                        .num_batches = train_.num_batches(),
                        .loss = value};
    if (options_.record) options_.record->step(m);
    if (options_.on_step) options_.on_step(m);
  }

  void finish_epoch() {
    EpochMetrics m{.epoch = static_cast<int64_t>(result_.epochs.size()) + 1,
                   .lr = optimizer_.lr(),
                   .train_loss = sums_.loss.value(),
                   .train_accuracy = sums_.accuracy(),
                   .test_loss = std::numeric_limits<double>::quiet_NaN(),
                   .test_accuracy = std::numeric_limits<double>::quiet_NaN()};
    if (test_) {
      const Evaluation e = evaluate(model_, *test_, options_.loss);
      m.test_loss = e.loss;
      m.test_accuracy = e.accuracy;
    }
    if (options_.scheduler) options_.scheduler->step();
    sums_ = {};
    batch_ = 0;
    result_.epochs.push_back(m);
    if (options_.record) options_.record->epoch(m);
    if (options_.on_epoch) options_.on_epoch(m);
  }

  bool checkpoint_is_due() const {
    if (options_.checkpoint_every_steps > 0 && result_.steps % options_.checkpoint_every_steps == 0)
      return true;
    const std::chrono::duration<double> since = std::chrono::steady_clock::now() - saved_at_;
    return options_.checkpoint_every_seconds > 0 &&
           since.count() >= options_.checkpoint_every_seconds;
  }

  void write_checkpoint() {
    if (options_.checkpoint.empty()) return;
    // The record first: a checkpoint must not know of lines that a kill could lose.
    const StateDict record = options_.record ? options_.record->state_dict() : StateDict();
    StateDict all;
    auto append = [&](const std::string& prefix, const StateDict& state) {
      for (const auto& [name, t] : state) all.emplace_back(prefix + name, t);
    };
    append("model.", model_.state_dict());
    append("optimizer.", optimizer_.state_dict());
    if (options_.scheduler) append("scheduler.", options_.scheduler->state_dict());
    append("train_loader.", train_.state_dict());
    if (test_) append("test_loader.", test_->state_dict());
    append("record.", record);
    const std::vector<uint8_t> generator = default_generator().get_state();
    append("", {{"generator", Tensor::from(generator, {static_cast<int64_t>(generator.size())})},
                {"steps", scalar(result_.steps)},
                {"batch", scalar(batch_)},
                {"sums", Tensor::from({sums_.loss.sum, sums_.loss.weight, sums_.correct})},
                {"metrics", metrics()},
                {"settings", bytes_tensor(settings_)}});
    append("", {{"checksum", bytes_tensor(checksum_of(all))}});
    save(all, options_.checkpoint);
    saved_at_ = std::chrono::steady_clock::now();
  }

  Tensor metrics() const {
    std::vector<double> rows;
    for (const EpochMetrics& m : result_.epochs)
      for (double v : {static_cast<double>(m.epoch), m.lr, m.train_loss, m.train_accuracy,
                       m.test_loss, m.test_accuracy})
        rows.push_back(v);
    return Tensor::from(rows, {static_cast<int64_t>(result_.epochs.size()), kMetricColumns});
  }

  void restore() {
    const StateDict all = load_checkpoint(options_.checkpoint);
    check_settings(settings_of(all, options_.checkpoint));
    auto part = [&](const std::string& prefix) {
      StateDict out;
      for (const auto& [name, t] : all)
        if (name.starts_with(prefix)) out.emplace_back(name.substr(prefix.size()), t);
      return out;
    };
    auto one = [&](const std::string& name, DType dtype) {
      return entry(all, name, dtype, options_.checkpoint);
    };
    const auto steps = one("steps", DType::kInt64).item<int64_t>();
    const auto batch = one("batch", DType::kInt64).item<int64_t>();
    const auto generator = one("generator", DType::kUint8).values<uint8_t>();
    const auto sums = one("sums", DType::kFloat64).values<double>();
    const Tensor rows = one("metrics", DType::kFloat64);
    check<FileError>(sums.size() == 3 && rows.dim() == 2 && rows.size(1) == kMetricColumns,
                     "{}: not a checkpoint: sums or metrics have another size",
                     options_.checkpoint);
    const int64_t each = train_.num_batches();
    check<FileError>(steps / each + (steps % each != 0) <= options_.epochs,
                     "{}: {} steps of {} an epoch were made, more than {} epochs have",
                     options_.checkpoint, steps, each, options_.epochs);
    model_.load_state_dict(part("model."));
    optimizer_.load_state_dict(part("optimizer."));
    if (options_.scheduler) options_.scheduler->load_state_dict(part("scheduler."));
    train_.load_state_dict(part("train_loader."));
    if (test_) test_->load_state_dict(part("test_loader."));
    default_generator().set_state(generator);
    result_.steps = steps;
    batch_ = batch;
    sums_ = {{sums[0], sums[1]}, sums[2]};
    const auto v = rows.data<double>();
    for (int64_t i = 0; i < rows.size(0); ++i) {
      const double* r = v.data() + i * kMetricColumns;
      result_.epochs.push_back({static_cast<int64_t>(r[0]), r[1], r[2], r[3], r[4], r[5]});
    }
    if (options_.record) options_.record->load_state_dict(part("record."));
    if (options_.on_restore) options_.on_restore(result_.epochs);
  }

  /// What decides the result, as lists of name and value.
  std::string settings_text() const {
    Json out = Json::array();
    const auto add = [&](const std::string& name, const std::string& value) {
      out.push_back({name, value});
    };
    for (const auto& [name, value] : options_.settings) add(name, value);
    add("optimizer's kind", optimizer_.kind());
    for (const auto& [name, t] : optimizer_.state_dict())
      if (name.starts_with("param_groups."))
        add("optimizer's " + name, fmt::format("{}", t.item<double>()));
    add("scheduler", options_.scheduler ? options_.scheduler->str() : "none");
    for (const auto& [name, loader] :
         {std::pair<std::string, const data::Loader*>{"train", &train_}, {"test", test_}}) {
      if (!loader) continue;
      const data::LoaderOptions& o = loader->options();
      add(name + " samples", fmt::format("{}", loader->dataset().size()));
      add(name + " batch_size", fmt::format("{}", o.batch_size));
      add(name + " shuffle", fmt::format("{}", o.shuffle));
      add(name + " drop_last", fmt::format("{}", o.drop_last));
    }
    return out.dump(-1, ' ', true, Json::error_handler_t::replace);
  }

  /// Throws FileError with the first setting in which the checkpoint's differ from the present
  /// ones.
  void check_settings(const Settings& old) const {
    const Settings now = parsed(settings_, options_.checkpoint);
    const auto value_in = [](const Settings& list, const std::string& name) {
      for (const auto& [n, value] : list)
        if (n == name) return value;
      return std::string("nothing");
    };
    for (const Settings* list : {&now, &old})
      for (const auto& entry : *list) {
        const std::string &name = entry.first, was = value_in(old, name), is = value_in(now, name);
        check<FileError>(was == is,
                         "{}: cannot be continued with another setting: {} was {}, now it is {}",
                         options_.checkpoint, name, was, is);
      }
  }

  nn::Module& model_;
  optim::Optimizer& optimizer_;
  data::Loader& train_;
  data::Loader* test_;
  const FitOptions& options_;
  FitResult result_;
  std::string settings_;
  Sums sums_;          // of the present epoch
  int64_t batch_ = 0;  // batches of the present epoch behind us
  std::chrono::steady_clock::time_point saved_at_;
};

std::atomic<bool> g_stop{false};
static_assert(std::atomic<bool>::is_always_lock_free, "set from a signal handler");

void on_signal(int signal) {
  if (g_stop.exchange(true)) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
}

}  // namespace

FitResult fit(nn::Module& model, optim::Optimizer& optimizer, data::Loader& train,
              data::Loader* test, const FitOptions& options) {
  return Run(model, optimizer, train, test, options).go();
}

StateDict load_checkpoint(const std::string& path) {
  StateDict all = load(path);
  const std::string checksum = text_of(entry(all, "checksum", DType::kUint8, path));
  std::erase_if(all, [](const auto& e) { return e.first == "checksum"; });
  check<FileError>(checksum_of(all) == checksum,
                   "{}: damaged: its checksum does not fit its content", path);
  return all;
}

Settings settings_of(const StateDict& checkpoint, const std::string& path) {
  return parsed(text_of(entry(checkpoint, "settings", DType::kUint8, path)), path);
}

Evaluation evaluate(nn::Module& model, data::Loader& loader, const Loss& loss) {
  const NoGrad off;
  const bool training = model.training();
  model.eval();
  Sums sums;
  for (const auto& [x, y] : loader) {
    const Tensor output = model(x);
    const Tensor value = loss_of(loss, output, y);
    sums.add(value.item(), output, y);
  }
  if (training) model.train();
  return {sums.loss.value(), sums.accuracy()};
}

StopOnSignal::StopOnSignal() {
  g_stop = false;
  previous_int_ = std::signal(SIGINT, on_signal);
  previous_term_ = std::signal(SIGTERM, on_signal);
}

StopOnSignal::~StopOnSignal() {
  std::signal(SIGINT, previous_int_);
  std::signal(SIGTERM, previous_term_);
}

const std::atomic<bool>& StopOnSignal::flag() const { return g_stop; }

}  // namespace ballast::train
