#include "cli/session.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "ballast/base/random.h"
#include "ballast/io/safetensors.h"
#include "ballast/ops/create.h"
#include "ballast/ops/loss.h"
#include "cli/commands.h"
#include "cli/measure.h"

namespace ballast::cli {
namespace {

using nlohmann::ordered_json;

ordered_json to_json(const EpochMetrics& m) {
  return {{"epoch", m.epoch},
          {"step", m.step},
          {"train_loss", m.train_loss},
          {"test_loss", m.test_loss},
          {"test_accuracy", m.test_accuracy},
          {"lr", m.lr}};
}

/// A loss that has left the numbers is null in JSON.
double number(const ordered_json& j, const char* name) {
  return j.at(name).is_null() ? std::numeric_limits<double>::quiet_NaN() : j.at(name).get<double>();
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

io::Array bytes_array(const std::vector<uint8_t>& bytes) {
  return io::Array::of<uint8_t>({static_cast<int64_t>(bytes.size())}, bytes);
}

}  // namespace

std::string json_line(const EpochMetrics& m) { return to_json(m).dump(); }

Session::Session(const Settings& settings, const data::SplitArrays& data)
    : settings_(settings),
      loader_(data::TensorDataset(data.train),
              {.batch_size = settings.batch_size, .shuffle = true}),
      test_(data.test) {
  check_last_batch();
  manual_seed(settings_.seed);
  model_ = make_model(settings_);
  optimizer_ = make_optimizer(settings_, model_->parameters());
  schedule_ = make_schedule(settings_, *optimizer_);
}

void Session::check_last_batch() const {
  const int64_t n = loader_.dataset().size(), batch = std::min(settings_.batch_size, n);
  if (batch > 1 && n % batch != 1) return;
  Shape one{1};
  for (int64_t d : settings_.sample) one.push_back(d);
  try {
    (*make_model(settings_))(zeros(one));
  } catch (const ValueError& e) {
    throw UsageError(fmt::format(
        "--batch-size {}: {} training samples leave a batch of one sample, on which {} cannot be "
        "trained ({}); choose another batch size or --norm none",
        settings_.batch_size, n, settings_.model, e.what()));
  }
}

bool Session::step() {
  if (batch_ == loader_.end())
    batch_ = loader_.begin();
  else
    ++batch_;
  const auto& [x, y] = *batch_;
  const Tensor loss = cross_entropy((*model_)(x), y);
  optimizer_->zero_grad();
  loss.backward();
  optimizer_->step();
  loss_sum_ += loss.item() * static_cast<double>(y.numel());
  ++steps_;
  if (++in_epoch_ < loader_.num_batches()) return false;
  end_epoch();
  return true;
}

void Session::end_epoch() {
  const Measures test = measure(*model_, test_);
  metrics_.push_back({++epoch_, steps_, loss_sum_ / static_cast<double>(loader_.dataset().size()),
                      test.loss, test.accuracy, optimizer_->lr()});
  if (schedule_) schedule_->step();
  batch_ = {};
  in_epoch_ = 0;
  loss_sum_ = 0;
}

void Session::save(const std::string& path) const {
  io::NamedArrays arrays;
  append_arrays(model_->state_dict(), "model.", arrays);
  append_arrays(optimizer_->state_dict(), "optimizer.", arrays);
  if (schedule_) append_arrays(schedule_->state_dict(), "schedule.", arrays);
  if (in_epoch_ > 0) append_arrays(loader_.state_dict(), "loader.", arrays);
  arrays.emplace_back("generator", bytes_array(default_generator().get_state()));
  arrays.emplace_back("position", io::Array::of<int64_t>({3}, {epoch_, in_epoch_, steps_}));
  arrays.emplace_back("loss_sum", io::Array::of<double>({1}, {loss_sum_}));
  ordered_json lines = ordered_json::array();
  for (const EpochMetrics& m : metrics_) lines.push_back(to_json(m));
  io::write_safetensors(path, arrays, {{"ballast", "checkpoint"}, {"metrics", lines.dump()}});
}

void Session::load(const std::string& path) {
  const io::SafeTensors file = io::read_safetensors(path);
  auto get = [&]<class T>(const char* name, T, int64_t size) {
    const io::Array* a = io::find(file.tensors, name);
    check<FileError>(a && a->dtype == dtype_of<T> && (size < 0 || a->numel() == size),
                     "{}: expected a checkpoint, \"{}\" is missing or of the wrong size", path,
                     name);
    const auto values = a->as<T>();
    return std::vector<T>(values.begin(), values.end());
  };
  const std::vector<int64_t> position = get("position", int64_t{}, 3);
  const double loss_sum = get("loss_sum", double{}, 1)[0];
  check<FileError>(position[0] >= 0 && position[0] <= settings_.epochs && position[1] >= 0 &&
                       position[1] < loader_.num_batches() && file.metadata.contains("metrics"),
                   "{}: expected a checkpoint of a run of {} epochs", path, settings_.epochs);
  try {
    model_->load_state_dict(state_of(file.tensors, "model."));
    optimizer_->load_state_dict(state_of(file.tensors, "optimizer."));
    if (schedule_) schedule_->load_state_dict(state_of(file.tensors, "schedule."));
    // Between epochs there is no order: the loader draws the next one when it begins.
    if (position[1] > 0) loader_.load_state_dict(state_of(file.tensors, "loader."));
    default_generator().set_state(get("generator", uint8_t{}, -1));
    metrics_.clear();
    for (const ordered_json& j : ordered_json::parse(file.metadata.at("metrics")))
      metrics_.push_back({j.at("epoch"), j.at("step"), number(j, "train_loss"),
                          number(j, "test_loss"), number(j, "test_accuracy"), number(j, "lr")});
  } catch (const nlohmann::json::exception& e) {
    fail<FileError>("{}: its metrics cannot be read: {}", path, e.what());
  } catch (const FileError&) {
    throw;
  } catch (const Error& e) {
    fail<FileError>("{}: {}", path, one_line(e.what()));
  }
  epoch_ = position[0];
  in_epoch_ = position[1];
  steps_ = position[2];
  loss_sum_ = loss_sum;
}

}  // namespace ballast::cli
