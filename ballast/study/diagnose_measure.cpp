// The experiments of diagnosis.
#include <algorithm>
#include <cmath>
#include <set>

#include "ballast/grad/grad.h"
#include "ballast/graph/eval.h"
#include "ballast/ops/loss.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/reduce.h"
#include "ballast/study/diagnose_pass.h"

namespace ballast::study {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t kMaxBatches = 64;         // of tiny batches; the errors count how many there were
constexpr int64_t kRegrouped = 32;          // batches of one sample become batches of so many
constexpr int64_t kSingles = 128;           // batches of one sample
constexpr int64_t kGapBatches = 4;          // for the run per layer
constexpr double kWorthARepetition = 0.15;  // distances below have no cause worth looking for
constexpr double kEpsilons[] = {1e-3, 1e-4, 1e-5, 1e-6, 1e-8};  // defaults of other libraries

/// The samples, grouped into batches of one size.
std::vector<data::Batch> regrouped(std::span<const data::Batch> batches, int64_t size,
                                   int64_t max_samples) {
  std::vector<Tensor> xs, ys;
  int64_t have = 0;
  for (const data::Batch& b : batches) {
    if (have >= max_samples) break;
    xs.push_back(b.x);
    if (b.y.defined()) ys.push_back(b.y);
    have += b.x.size(0);
  }
  const Tensor x = cat(xs, 0), y = ys.size() == xs.size() ? cat(ys, 0) : Tensor();
  std::vector<data::Batch> out;
  size = std::min(size, have);
  for (int64_t i = 0; i + size <= have && static_cast<int64_t>(out.size()) < kMaxBatches; i += size)
    out.push_back({narrow(x, 0, i, size).eval(), y.defined() ? narrow(y, 0, i, size).eval() : y});
  return out;
}

Tensor default_loss(const Tensor& output, const Tensor& target) {
  const bool classifies =
      target.defined() && output.dim() == 2 && target.dim() == 1 && target.dtype() == DType::kInt64;
  return classifies ? cross_entropy(output, target) : Tensor();
}

/// One call of `measure`.
class Experiments {
 public:
  Experiments(const Subject& subject, std::span<const data::Batch> given,
              const DiagnoseOptions& options)
      : subject_(subject), loss_(options.loss ? options.loss : default_loss) {
    int64_t samples = 0;
    for (const data::Batch& b : given) {
      check<ValueError>(b.x.defined() && b.x.dim() >= 1 && b.x.size(0) > 0,
                        "diagnose: batch {} has no samples", &b - given.data());
      samples += b.x.size(0);
    }
    check<ValueError>(samples > 0, "diagnose: there are no samples to look at");
    m_.loader_batch = given.front().x.size(0);
    m_.last_batch = given.back().x.size(0);
    const int64_t size = options.batch_size > 0 ? options.batch_size : m_.loader_batch;
    m_.batch_size = std::min(size, samples);
    m_.batch_size_known = options.batch_size > 0;
    // Batches of one sample cannot say how samples differ.
    grouped_ = std::min(samples, m_.batch_size == 1 ? kRegrouped : m_.batch_size);
    batches_ = regrouped(given, grouped_, std::max(options.max_samples, grouped_));
    m_.num_batches = static_cast<int64_t>(batches_.size());
    m_.samples = m_.num_batches * grouped_;
    m_.steps = options.steps;
  }

  Measurements go() {
    const Loss gradients_of = [this](const Tensor& y, const Tensor& t) { return scalar_of(y, t); };
    m_.non_finite = non_finite(subject_, batches_, gradients_of);
    if (m_.non_finite.where != NonFinite::Where::kNowhere) return std::move(m_);
    const NoGrad off;
    observe();
    gaps();
    recalibrated();
    dependence();
    gradients();
    replays();
    return std::move(m_);
  }

 private:
  struct Outcome {
    std::vector<double> output;
    double loss = 0.0;
  };

  /// Output and mean loss over the first batches.
  Outcome run(Pass& pass, int64_t count) const {
    Outcome out;
    for (int64_t i = 0; i < count; ++i) {
      const Tensor y = pass(batches_[i].x);
      const std::vector<double> values = doubles(y);
      out.output.insert(out.output.end(), values.begin(), values.end());
      const Tensor loss = loss_(y, batches_[i].y);
      out.loss += (loss.defined() ? loss.item() : kNaN) / static_cast<double>(count);
    }
    return out;
  }
  Outcome run(Pass&& pass, int64_t count) const { return run(pass, count); }
  double moved_from_evaluation(const Outcome& o) const {
    const size_t n = o.output.size();
    const std::vector<double> reference(evaluation_.output.begin(), evaluation_.output.begin() + n);
    return moved(
        reference, o.output,
        m_.samples * static_cast<int64_t>(n) / static_cast<int64_t>(evaluation_.output.size()));
  }
  Tensor scalar_of(const Tensor& y, const Tensor& target) const {
    const Tensor loss = loss_(y, target);
    return loss.defined() ? loss : mean(y * y);
  }
  std::vector<InputSums> no_sums() const {
    std::vector<InputSums> out;
    for (const NormLayer& l : subject_.norms) out.emplace_back(l.channels);
    return out;
  }
  /// The position of a batch-norm layer among those measured, which are those that were called.
  LayerMeasurement& measured(size_t norm) {
    const auto at = std::find(order_.begin(), order_.end(), norm);
    return m_.layers[at - order_.begin()];
  }

  void observe() {
    std::vector<InputSums> batch = no_sums(), evaluation = no_sums();
    Pass training(subject_, Use::kBatch), evaluated(subject_, Use::kRunning);
    training.sums = &batch;
    training.order = &order_;
    evaluated.sums = &evaluation;
    training_ = run(training, m_.num_batches);
    evaluation_ = run(evaluated, m_.num_batches);
    m_.loss_batch = training_.loss;
    m_.loss_evaluation = evaluation_.loss;
    m_.output_batch = moved_from_evaluation(training_);
    for (size_t i : order_) m_.layers.push_back(measurement_of(i, batch[i], evaluation[i]));
  }

  LayerMeasurement measurement_of(size_t i, const InputSums& batch,
                                  const InputSums& evaluation) const {
    const NormLayer& l = subject_.norms[i];
    LayerMeasurement out;
    out.name = l.name;
    out.eps = l.eps;
    out.momentum = l.momentum;
    out.training = l.training;
    out.tracks = l.running_mean.defined();
    if (l.num_batches_tracked.defined())
      out.batches_tracked = l.num_batches_tracked.item<int64_t>();
    out.weight = per_channel(l.weight, l.channels, 1.0);
    out.bias = per_channel(l.bias, l.channels, 0.0);
    if (out.tracks) out.running = {doubles(l.running_mean), doubles(l.running_var)};
    out.batch = batch.of_batches();
    out.evaluation = evaluation.of_all();
    out.error = batch.errors(m_.batch_size);
    out.within = batch.within();
    out.between = batch.between();
    out.values_per_sample = batch.values_per_sample();
    out.highest = batch.highest();
    return out;
  }

  /// One layer at a time uses the batch's statistics.
  void gaps() {
    const int64_t count = std::min(m_.num_batches, kGapBatches);
    const double loss = run(Pass(subject_, Use::kRunning), count).loss;
    for (size_t i : order_) {
      if (!subject_.norms[i].running_mean.defined()) continue;
      Pass pass(subject_, Use::kRunning);
      pass.use[i] = Use::kBatch;
      const Outcome o = run(pass, count);
      measured(i).gap_output = moved_from_evaluation(o);
      measured(i).gap_loss = o.loss - loss;
    }
  }

  void recalibrated() {
    actual_.resize(subject_.norms.size());
    for (size_t i : order_) {
      const ChannelStatistics& s = measured(i).batch;
      const NormLayer& l = subject_.norms[i];
      const Shape shape{l.channels};
      const DType type = l.running_mean.defined() ? l.running_mean.dtype() : DType::kFloat32;
      actual_[i] = {Tensor::from(s.mean, shape).to(type), Tensor::from(s.var, shape).to(type)};
    }
    Pass pass(subject_, Use::kActual);
    pass.actual = &actual_;
    const Outcome o = run(pass, m_.num_batches);
    m_.output_recalibrated = moved_from_evaluation(o);
    m_.loss_recalibrated = o.loss;
  }

  /// The same samples in the company of others.
  void dependence() {
    Pass pass(subject_, Use::kRunning);
    for (size_t i : order_)
      if (subject_.norms[i].training) pass.use[i] = Use::kBatch;
    const Tensor& x = batches_[0].x;
    const int64_t half = grouped_ / 2;
    if (half == 0) return;
    const Tensor same = narrow(x, 0, 0, half);
    const Tensor others = m_.num_batches > 1 ? narrow(batches_[1].x, 0, half, grouped_ - half)
                                             : narrow(x, 0, 0, grouped_ - half);
    const auto first = [&](const Tensor& batch) {
      return doubles(narrow(pass(batch), 0, 0, half));
    };
    const std::vector<double> a = first(x), b = first(cat({same, others}, 0));
    m_.batch_dependence = moved(a, b, half);
  }

  void gradients() {
    const WithGradients on;
    Pass pass(subject_, Use::kBatch);
    pass.keep = true;
    const Tensor y = pass(batches_[0].x);
    find_rectified(y, pass.kept);
    const Tensor loss = scalar_of(y, batches_[0].y);
    std::vector<Tensor> outputs;
    std::vector<size_t> norms;
    for (const auto& [i, t] : pass.kept)
      if (t.requires_grad()) {
        outputs.push_back(t);
        norms.push_back(i);
      }
    if (outputs.empty()) return;
    const std::vector<Tensor> g = grad(loss, outputs, {}, false, false, true);
    for (size_t k = 0; k < g.size(); ++k) {
      if (!g[k].defined()) continue;
      double squares = 0.0;
      for (double v : doubles(g[k])) squares += v * v;
      LayerMeasurement& l = measured(norms[k]);
      l.gradient = std::hypot(l.gradient, std::sqrt(squares));
    }
  }

  /// Whose outputs are read by a ReLU alone.
  void find_rectified(const Tensor& output, const std::vector<std::pair<size_t, Tensor>>& outputs) {
    std::set<const Node*> seen;
    std::vector<Node*> todo{&output.node()};
    std::vector<std::pair<const Node*, const Node*>> reads;  // reader, read
    while (!todo.empty()) {
      Node* node = todo.back();
      todo.pop_back();
      if (!seen.insert(node).second) continue;
      for (const Ref<Node>& in : node->inputs) {
        reads.emplace_back(node, &*in);
        todo.push_back(&*in);
      }
    }
    for (const auto& [i, t] : outputs) {
      int64_t readers = 0, rectifiers = 0;
      for (const auto& [reader, read] : reads) {
        if (read != &t.node()) continue;
        const std::string op = reader->op ? reader->op->name() : "";
        ++readers;
        rectifiers += op == "relu" || op == "relu6";
      }
      measured(i).rectified = readers > 0 && readers == rectifiers;
    }
  }

  // Repetitions.

  /// Distances of the running statistics from what `pass` sees in its layers.
  std::vector<double> distances(Pass& pass, std::span<const Tensor> inputs) const {
    std::vector<InputSums> sums = no_sums();
    pass.sums = &sums;
    for (const Tensor& x : inputs) pass(x).eval();
    return distances(sums);
  }
  std::vector<double> distances(const std::vector<InputSums>& sums) const {
    std::vector<double> out;
    for (size_t k = 0; k < order_.size(); ++k) {
      const LayerMeasurement& l = m_.layers[k];
      out.push_back(l.tracks ? distance_of(l.running, sums[order_[k]].of_batches(), l.eps) : 0.0);
    }
    return out;
  }
  std::vector<Tensor> inputs() const {
    std::vector<Tensor> out;
    for (const data::Batch& b : batches_) out.push_back(b.x);
    return out;
  }

  void replays() {
    for (double eps : kEpsilons)
      if (eps_matters(eps)) replay_eps(eps);
    replay_single();
    const bool worth = std::any_of(m_.layers.begin(), m_.layers.end(), [&](const auto& l) {
      return l.tracks && mismatch_of(l, m_).distance > kWorthARepetition;
    });
    if (worth) replay_input();
  }

  /// Whether some channel's scale would be another by a twentieth.
  bool eps_matters(double eps) const {
    for (const LayerMeasurement& l : m_.layers)
      for (double var : l.batch.var)
        if (std::abs(std::log((var + eps) / (var + l.eps))) > 0.1) return true;
    return false;
  }

  void replay_eps(double eps) {
    Pass training(subject_, Use::kBatch), evaluated(subject_, Use::kRunning);
    for (Pass* p : {&training, &evaluated}) std::fill(p->eps.begin(), p->eps.end(), eps);
    const std::vector<Tensor> xs = inputs();
    const Outcome o = run(evaluated, m_.num_batches);
    m_.replays.push_back({.kind = Replay::Kind::kEps,
                          .value = eps,
                          .distance = distances(training, xs),
                          .output = moved_from_evaluation(o),
                          .loss = o.loss});
  }

  void replay_single() {
    std::vector<std::vector<ChannelStatistics>> seen(order_.size());  // of each sample
    std::vector<InputSums> all = no_sums();
    for (int64_t k = 0; k < std::min(kSingles, m_.samples); ++k) {
      std::vector<InputSums> sums = no_sums();
      Pass pass(subject_, Use::kBatch);
      pass.sums = &sums;
      pass.more_sums = &all;
      pass(narrow(batches_[k / grouped_].x, 0, k % grouped_, 1)).eval();
      for (size_t i = 0; i < order_.size(); ++i) seen[i].push_back(sums[order_[i]].of_batches());
    }
    for (size_t i = 0; i < order_.size(); ++i)
      if (m_.layers[i].tracks) compare_samples(m_.layers[i], seen[i]);
    m_.replays.push_back({.kind = Replay::Kind::kSingleSample,
                          .value = 1,
                          .distance = distances(all),
                          .output = m_.output_recalibrated,
                          .loss = m_.loss_recalibrated});
  }

  static void compare_samples(LayerMeasurement& l, const std::vector<ChannelStatistics>& seen) {
    auto nearest = [&](const ChannelStatistics& to, size_t except) {
      double least = std::numeric_limits<double>::infinity();
      for (size_t i = 0; i < seen.size(); ++i)
        if (i != except) least = std::min(least, distance_of(to, seen[i], l.eps));
      return least;
    };
    l.nearest_sample = nearest(l.running, seen.size());
    std::vector<double> apart;
    for (size_t i = 0; i < seen.size(); ++i) apart.push_back(nearest(seen[i], i));
    std::nth_element(apart.begin(), apart.begin() + apart.size() / 2, apart.end());
    l.samples_apart = apart[apart.size() / 2];
  }

  /// The mean that the first layer sees of inputs changed by `f`.
  template <class F>
  std::vector<double> first_mean(const F& f) const {
    std::vector<InputSums> sums = no_sums();
    Pass pass(subject_, Use::kBatch);
    pass.sums = &sums;
    for (const data::Batch& b : batches_) pass(f(b.x)).eval();
    return sums[order_[0]].of_batches().mean;
  }

  /// Training's inputs as value*x + offset: the factor that brings the variances of the first layer
  /// back (their median), then the offset that brings its means back (least squares; the layers
  /// before it are taken for linear).
  void replay_input() {
    if (m_.layers.empty() || !m_.layers[0].tracks || !is_floating(batches_[0].x.dtype())) return;
    const LayerMeasurement& l = m_.layers[0];
    std::vector<double> ratios;
    for (size_t c = 0; c < l.batch.var.size(); ++c)
      if (l.batch.var[c] > 0) ratios.push_back(l.running.var[c] / l.batch.var[c]);
    if (ratios.empty()) return;
    std::nth_element(ratios.begin(), ratios.begin() + ratios.size() / 2, ratios.end());
    const double a = std::sqrt(ratios[ratios.size() / 2]);
    const std::vector<double> at = first_mean([&](const Tensor& x) { return x * a; });
    const std::vector<double> beyond = first_mean([&](const Tensor& x) { return x * a + a; });
    double num = 0.0, den = 0.0;
    for (size_t c = 0; c < at.size(); ++c) {
      const double r = (beyond[c] - at[c]) / a, w = 1 / (l.running.var[c] + l.eps);
      num += w * r * (l.running.mean[c] - at[c]);
      den += w * r * r;
    }
    const double b = den > 0 ? num / den : 0.0;
    if (!std::isfinite(a) || !std::isfinite(b)) return;
    std::vector<Tensor> xs;
    for (const Tensor& x : inputs()) xs.push_back((x * a + b).eval());
    Pass training(subject_, Use::kBatch), evaluated(subject_, Use::kRunning);
    Replay replay{
        .kind = Replay::Kind::kInput, .value = a, .offset = b, .distance = distances(training, xs)};
    Outcome o;
    for (int64_t i = 0; i < m_.num_batches; ++i) {
      const Tensor y = evaluated(xs[i]);
      const std::vector<double> values = doubles(y);
      o.output.insert(o.output.end(), values.begin(), values.end());
      const Tensor loss = loss_(y, batches_[i].y);
      o.loss += (loss.defined() ? loss.item() : kNaN) / static_cast<double>(m_.num_batches);
    }
    replay.output = moved_from_evaluation(o);
    replay.loss = o.loss;
    m_.replays.push_back(replay);
  }

  const Subject& subject_;
  Loss loss_;
  Measurements m_;
  int64_t grouped_ = 0;
  std::vector<data::Batch> batches_;
  std::vector<size_t> order_;  // of the batch-norm layers' calls
  Outcome training_, evaluation_;
  std::vector<std::pair<Tensor, Tensor>> actual_;
};

}  // namespace

double distance_of(const ChannelStatistics& a, const ChannelStatistics& b, double eps) {
  double sum = 0.0;
  for (size_t c = 0; c < a.var.size(); ++c) {
    const double va = a.var[c] + eps, vb = b.var[c] + eps;
    const double shift = (a.mean[c] - b.mean[c]) / std::sqrt((va + vb) / 2);
    const double scale = std::log(va / vb) / 2;
    sum += shift * shift + scale * scale;
  }
  return std::sqrt(sum / static_cast<double>(a.var.size()));
}

Mismatch mismatch_of(const LayerMeasurement& l, const Measurements& m) {
  if (!l.tracks || l.batch.var.empty()) return {};
  // Of the mean over all samples, and of an exponential average over training's batches.
  const double sampling = static_cast<double>(m.batch_size) / static_cast<double>(m.samples);
  const double averaging = l.momentum
                               ? *l.momentum / (2 - *l.momentum)
                               : 1.0 / static_cast<double>(std::max<int64_t>(1, l.batches_tracked));
  double noise = 0.0;
  for (size_t c = 0; c < l.batch.var.size(); ++c) {
    const double v = l.batch.var[c] + l.eps;
    noise += l.error.mean[c] * l.error.mean[c] / v + l.error.var[c] * l.error.var[c] / (4 * v * v);
  }
  noise /= static_cast<double>(l.batch.var.size());
  return {distance_of(l.running, l.batch, l.eps), std::sqrt(noise * sampling),
          std::sqrt(noise * averaging)};
}

Measurements measure(const Subject& subject, std::span<const data::Batch> batches,
                     const DiagnoseOptions& options) {
  check<ValueError>(!batches.empty(), "diagnose: there are no samples to look at");
  return Experiments(subject, batches, options).go();
}

}  // namespace ballast::study
