#include "ballast/study/record.h"

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "ballast/base/file.h"
#include "ballast/io/events.h"
#include "ballast/study/diagnose_pass.h"
#include "ballast/study/gnuplot.h"

namespace ballast::study {
namespace {

double norm_of(const Tensor& t) {
  double squares = 0.0;
  for (const double v : doubles(t)) squares += v * v;
  return std::sqrt(squares);
}

}  // namespace

/// Where numbers go.
class TrainingRecord::Sink {
 public:
  virtual ~Sink() = default;
  /// Begins anew with this step, unless it was begun or continued.
  virtual void begin(int64_t step) = 0;
  virtual void scalar(const std::string& tag, double value, int64_t step) = 0;
  virtual void values(const std::string& tag, const std::vector<double>& v, int64_t step) = 0;
  virtual void flush() = 0;
  /// Forces what was written to the disk, and appends what `continue_from` needs.
  virtual void save(StateDict& to) = 0;
  virtual void continue_from(const StateDict& state) = 0;
};

class TrainingRecord::EventSink : public Sink {
 public:
  explicit EventSink(std::string folder) : folder_(std::move(folder)) {}
  void begin(int64_t step) override {
    if (writer_) return;
    std::error_code none;
    const bool others = !std::filesystem::is_empty(folder_, none) && !none;
    writer_.emplace(folder_);
    if (others) writer_->restart(step);
  }
  void scalar(const std::string& tag, double value, int64_t step) override {
    writer_->scalar(tag, value, step);
  }
  void values(const std::string& tag, const std::vector<double>& v, int64_t step) override {
    writer_->histogram(tag, io::histogram_of(v), step);
  }
  void flush() override { writer_->flush(); }
  void save(StateDict&) override {
    if (writer_) writer_->sync();
  }
  void continue_from(const StateDict&) override {}

 private:
  std::string folder_;
  std::optional<io::EventWriter> writer_;
};

class TrainingRecord::LineSink : public Sink {
 public:
  LineSink(const std::string& folder, const std::string& name, bool json)
      : path_(folder + "/" + name), name_(name), json_(json) {}
  void begin(int64_t) override {
    if (file_) return;
    file_.emplace(path_);
    if (!json_) put("step,tag,value");
  }
  void scalar(const std::string& tag, double value, int64_t step) override {
    put(json_ ? nlohmann::ordered_json{{"step", step}, {"tag", tag}, {"value", value}}.dump()
              : fmt::format("{},{},{}", step, tag, value));
  }
  void values(const std::string& tag, const std::vector<double>& v, int64_t step) override {
    double sum = 0.0, squares = 0.0;
    for (const double x : v) sum += x;
    const double mean = sum / static_cast<double>(v.size());
    for (const double x : v) squares += (x - mean) * (x - mean);
    scalar(tag + "/mean", mean, step);
    scalar(tag + "/deviation", std::sqrt(squares / static_cast<double>(v.size())), step);
  }
  void flush() override { file_->flush(); }
  void save(StateDict& to) override {
    if (!file_) return;
    file_->sync();
    const FileMark end = file_->mark();
    to.emplace_back(
        name_, Tensor::from({static_cast<int64_t>(end.bytes), static_cast<int64_t>(end.checksum)}));
  }
  void continue_from(const StateDict& state) override {
    for (const auto& [name, t] : state)
      if (name == name_ && t.dtype() == DType::kInt64 && t.numel() == 2) {
        const std::vector<int64_t> v = t.values<int64_t>();
        file_.emplace(path_, FileMark{static_cast<uint64_t>(v[0]), static_cast<uint64_t>(v[1])});
      }
  }

 private:
  void put(const std::string& line) { file_->write((line + "\n").data(), line.size() + 1); }

  std::string path_, name_;
  bool json_;
  std::optional<AppendFile> file_;
};

/// Looks at the layers of one run.
class TrainingRecord::LayerProbe : public Pass {
 public:
  LayerProbe(TrainingRecord& record, const Subject& subject)
      : Pass(subject, Use::kBatch), record_(record), norms_(subject.norms) {}
  Tensor norm(size_t i, const Tensor& x) override {
    Tensor y = Pass::norm(i, x);
    record_.values("before_norm/" + norms_[i].name, x);
    record_.values("after_norm/" + norms_[i].name, y);
    return y;
  }

 private:
  TrainingRecord& record_;
  const std::vector<NormLayer>& norms_;
};

TrainingRecord::TrainingRecord(nn::Module& model, const Tensor& batch, const std::string& folder,
                               const std::vector<RecordFormat>& formats)
    : model_(model), batch_(batch), subject_(subject_of(model)) {
  std::filesystem::create_directories(folder);
  for (const RecordFormat f : formats) {
    if (f == RecordFormat::kTensorBoard)
      sinks_.push_back(std::make_unique<EventSink>(folder + "/tensorboard"));
    else
      sinks_.push_back(std::make_unique<LineSink>(
          folder, f == RecordFormat::kCsv ? "record.csv" : "record.jsonl",
          f == RecordFormat::kJsonLines));
  }
}

TrainingRecord::~TrainingRecord() = default;

void TrainingRecord::scalar(const std::string& tag, double value) {
  for (const auto& sink : sinks_) sink->scalar(tag, value, step_);
}

void TrainingRecord::values(const std::string& tag, const Tensor& t) {
  const std::vector<double> v = doubles(t);
  for (const auto& sink : sinks_) sink->values(tag, v, step_);
}

void TrainingRecord::step(const train::StepMetrics& m) {
  for (const auto& sink : sinks_) sink->begin(m.step);
  step_ = m.step;
  scalar("step/loss", m.loss);
}

void TrainingRecord::epoch(const train::EpochMetrics& m) {
  if (step_ == 0) return;
  scalar("loss/train", m.train_loss);
  scalar("accuracy/train", m.train_accuracy);
  if (!std::isnan(m.test_loss)) scalar("loss/test", m.test_loss);
  if (!std::isnan(m.test_accuracy)) scalar("accuracy/test", m.test_accuracy);
  scalar("learning_rate", m.lr);
  for (const auto& [name, p] : model_.named_parameters())
    if (p.grad().defined()) scalar("gradient_norm/" + name, norm_of(p.grad()));
  for (const NormLayer& l : subject_.norms) {
    if (!l.running_mean.defined()) continue;
    values("running_mean/" + l.name, l.running_mean);
    values("running_var/" + l.name, l.running_var);
  }
  if (!subject_.norms.empty()) {
    const NoGrad off;
    LayerProbe(*this, subject_)(batch_).eval();
  }
  for (const auto& sink : sinks_) sink->flush();
}

StateDict TrainingRecord::state_dict() {
  StateDict out;
  for (const auto& sink : sinks_) sink->save(out);
  return out;
}

void TrainingRecord::load_state_dict(const StateDict& state) {
  for (const auto& sink : sinks_) sink->continue_from(state);
}

namespace {

Figure curve(const std::string& name, const std::string& caption, const Axis& y,
             std::vector<Series> lines) {
  return {name, caption, Axis{.label = "epoch"}, y, std::move(lines)};
}

}  // namespace

void plot_training(const std::vector<train::EpochMetrics>& epochs, const std::string& folder) {
  Series train_loss{.name = "training", .colour = 1, .x = {}, .y = {}},
      test_loss{.name = "test", .x = {}, .y = {}},
      train_accuracy{.name = "training", .colour = 1, .x = {}, .y = {}},
      test_accuracy{.name = "test", .x = {}, .y = {}},
      rate{.name = "learning rate", .x = {}, .y = {}};
  for (const train::EpochMetrics& m : epochs) {
    const auto at = static_cast<double>(m.epoch);
    const auto add = [&](Series& s, double v) {
      s.x.push_back(at);
      s.y.push_back(v);
    };
    add(train_loss, m.train_loss);
    add(test_loss, m.test_loss);
    add(train_accuracy, 100 * m.train_accuracy);
    add(test_accuracy, 100 * m.test_accuracy);
    add(rate, m.lr);
  }
  std::filesystem::create_directories(folder);
  for (const Figure& f :
       {curve("loss", "Loss over the epochs", {.label = "loss (nats)"}, {train_loss, test_loss}),
        curve("accuracy", "Accuracy over the epochs", {.label = "accuracy (%)"},
              {train_accuracy, test_accuracy}),
        curve("learning_rate", "Learning rate over the epochs", {.label = "learning rate"},
              {rate})})
    write_atomically(folder + "/" + f.name + ".svg", bytes_of(standalone(draw(f))));
}

void check_plots() {
  draw(curve("check", "", {.label = "y"}, {Series{.name = "y", .x = {0, 1}, .y = {0, 1}}}));
}

}  // namespace ballast::study
