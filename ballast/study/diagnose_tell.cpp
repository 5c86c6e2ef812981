// A diagnosis in words and as JSON.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "ballast/base/random.h"
#include "ballast/study/diagnose.h"

namespace ballast::study {
namespace {

using nlohmann::ordered_json;

const char* name_of(Fault::Severity s) {
  switch (s) {
    case Fault::Severity::kNote:
      return "note";
    case Fault::Severity::kWarning:
      return "warning";
    case Fault::Severity::kError:
      return "error";
  }
  return "";
}

/// What a table or JSON says of a layer.
struct Row {
  double shift = 0.0, ratio = 1.0;            // running against actual: median |shift|, variance
  double eval_shift = 0.0, eval_ratio = 1.0;  // in evaluation
  double mean_error = 0.0, var_error = 0.0;   // of a batch: root mean square, relative
  double horizon = 0.0, initial = 0.0;        // batches; weight of the initial values
  int64_t halving = 0;                        // batch size of half the standard errors
  int64_t silent = 0, closed = 0, small = 0;
};

double median(std::vector<double> v) {
  if (v.empty()) return 0.0;
  std::nth_element(v.begin(), v.begin() + v.size() / 2, v.end());
  return v[v.size() / 2];
}

void compare(const LayerMeasurement& l, const ChannelStatistics& actual, double& shift,
             double& ratio) {
  std::vector<double> shifts, ratios;
  for (size_t c = 0; c < actual.var.size(); ++c) {
    shifts.push_back(std::abs(actual.mean[c] - l.running.mean[c]) /
                     std::sqrt(l.running.var[c] + l.eps));
    ratios.push_back((actual.var[c] + l.eps) / (l.running.var[c] + l.eps));
  }
  shift = median(shifts);
  ratio = median(ratios);
}

Row row_of(const LayerMeasurement& l, const Measurements& m) {
  Row r;
  if (l.tracks && !l.batch.var.empty()) {
    compare(l, l.batch, r.shift, r.ratio);
    compare(l, l.evaluation, r.eval_shift, r.eval_ratio);
  }
  for (size_t c = 0; c < l.batch.var.size(); ++c) {
    const double v = l.batch.var[c] + l.eps;
    r.mean_error += l.error.mean[c] * l.error.mean[c] / v;
    r.var_error += l.error.var[c] * l.error.var[c] / (v * v);
    r.closed += l.rectified && l.highest[c] <= 0;
    r.silent += std::abs(l.weight[c]) < 1e-3;
    r.small += l.batch.var[c] <= l.eps;
  }
  const auto n = static_cast<double>(std::max<size_t>(1, l.batch.var.size()));
  r.mean_error = std::sqrt(r.mean_error / n);
  r.var_error = std::sqrt(r.var_error / n);
  r.halving = 4 * m.batch_size;  // both errors fall with the root of the samples
  const double momentum = l.momentum.value_or(0.0);
  r.horizon = momentum > 0 ? 1 / momentum : static_cast<double>(l.batches_tracked);
  r.initial = l.momentum ? std::pow(1 - momentum, static_cast<double>(l.batches_tracked))
                         : (l.batches_tracked == 0 ? 1.0 : 0.0);
  return r;
}

ordered_json json_of(const LayerMeasurement& l, const Measurements& m) {
  const Row r = row_of(l, m);
  const Mismatch d = mismatch_of(l, m);
  return {{"name", l.name},
          {"channels", l.weight.size()},
          {"eps", l.eps},
          {"momentum", l.momentum ? ordered_json(*l.momentum) : ordered_json()},
          {"training", l.training},
          {"batches_tracked", l.batches_tracked},
          {"shift", r.shift},
          {"variance_ratio", r.ratio},
          {"evaluation_shift", r.eval_shift},
          {"evaluation_variance_ratio", r.eval_ratio},
          {"distance", d.distance},
          {"distance_by_chance", std::hypot(d.sampling, d.averaging)},
          {"gap_output", l.gap_output},
          {"gap_loss", l.gap_loss},
          {"mean_error", r.mean_error},
          {"variance_error", r.var_error},
          {"batch_size_of_half_the_error", r.halving},
          {"horizon", r.horizon},
          {"initial_weight", r.initial},
          {"closed_channels", r.closed},
          {"silent_channels", r.silent},
          {"small_variance_channels", r.small},
          {"gradient", l.gradient}};
}

ordered_json json_of(const Fault& f) {
  return {{"kind", name_of(f.kind)},  {"severity", name_of(f.severity)},
          {"layers", f.layers},       {"number", f.number},
          {"number_is", f.number_is}, {"what", f.what},
          {"cause", f.cause},         {"remedy", f.remedy}};
}

std::string table(const Measurements& m) {
  size_t width = 5;
  for (const LayerMeasurement& l : m.layers) width = std::max(width, l.name.size());
  std::string out = fmt::format(
      "{:<{}}  {:>7} {:>7}  {:>7} {:>8}  {:>7} {:>7}  {:>8} {:>5} {:>5}  {:>9}\n", "layer", width,
      "shift", "ratio", "gap", "loss", "s.e. m", "s.e. v", "batches", "dead", "tiny", "gradient");
  for (const LayerMeasurement& l : m.layers) {
    const Row r = row_of(l, m);
    out += fmt::format(
        "{:<{}}  {:>7.2f} {:>7.2f}  {:>7.2f} {:>+8.3f}  {:>7.3f} {:>7.3f}  {:>8} {:>5} {:>5}  "
        "{:>9.2g}\n",
        l.name, width, r.shift, r.ratio, l.gap_output, l.gap_loss, r.mean_error, r.var_error,
        l.batches_tracked, r.closed + r.silent, r.small, l.gradient);
  }
  return out;
}

std::string legend(const Measurements& m) {
  std::string out =
      "shift: of the data's mean from the running mean, in running deviations; ratio: the data's\n"
      "variance over the running variance (medians over the channels, in batches like "
      "training's).\n"
      "gap: how far the output moves if this layer alone uses the batch's statistics, in spreads "
      "of\n"
      "the output; loss: by how much the loss changes then. s.e.: standard errors of a batch's "
      "mean\n"
      "and variance, relative";
  out += fmt::format("; batches of {} samples would halve those of {}.\n", 4 * m.batch_size,
                     m.batch_size);
  out +=
      "batches: that the running statistics took in. dead: channels whose ReLU never opens or\n"
      "whose weight is near 0; tiny: of a variance below eps. gradient: norm, by the output.\n";
  for (const LayerMeasurement& l : m.layers)
    if (l.momentum && *l.momentum > 0)
      return out + fmt::format("momentum {:g} looks back {:.3g} batches.\n", *l.momentum,
                               1 / *l.momentum);
  return out;
}

/// The default generator's state, restored when this goes.
class KeepGenerator {
 public:
  KeepGenerator() : state_(default_generator().get_state()) {}
  ~KeepGenerator() { default_generator().set_state(state_); }
  KeepGenerator(const KeepGenerator&) = delete;
  KeepGenerator& operator=(const KeepGenerator&) = delete;

 private:
  std::vector<uint8_t> state_;
};

}  // namespace

std::string Diagnosis::str() const {
  const Measurements& m = measurements;
  std::string out;
  if (findings.empty()) out = "No findings.\n";
  for (size_t i = 0; i < findings.size(); ++i) {
    const Fault& f = findings[i];
    out += fmt::format("{}. {} ({}): {}.\n   cause: {}.\n   remedy: {}.\n", i + 1,
                       study::name_of(f.kind), name_of(f.severity), f.what, f.cause, f.remedy);
  }
  if (m.layers.empty()) return out;
  out += fmt::format("\n{} samples in {} batches", m.samples, m.num_batches);
  if (!std::isnan(m.loss_evaluation))
    out += fmt::format(
        "; loss {:.4f} with running statistics, {:.4f} with those of batches, {:.4f} "
        "recalibrated",
        m.loss_evaluation, m.loss_batch, m.loss_recalibrated);
  return out + "\n\n" + table(m) + "\n" + legend(m);
}

std::string Diagnosis::json() const {
  const Measurements& m = measurements;
  ordered_json list = ordered_json::array(), layers = ordered_json::array();
  for (const Fault& f : findings) list.push_back(json_of(f));
  for (const LayerMeasurement& l : m.layers) layers.push_back(json_of(l, m));
  return ordered_json{{"findings", list},
                      {"samples", m.samples},
                      {"batch_size", m.batch_size},
                      {"steps", m.steps ? ordered_json(*m.steps) : ordered_json()},
                      {"loss", m.loss_evaluation},
                      {"loss_of_batch_statistics", m.loss_batch},
                      {"loss_recalibrated", m.loss_recalibrated},
                      {"output_moved_by_batch_statistics", m.output_batch},
                      {"output_moved_by_recalibration", m.output_recalibrated},
                      {"layers", layers}}
      .dump(2, ' ', false, ordered_json::error_handler_t::replace);
}

Diagnosis diagnose(const Subject& subject, std::span<const data::Batch> batches,
                   const DiagnoseOptions& options) {
  const KeepGenerator generator;
  Diagnosis out;
  out.measurements = measure(subject, batches, options);
  out.findings = judge(out.measurements);
  return out;
}

Diagnosis diagnose(nn::Module& model, data::Loader& loader, const DiagnoseOptions& options) {
  const KeepGenerator generator;
  std::vector<data::Batch> batches;
  int64_t samples = 0;
  for (const data::Batch& b : loader) {
    batches.push_back(b);
    samples += b.x.size(0);
    if (samples >= options.max_samples) break;
  }
  Subject subject = subject_of(model);
  if (options.momentum)
    for (NormLayer& l : subject.norms) l.momentum = options.momentum;
  return diagnose(subject, batches, options);
}

}  // namespace ballast::study
