#include "ballast/train/trainer.h"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <limits>

#include "ballast/io/state.h"
#include "ballast/ops/loss.h"

namespace ballast::train {
namespace {

// Numbers of an EpochMetrics in a checkpoint: one row each.
constexpr int64_t kMetricColumns = 6;

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
    if (!options_.checkpoint.empty() && std::filesystem::exists(options_.checkpoint)) restore();
    saved_at_ = std::chrono::steady_clock::now();
    while (static_cast<int64_t>(result_.epochs.size()) < options_.epochs && !result_.stopped)
      if (run_epoch()) finish_epoch();
    write_checkpoint();
    return result_;
  }

 private:
  /// False where it was stopped.
  bool run_epoch() {
    model_.train();
    for (const auto& [x, y] : train_) {
      step(x, y);
      if (options_.stop && options_.stop->load(std::memory_order_relaxed)) {
        result_.stopped = true;
        return false;
      }
      if (checkpoint_is_due()) write_checkpoint();
    }
    return true;
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
    if (options_.on_step)
      options_.on_step({.epoch = static_cast<int64_t>(result_.epochs.size()) + 1,
                        .step = result_.steps,
                        .batch = batch_,
                        .num_batches = train_.num_batches(),
                        .loss = value});
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
    StateDict all;
    auto append = [&](const std::string& prefix, const StateDict& state) {
      for (const auto& [name, t] : state) all.emplace_back(prefix + name, t);
    };
    append("model.", model_.state_dict());
    append("optimizer.", optimizer_.state_dict());
    if (options_.scheduler) append("scheduler.", options_.scheduler->state_dict());
    append("train_loader.", train_.state_dict());
    if (test_) append("test_loader.", test_->state_dict());
    const std::vector<uint8_t> generator = default_generator().get_state();
    append("", {{"generator", Tensor::from(generator, {static_cast<int64_t>(generator.size())})},
                {"steps", scalar(result_.steps)},
                {"batch", scalar(batch_)},
                {"sums", Tensor::from({sums_.loss.sum, sums_.loss.weight, sums_.correct})},
                {"metrics", metrics()}});
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
    const StateDict all = load(options_.checkpoint);
    auto part = [&](const std::string& prefix) {
      StateDict out;
      for (const auto& [name, t] : all)
        if (name.starts_with(prefix)) out.emplace_back(name.substr(prefix.size()), t);
      return out;
    };
    auto one = [&](const std::string& name, DType dtype) {
      for (const auto& [n, t] : all)
        if (n == name && t.dtype() == dtype) return t;
      fail<FileError>("{}: not a checkpoint: it has no {} of type {}", options_.checkpoint, name,
                      name_of(dtype));
    };
    const auto steps = one("steps", DType::kInt64).item<int64_t>();
    const auto batch = one("batch", DType::kInt64).item<int64_t>();
    const auto generator = one("generator", DType::kUint8).values<uint8_t>();
    const auto sums = one("sums", DType::kFloat64).values<double>();
    const Tensor rows = one("metrics", DType::kFloat64);
    check<FileError>(sums.size() == 3 && rows.dim() == 2 && rows.size(1) == kMetricColumns,
                     "{}: not a checkpoint: sums or metrics have another size",
                     options_.checkpoint);
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
  }

  nn::Module& model_;
  optim::Optimizer& optimizer_;
  data::Loader& train_;
  data::Loader* test_;
  const FitOptions& options_;
  FitResult result_;
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
