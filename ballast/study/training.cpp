#include "ballast/study/training.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "ballast/nn/init.h"
#include "ballast/ops/loss.h"
#include "ballast/train/optim.h"

namespace ballast::study {
namespace {

constexpr int64_t kEvaluationBatch = 512;

/// Rows (or columns, where there are more rows) that are orthonormal: a normal matrix, by Gram and
/// Schmidt's method, twice (Saxe, McClelland & Ganguli 2014, arXiv:1312.6120).
void orthogonal(const Tensor& weight) {
  Tensor w = weight;
  nn::init::normal_(w);
  const int64_t rows = w.size(0), columns = w.numel() / rows;
  const auto v = w.mutable_data<float>();
  const bool tall = rows > columns;
  const int64_t n = tall ? columns : rows, length = tall ? rows : columns;
  const auto at = [&](int64_t vector, int64_t i) -> float& {
    return tall ? v[i * columns + vector] : v[vector * columns + i];
  };
  for (int64_t a = 0; a < n; ++a) {
    for (int pass = 0; pass < 2; ++pass)
      for (int64_t b = 0; b < a; ++b) {
        double dot = 0.0;
        for (int64_t i = 0; i < length; ++i) dot += double{at(a, i)} * at(b, i);
        for (int64_t i = 0; i < length; ++i) at(a, i) -= static_cast<float>(dot * at(b, i));
      }
    double squares = 0.0;
    for (int64_t i = 0; i < length; ++i) squares += double{at(a, i)} * at(a, i);
    for (int64_t i = 0; i < length; ++i) at(a, i) /= static_cast<float>(std::sqrt(squares));
  }
}

/// 1 for each row whose largest logit is its label's.
void append_correct(const Tensor& logits, const Tensor& labels, std::vector<double>& to) {
  const Tensor best = logits.argmax(1);
  const auto guess = best.data<int64_t>(), label = labels.data<int64_t>();
  for (size_t i = 0; i < guess.size(); ++i) to.push_back(guess[i] == label[i] ? 1.0 : 0.0);
}

Answers answers_in_batches(nn::Module& network, const data::TensorDataset& samples, int64_t batch) {
  const NoGrad off;
  Answers out;
  double weight = 0.0;
  for (int64_t from = 0; from < samples.size(); from += batch) {
    std::vector<int64_t> rows;
    for (int64_t i = from; i < std::min(samples.size(), from + batch); ++i) rows.push_back(i);
    // A batch of one has no statistics of its own.
    if (rows.size() == 1 && network.training()) rows.push_back(0);
    const data::Batch b = samples.rows(rows);
    const Tensor logits = network(b.x);
    out.loss += cross_entropy(logits, b.y).item() * static_cast<double>(rows.size());
    weight += static_cast<double>(rows.size());
    append_correct(logits, b.y, out.correct);
    out.correct.resize(std::min<size_t>(out.correct.size(), samples.size()));
  }
  out.loss /= weight;
  return out;
}

/// The first `count` samples (0: all), some multiplied by a factor.
data::ArrayDataset training_samples(const Task& task, const Training& t) {
  data::ArrayDataset d = task.train;
  if (t.samples > 0 && t.samples < d.size()) {
    std::vector<int64_t> rows;
    for (int64_t i = 0; i < t.samples; ++i) rows.push_back(i);
    d = data::select(d, rows);
  }
  if (t.outliers <= 0.0) return d;
  const std::vector<float> values(d.inputs.as<float>().begin(), d.inputs.as<float>().end());
  d.inputs = io::Array::of(d.inputs.shape, values);
  const int64_t stride = d.inputs.numel() / d.size();
  const auto every = static_cast<int64_t>(std::lround(1.0 / t.outliers));
  for (int64_t i = 0; i < d.size(); i += every)
    for (float& v : d.inputs.as<float>().subspan(i * stride, stride))
      v *= static_cast<float>(t.outlier_factor);
  return d;
}

}  // namespace

std::string Init::str() const {
  switch (kind) {
    case kZeros:
      return "zeros";
    case kNormal:
      return fmt::format("normal {}", std);
    case kOrthogonal:
      return "orthogonal";
    case kKaiming:
      return "kaiming";
    default:
      return "default";
  }
}

void Init::apply(nn::Module& network) const {
  if (kind == kDefault) return;
  for (auto& [name, t] : network.named_parameters()) {
    if (t.dim() < 2) {
      if (name.ends_with("bias")) nn::init::zeros_(t);
      continue;
    }
    if (kind == kZeros) nn::init::zeros_(t);
    if (kind == kNormal) nn::init::normal_(t, 0.0, std);
    if (kind == kOrthogonal) orthogonal(t);
    if (kind == kKaiming)
      nn::init::kaiming_normal_(t, {.nonlinearity = nn::init::Nonlinearity::kRelu});
  }
}

std::string Training::str() const {
  std::string text = fmt::format("{}; lr={} momentum={} batch={} epochs={}", recipe.str(), lr,
                                 momentum, batch, epochs);
  if (weight_decay > 0.0) text += fmt::format(" decay={}", weight_decay);
  if (samples > 0) text += fmt::format(" samples={}", samples);
  if (scale != 1.0 || shift != 0.0) text += fmt::format(" scale={} shift={}", scale, shift);
  if (outliers > 0.0) text += fmt::format(" outliers={}x{}", outliers, outlier_factor);
  if (init.kind != Init::kDefault) text += " init=" + init.str();
  if (probe.measure) text += "; " + probe.name;
  return text;
}

double Answers::accuracy() const {
  double sum = 0.0;
  for (const double c : correct) sum += c;
  return sum / static_cast<double>(correct.size());
}

Answers answers(nn::Module& network, const data::TensorDataset& samples) {
  const bool training = network.training();
  network.eval();
  Answers out = answers_in_batches(network, samples, kEvaluationBatch);
  network.train(training);
  return out;
}

Answers answers_by_batch(nn::Module& network, const data::TensorDataset& samples, int64_t batch) {
  const bool training = network.training();
  std::vector<std::pair<Tensor, std::vector<float>>> statistics;
  for (const auto& [name, t] : network.named_buffers())
    if (t.dtype() == DType::kFloat32) statistics.emplace_back(t, t.values<float>());
  network.train();
  Answers out = answers_in_batches(network, samples, batch);
  for (auto& [t, values] : statistics) t.copy_(Tensor::from(values, t.shape()));
  network.train(training);
  return out;
}

data::TensorDataset scaled(const data::ArrayDataset& d, double scale, double shift) {
  if (scale == 1.0 && shift == 0.0) return data::TensorDataset(d);
  std::vector<float> values(d.inputs.as<float>().begin(), d.inputs.as<float>().end());
  for (float& v : values) v = static_cast<float>(v * scale + shift);
  return data::TensorDataset({io::Array::of(d.inputs.shape, values), d.labels});
}

double epochs_to(const std::vector<double>& accuracy, double target) {
  double before = 0.0;
  for (size_t i = 0; i < accuracy.size(); ++i) {
    if (accuracy[i] >= target)
      return static_cast<double>(i) + (target - before) / (accuracy[i] - before);
    before = accuracy[i];
  }
  return static_cast<double>(accuracy.size());
}

bool reached(const std::vector<double>& accuracy, double target) {
  return std::any_of(accuracy.begin(), accuracy.end(), [&](double a) { return a >= target; });
}

namespace {

/// One training under way.
class Run {
 public:
  Run(const Training& t, const Task& task, const std::function<void()>& check_stop)
      : t_(t),
        task_(task),
        check_stop_(check_stop),
        network_(task.build(t.recipe)),
        train_(scaled(training_samples(task, t), t.scale, t.shift)),
        test_(scaled(task.test, t.scale, t.shift)) {
    t.init.apply(*network_);
  }

  Numbers go() {
    optim::SGD sgd(network_->parameters(),
                   {.lr = t_.lr, .momentum = t_.momentum, .weight_decay = t_.weight_decay});
    data::Loader loader(train_, {.batch_size = std::min(t_.batch, train_.size()),
                                 .shuffle = true,
                                 .drop_last = true});  // one sample has no statistics
    Answers tested;
    for (int64_t epoch = 0; epoch < t_.epochs; ++epoch) {
      if (!diverged_) run_epoch(loader, sgd);
      numbers_["train_loss"].push_back(loss_.value());
      numbers_["train_accuracy"].push_back(accuracy_.value());
      if (!diverged_ || epoch == 0 || !tested_after_) {
        tested = answers(*network_, test_);
        tested_after_ = diverged_;
      }
      numbers_["test_accuracy"].push_back(tested.accuracy());
    }
    finish(tested);
    return std::move(numbers_);
  }

 private:
  void run_epoch(data::Loader& loader, optim::SGD& sgd) {
    loss_ = accuracy_ = {};
    const auto start = std::chrono::steady_clock::now();
    network_->train();
    for (const auto& [x, y] : loader) {
      check_stop_();
      const Tensor logits = (*network_)(x);
      const Tensor loss = cross_entropy(logits, y);
      sgd.zero_grad();
      loss.backward();
      sgd.step();
      const auto weight = static_cast<double>(y.size(0));
      loss_.add(loss.item(), weight);
      accuracy_.add(train::accuracy(logits, y), weight);
      if (!std::isfinite(loss.item())) {
        diverged_ = true;
        break;
      }
    }
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  void finish(Answers& tested) {
    const Answers fit = answers(*network_, train_);
    numbers_["fit_accuracy"] = {fit.accuracy()};
    numbers_["fit_loss"] = {fit.loss};
    numbers_["test_loss"] = {tested.loss};
    numbers_["correct"] = std::move(tested.correct);
    numbers_["batch_correct"] = answers_by_batch(*network_, test_, t_.batch).correct;
    numbers_["diverged"] = {diverged_ ? 1.0 : 0.0};
    numbers_["seconds"] = {seconds_};
    if (t_.probe.measure) t_.probe.measure(*network_, task_, numbers_);
  }

  const Training& t_;
  const Task& task_;
  const std::function<void()>& check_stop_;
  nn::ModulePtr network_;
  data::TensorDataset train_, test_;
  Numbers numbers_;
  train::RunningMean loss_, accuracy_;
  double seconds_ = 0.0;
  bool diverged_ = false, tested_after_ = false;
};

}  // namespace

Numbers Training::run(const Task& task, const std::function<void()>& check_stop) const {
  return Run(*this, task, check_stop).go();
}

}  // namespace ballast::study
