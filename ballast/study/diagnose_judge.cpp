// The rules of diagnosis: each looks at the measurements and says what it finds.
#include <algorithm>
#include <cmath>
#include <limits>

#include "ballast/study/diagnose_rules.h"

namespace ballast::study {
namespace {

using Severity = Fault::Severity;

// A channel whose weight is a thousandth of the others' adds a millionth of their variance.
constexpr double kSilent = 1e-3;
// A float has 24 bits: updates 1000 times smaller than others lose ten of them.
constexpr double kGradientRatio = 1e3;

double beyond_chance(const LayerMeasurement& l, const Measurements& m) {
  const Mismatch d = mismatch_of(l, m);
  const double rest = d.distance * d.distance - d.sampling * d.sampling - d.averaging * d.averaging;
  return std::sqrt(std::max(0.0, rest));
}

void judge_non_finite(const Measurements& m, Faults& out) {
  using Where = NonFinite::Where;
  const NonFinite& n = m.non_finite;
  if (n.where == Where::kNowhere) return;
  Fault f{.kind = FaultKind::kNonFinite,
          .severity = Severity::kError,
          .layers = {n.name},
          .number = static_cast<double>(n.count),
          .number_is = "values that are NaN or infinite",
          .what = {},
          .cause = {},
          .remedy = {}};
  switch (n.where) {
    case Where::kInput:
      f.what =
          fmt::format("the data hold {} values that are NaN or infinite ({})", n.count, n.name);
      f.cause = "broken or missing values in the data";
      f.remedy = "remove or repair these samples before training or evaluation";
      break;
    case Where::kParameter:
      f.what = fmt::format("{} holds {} values that are NaN or infinite", n.name, n.count);
      f.cause =
          "a step of training diverged, or running statistics took in a batch with such values";
      f.remedy = "go back to a checkpoint before it; lower the learning rate or clip gradients";
      break;
    case Where::kActivation:
      f.what = fmt::format("NaN or infinite activations {}{}{}: {} in the first batch that has any",
                           n.detail, n.detail == "arrive" ? " at " : " by ", n.name, n.count);
      f.cause = n.detail == "arrive" ? "an operation between the layers before it overflows or "
                                       "leaves its domain (a logarithm, a division, an exponential)"
                                     : "its weights are too large for what it is given, or its "
                                       "running variance is negative";
      f.remedy =
          "look at what this layer is given and at its weights; go back to an earlier "
          "checkpoint and lower the learning rate";
      break;
    default:
      f.what = fmt::format(
          "the gradient of {} holds {} values that are NaN or infinite, all "
          "activations are finite",
          n.name, n.count);
      f.cause =
          "the loss or an operation after this layer has no finite derivative there (the "
          "square root or the logarithm of 0)";
      f.remedy = "add a small constant before such an operation, or clip its argument";
  }
  out.push_back(f);
}

/// The mode: outputs that depend on the company a sample is in.
void judge_mode(const Measurements& m, Faults& out) {
  std::vector<std::string> training;
  bool one_value = false;
  for (const LayerMeasurement& l : m.layers)
    if (l.training) {
      training.push_back(l.name);
      one_value |= l.values_per_sample == 1;
    }
  if (training.empty()) return;
  if (m.loader_batch == 1 || (m.last_batch == 1 && one_value)) {
    out.push_back(
        {.kind = FaultKind::kSingleSample,
         .severity = Severity::kError,
         .layers = training,
         .number = 1,
         .number_is = "sample in a batch",
         .what = fmt::format("{} in training mode {} a batch of one sample{}", some(training),
                             training.size() > 1 ? "get" : "gets",
                             one_value ? ": one value per channel, whose variance is 0" : ""),
         .cause = m.loader_batch == 1 ? "the loader's batches hold one sample"
                                      : "the last batch of the data holds one sample",
         .remedy = "larger batches, or drop_last=True; to evaluate, call eval() first"});
    return;
  }
  out.push_back(
      {.kind = FaultKind::kForgottenEval,
       .severity = Severity::kError,
       .layers = training,
       .number = m.batch_dependence,
       .number_is = "move of a sample's output in another batch, relative to the outputs' spread",
       .what = fmt::format("{} in training mode: the output of a sample moves by {:.2g} of the "
                           "outputs' spread when it stands in another batch",
                           some(training), m.batch_dependence),
       .cause = "eval() was not called before evaluation",
       .remedy = "call model.eval() before evaluation (and model.train() before training goes "
                 "on); what ran in training mode has also changed the running statistics"});
}

void judge_count(const Measurements& m, Faults& out) {
  if (!m.steps) return;
  std::vector<std::string> layers;
  int64_t most = 0;
  for (const LayerMeasurement& l : m.layers)
    if (l.tracks && l.batches_tracked > *m.steps) {
      layers.push_back(l.name);
      most = std::max(most, l.batches_tracked);
    }
  if (layers.empty()) return;
  out.push_back(
      {.kind = FaultKind::kForgottenEval,
       .severity = Severity::kWarning,
       .layers = layers,
       .number = static_cast<double>(most - *m.steps),
       .number_is = "batches too many",
       .what = fmt::format("the running statistics of {} took in {} batches, training made {} "
                           "steps",
                           some(layers), most, *m.steps),
       .cause = "the model was run in training mode outside of training steps: eval() was not "
                "called before an evaluation (or a step used several batches)",
       .remedy = "call model.eval() before evaluation; recalibrate the running statistics"});
}

void judge_untracked(const Measurements& m, Faults& out) {
  std::vector<std::string> layers;
  for (const LayerMeasurement& l : m.layers)
    if (!l.tracks) layers.push_back(l.name);
  if (layers.empty()) return;
  out.push_back(
      {.kind = FaultKind::kNoStatistics,
       .severity = Severity::kWarning,
       .layers = layers,
       .number = static_cast<double>(layers.size()),
       .number_is = "layers",
       .what = fmt::format("{} keep no running statistics: outputs depend on the batch in "
                           "evaluation too",
                           some(layers)),
       .cause = "made with track_running_stats=False",
       .remedy = "make them with track_running_stats=True and recalibrate"});
}

void judge_never_updated(const Measurements& m, Faults& out) {
  Layers layers;
  double far = 0.0;
  for (const LayerMeasurement& l : m.layers)
    if (never_updated(l)) {
      layers.push_back(&l);
      far = std::max(far, mismatch_of(l, m).distance);
    }
  if (layers.empty()) return;
  out.push_back(
      {.kind = FaultKind::kNeverUpdated,
       .severity = Severity::kError,
       .layers = names(layers),
       .number = far,
       .number_is = "distance to the data's statistics, in standard deviations",
       .what = fmt::format("the running statistics of {} are still the initial ones (mean 0, "
                           "variance 1), up to {:.2g} standard deviations off{}",
                           some(names(layers)), far, losses(m, m.loss_recalibrated)),
       .cause = "the model was never run in training mode, momentum is 0, or a checkpoint was "
                "loaded without its buffers (strict=False)",
       .remedy = "recalibrate: run the training data through the model in training mode, without "
                 "steps"});
}

/// Where no later layer has recorded the scale that eps decides, only the loss can tell.
void judge_unrecorded_eps(const Measurements& m, Faults& out) {
  if (!off_record(m).empty()) return;
  const Replay* best = nullptr;
  for (const Replay& r : m.replays)
    if (r.kind == Replay::Kind::kEps && r.loss < m.loss_evaluation / 2 &&
        (!best || r.loss < best->loss))
      best = &r;
  if (!best) return;
  std::vector<std::string> layers;
  for (const LayerMeasurement& l : m.layers) layers.push_back(l.name);
  out.push_back(
      {.kind = FaultKind::kWrongEps,
       .severity = Severity::kWarning,
       .layers = layers,
       .number = best->value,
       .number_is = "eps with which the loss is least",
       .what = fmt::format("with eps={:g} instead of {:g} the loss is {:.3g} instead of {:.3g}",
                           best->value, m.layers.front().eps, best->loss, m.loss_evaluation),
       .cause = "weights converted from another framework, whose default eps differs (Keras and "
                "TensorFlow: 0.001)",
       .remedy = fmt::format("set eps={:g} if that is where the weights come from", best->value)});
}

void judge_small_variance(const Measurements& m, Faults& out) {
  std::vector<std::string> layers;
  double least = std::numeric_limits<double>::infinity();
  int64_t count = 0;
  for (const LayerMeasurement& l : m.layers) {
    if (!l.tracks || never_updated(l)) continue;
    int64_t small = 0;
    for (double v : l.running.var) {
      if (v > l.eps) continue;
      ++small;
      least = std::min(least, v / l.eps);
    }
    if (small > 0) layers.push_back(l.name);
    count += small;
  }
  if (layers.empty()) return;
  out.push_back(
      {.kind = FaultKind::kSmallVariance,
       .severity = Severity::kNote,
       .layers = layers,
       .number = least,
       .number_is = "least running variance, in units of eps",
       .what = fmt::format("{} channels of {} have a variance below eps (the least is {:.2g} times "
                           "eps): eps, not the data, sets their scale",
                           count, some(layers), least),
       .cause = "constant inputs, dead channels before them, or inputs of a very small scale",
       .remedy = "scale the inputs up, or lower eps; converted weights need the eps they were "
                 "trained with"});
}

void judge_gradients(const Measurements& m, Faults& out) {
  const LayerMeasurement *first = nullptr, *last = nullptr;
  for (const LayerMeasurement& l : m.layers)
    if (l.gradient > 0) {
      if (!first) first = &l;
      last = &l;
    }
  if (!first || first == last) return;
  const double ratio = first->gradient / last->gradient;
  if (ratio < kGradientRatio && ratio > 1 / kGradientRatio) return;
  const bool explode = ratio > 1;
  out.push_back(
      {.kind = FaultKind::kGradientScale,
       .severity = Severity::kWarning,
       .layers = {first->name, last->name},
       .number = ratio,
       .number_is = "gradient at the first layer, relative to the last",
       .what = fmt::format("gradients {} {:.2g} times on the way from {} back to {}",
                           explode ? "grow" : "shrink", explode ? ratio : 1 / ratio, last->name,
                           first->name),
       .cause = explode ? "a deep network without shortcuts: every normalized layer multiplies the "
                          "gradient of a random network by about 1.2 (Yang et al. 2019)"
                        : "saturated activations, or weights that are too small between the layers",
       .remedy = "residual connections, He's initial values, or a warm-up"});
}

}  // namespace

bool never_updated(const LayerMeasurement& l) {
  auto all = [](const std::vector<double>& v, double value) {
    return std::all_of(v.begin(), v.end(), [&](double x) { return x == value; });
  };
  return l.tracks && all(l.running.mean, 0.0) && all(l.running.var, 1.0);
}

/// Layers whose record disagrees with the data, beyond chance.
Layers off_record(const Measurements& m) {
  Layers out;
  for (const LayerMeasurement& l : m.layers)
    if (l.tracks && !never_updated(l) && beyond_chance(l, m) > kDistance) out.push_back(&l);
  return out;
}

std::vector<std::string> names(const Layers& layers) {
  std::vector<std::string> out;
  for (const LayerMeasurement* l : layers) out.push_back(l->name);
  return out;
}

/// "bn1", "bn1 and 4 more layers".
std::string some(const std::vector<std::string>& layers) {
  if (layers.size() < 2) return layers.empty() ? "no layer" : layers[0];
  return fmt::format("{} and {} more layer{}", layers[0], layers.size() - 1,
                     layers.size() > 2 ? "s" : "");
}

/// Whether a change of the network that leads to `loss` would be for the better, as far as is
/// known.
bool helps(const Measurements& m, double loss) {
  return std::isnan(loss) || std::isnan(m.loss_evaluation) || loss < m.loss_evaluation;
}

std::string losses(const Measurements& m, double loss) {
  if (std::isnan(loss)) return "";
  return fmt::format("; the loss would be {:.3g} instead of {:.3g}", loss, m.loss_evaluation);
}

std::vector<int64_t> dead_channels(const LayerMeasurement& l) {
  double squares = 0.0;
  for (double w : l.weight) squares += w * w;
  const double usual = std::sqrt(squares / static_cast<double>(l.weight.size()));
  std::vector<int64_t> out;
  for (size_t c = 0; c < l.weight.size(); ++c) {
    const bool closed = l.rectified && l.highest[c] <= 0;
    const bool silent = std::abs(l.weight[c]) <= kSilent * usual;
    if (closed || silent) out.push_back(static_cast<int64_t>(c));
  }
  return out;
}

const char* name_of(FaultKind kind) {
  switch (kind) {
    case FaultKind::kNonFinite:
      return "non_finite";
    case FaultKind::kSingleSample:
      return "single_sample";
    case FaultKind::kForgottenEval:
      return "forgotten_eval";
    case FaultKind::kNeverUpdated:
      return "never_updated";
    case FaultKind::kWrongEps:
      return "wrong_eps";
    case FaultKind::kChangedInput:
      return "changed_input";
    case FaultKind::kNoisyStatistics:
      return "noisy_statistics";
    case FaultKind::kStaleStatistics:
      return "stale_statistics";
    case FaultKind::kDeadChannels:
      return "dead_channels";
    case FaultKind::kNoStatistics:
      return "no_running_statistics";
    case FaultKind::kGradientScale:
      return "gradient_scale";
    case FaultKind::kSmallVariance:
      return "small_variance";
  }
  return "";
}

std::vector<Fault> judge(const Measurements& m) {
  std::vector<Fault> out;
  judge_non_finite(m, out);
  if (!out.empty()) return out;  // nothing else can be told
  judge_mode(m, out);
  judge_count(m, out);
  judge_never_updated(m, out);
  judge_record(m, out);
  judge_unrecorded_eps(m, out);
  judge_untracked(m, out);
  judge_small_variance(m, out);
  judge_gradients(m, out);
  std::stable_sort(out.begin(), out.end(), [](const Fault& a, const Fault& b) {
    return a.severity != b.severity ? a.severity > b.severity : a.kind < b.kind;
  });
  return out;
}

}  // namespace ballast::study
