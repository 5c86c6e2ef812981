// The rules of diagnosis that compare the running statistics, training's record, with the data.
#include <algorithm>
#include <cmath>

#include "ballast/study/diagnose_rules.h"

namespace ballast::study {
namespace {

using Severity = Fault::Severity;

// A running average this uncertain is wrong by as much in every third channel.
constexpr double kUncertain = 0.3;
// A repetition explains the record if it leaves a third of the distance (a ninth of its square), or
// no more than networks without fault show.
constexpr double kExplained = 1.0 / 3;

/// Root mean square of the distances of layers that were updated at all.
double record_distance(const Measurements& m, const std::vector<double>& distances) {
  double sum = 0.0, count = 0.0;
  for (size_t i = 0; i < m.layers.size(); ++i) {
    if (!m.layers[i].tracks || never_updated(m.layers[i])) continue;
    sum += distances[i] * distances[i];
    ++count;
  }
  return count > 0 ? std::sqrt(sum / count) : 0.0;
}

double record_distance(const Measurements& m) {
  std::vector<double> distances;
  for (const LayerMeasurement& l : m.layers) distances.push_back(mismatch_of(l, m).distance);
  return record_distance(m, distances);
}

/// The repetition that explains the record best, if one does.
const Replay* explanation(const Measurements& m) {
  const double as_is = record_distance(m);
  const Replay* best = nullptr;
  double least = std::max(kExplained * as_is, std::min(kDistance, 0.7 * as_is));
  for (const Replay& r : m.replays) {
    const double left = record_distance(m, r.distance);
    if (left >= least || !helps(m, r.loss)) continue;
    least = left;
    best = &r;
  }
  return best;
}

// The record.

void say_replay(const Measurements& m, const Replay& r, const Layers& layers, Faults& out) {
  const double before = record_distance(m), after = record_distance(m, r.distance);
  const std::string evidence = fmt::format(
      "the running statistics lie {:.2g} standard deviations from the data's as it is, "
      "{:.2g} then{}",
      before, after, losses(m, r.loss));
  if (r.kind == Replay::Kind::kEps) {
    const double eps = m.layers.front().eps;
    out.push_back(
        {.kind = FaultKind::kWrongEps,
         .severity = Severity::kError,
         .layers = names(layers),
         .number = r.value,
         .number_is = "eps that the running statistics were recorded with",
         .what = fmt::format("the network was trained with eps={:g}, not {:g}: {}", r.value, eps,
                             evidence),
         .cause = "weights converted from another framework, whose default eps differs (Keras and "
                  "TensorFlow: 0.001)",
         .remedy = fmt::format("set eps={:g} in the batch-norm layers", r.value)});
  } else if (r.kind == Replay::Kind::kSingleSample) {
    out.push_back({.kind = FaultKind::kSingleSample,
                   .severity = Severity::kError,
                   .layers = names(layers),
                   .number = 1,
                   .number_is = "sample in training's batches",
                   .what = "training saw batches of one sample: with such batches " + evidence,
                   .cause =
                       "batches of one sample: the variance between samples is missing from the "
                       "statistics, in training and in the record",
                   .remedy = "train with larger batches, or with a normalization that needs none "
                             "(GroupNorm); accumulated gradients do not enlarge the batch"});
  } else {
    const std::string change = r.offset == 0.0
                                   ? fmt::format("{:.3g} times", 1 / r.value)
                                   : fmt::format("as {:.3g}*(x - {:.3g})", 1 / r.value, r.offset);
    out.push_back(
        {.kind = FaultKind::kChangedInput,
         .severity = Severity::kError,
         .layers = {layers[0]->name},
         .number = 1 / r.value,
         .number_is = "scale of the inputs, relative to training's",
         .what = fmt::format("the inputs are scaled {} those of training: undone, {}", change,
                             evidence),
         .cause = "evaluation prepares its data in another way than training (pixels of 0 to 255 "
                  "for 0 to 1, a missing normalization)",
         .remedy = "prepare the data as for training"});
  }
}

/// Whether all channels of a layer vary by the same factor: what a change of scale does, whatever
/// happens to the means.
bool uniform_scale(const LayerMeasurement& l, double& factor) {
  double sum = 0.0, squares = 0.0;
  const auto n = static_cast<double>(l.batch.var.size());
  for (size_t c = 0; c < l.batch.var.size(); ++c) {
    const double ratio = std::log((l.batch.var[c] + l.eps) / (l.running.var[c] + l.eps)) / 2;
    sum += ratio;
    squares += ratio * ratio;
  }
  const double mean = sum / n, deviation = std::sqrt(std::max(0.0, squares / n - mean * mean));
  factor = std::exp(mean);
  return std::abs(mean) > 2 * kDistance && deviation < 0.05 + 0.05 * std::abs(mean);
}

bool say_first_layer(const Measurements& m, const Layers& layers, Faults& out) {
  const LayerMeasurement& first = m.layers.front();
  if (layers[0] != &first) return false;
  double factor = 1.0;
  const bool uniform = uniform_scale(first, factor);
  if (layers.size() > 1 || (m.layers.size() == 1 && !uniform)) return false;
  const double far = mismatch_of(first, m).distance;
  out.push_back(
      {.kind = FaultKind::kChangedInput,
       .severity = Severity::kError,
       .layers = {first.name},
       .number = uniform ? factor : far,
       .number_is = uniform ? "scale of the inputs, relative to training's"
                            : "distance to the data's statistics, in standard deviations",
       .what = uniform ? fmt::format("the inputs of {}, the first layer, vary {:.3g} times as much "
                                     "as in training, in all channels alike",
                                     first.name, factor)
                       : fmt::format("the inputs of {}, the first layer, are {:.2g} standard "
                                     "deviations off those of training; once normalized, all later "
                                     "layers see what they saw",
                                     first.name, far),
       .cause = "evaluation prepares its data in another way than training",
       .remedy = "prepare the data as for training; if the data have changed for good, "
                 "recalibrate"});
  return true;
}

/// Momentum and batches that leave the average uncertain: known from the noise of the batches, or
/// from distances that batches of a few samples would explain.
bool say_noisy(const Measurements& m, const Layers& off, Faults& out) {
  Layers layers;
  double worst = 0.0, batch = static_cast<double>(m.batch_size);
  for (const LayerMeasurement& l : m.layers) {
    const Mismatch d = mismatch_of(l, m);
    // Where they lie closer, training's batches were larger than those looked at.
    if (!l.tracks || d.averaging <= kUncertain || d.distance < d.averaging / 2) continue;
    layers.push_back(&l);
    worst = std::max(worst, d.averaging);
  }
  bool implied = false;
  if (layers.empty() && !off.empty() && off[0]->momentum.value_or(0) >= 0.3) {
    double least = batch;
    for (const LayerMeasurement* l : off) {
      const Mismatch d = mismatch_of(*l, m);
      least = std::min(least, batch * (d.averaging / d.distance) * (d.averaging / d.distance));
      worst = std::max(worst, d.distance);
    }
    implied = least >= 0.5;
    if (implied) {
      layers = off;
      batch = std::max(1.0, std::round(least));
    }
  }
  if (layers.empty()) return false;
  const LayerMeasurement& l = *layers[0];
  const double momentum = l.momentum.value_or(0.1);
  const double lower = momentum * (kDistance / 2 / worst) * (kDistance / 2 / worst);
  out.push_back(
      {.kind = FaultKind::kNoisyStatistics,
       .severity = Severity::kError,
       .layers = names(layers),
       .number = worst,
       .number_is = "uncertainty of running statistics, in standard deviations",
       .what = fmt::format("momentum {:g} averages over {:.3g} batches{} {:.3g} samples: the "
                           "running statistics of {} are uncertain by {:.2g} standard deviations{}",
                           momentum, (2 - momentum) / momentum,
                           implied ? ", as their distance from the data tells, of about" : " of",
                           batch, some(names(layers)), worst, losses(m, m.loss_recalibrated)),
       .cause = "momentum too large for batches this small",
       .remedy = fmt::format("momentum {:.1g} (in exchange, more steps before the statistics are "
                             "settled), larger batches, or recalibrate after training",
                             lower)});
  return true;
}

/// The layers whose record can be judged.
Layers recorded(const Measurements& m) {
  Layers out;
  for (const LayerMeasurement& l : m.layers)
    if (l.tracks && !never_updated(l)) out.push_back(&l);
  return out;
}

/// Batches of one sample miss the variance between samples, which may be a small part of the whole:
/// the record agrees with repetitions in single samples far better than in batches.
const Replay* single_replay(const Measurements& m, const Layers& layers) {
  double chance = 0.0;
  for (const LayerMeasurement* l : layers) {
    const Mismatch d = mismatch_of(*l, m);
    chance += d.sampling * d.sampling + d.averaging * d.averaging;
  }
  const double far = record_distance(m);
  if (far < 1.5 * std::sqrt(chance / static_cast<double>(layers.size()))) return nullptr;
  for (const Replay& r : m.replays)
    if (r.kind == Replay::Kind::kSingleSample && record_distance(m, r.distance) < far / 2)
      return &r;
  return nullptr;
}

/// Whether a layer's record is that of one sample, again and again: it lies among the single
/// samples' as they lie among themselves. With one value per channel there is no variance at all:
/// what is left of the initial 1 is the same in all channels.
bool of_one_sample(const LayerMeasurement& l) {
  if (l.values_per_sample > 1) return l.nearest_sample < 1.5 * l.samples_apart;
  const auto [low, high] = std::minmax_element(l.running.var.begin(), l.running.var.end());
  return l.running.var.size() > 1 && *high - *low <= 1e-3 * *high &&
         *high < 0.1 * *std::max_element(l.batch.var.begin(), l.batch.var.end());
}

void say_one_sample(const Measurements& m, const Layers& layers, bool known, Faults& out) {
  out.push_back(
      {.kind = FaultKind::kSingleSample,
       .severity = Severity::kError,
       .layers = names(layers),
       .number = 1,
       .number_is = "sample in training's batches",
       .what = fmt::format("{} {} trained with batches of one sample{}", some(names(layers)),
                           layers.size() > 1 ? "were" : "was",
                           known ? ""
                                 : ": the running statistics are those of a single sample" +
                                       losses(m, m.loss_recalibrated)),
       .cause = "batches of one sample: the variance between samples is missing from the "
                "statistics, in training and in the record",
       .remedy = "train with larger batches, or with a normalization that needs none "
                 "(GroupNorm); accumulated gradients do not enlarge the batch"});
}

/// Training is known to have used batches of one sample, or repetitions in such batches agree.
bool say_single(const Measurements& m, Faults& out) {
  const Layers layers = recorded(m);
  if (layers.empty()) return false;
  const Replay* r = single_replay(m, layers);
  const bool known = m.batch_size_known && m.batch_size == 1;
  if (r)
    say_replay(m, *r, layers, out);
  else if (known)
    say_one_sample(m, layers, true, out);
  return r || known;
}

/// The statistics of one sample again and again.
bool say_repeated_sample(const Measurements& m, const Layers& off, Faults& out) {
  Layers one;
  for (const LayerMeasurement* l : off)
    if (of_one_sample(*l)) one.push_back(l);
  if (one.empty() || one[0] != off[0]) return false;
  say_one_sample(m, one, false, out);
  return true;
}

/// Dead channels; graver where all layers up to theirs are as recorded and those behind are not:
/// then they died after training.
void judge_dead(const Measurements& m, const Layers& off, bool& explains_record, Faults& out) {
  std::vector<std::string> layers;
  const LayerMeasurement* worst = nullptr;
  double share = 0.0;
  size_t count = 0;
  for (const LayerMeasurement& l : m.layers) {
    const std::vector<int64_t> dead = dead_channels(l);
    if (dead.empty()) continue;
    layers.push_back(l.name);
    count += dead.size();
    const double part = static_cast<double>(dead.size()) / static_cast<double>(l.weight.size());
    if (!worst || part > share) worst = &l;
    share = std::max(share, part);
  }
  if (layers.empty()) return;
  const auto first_dead = std::find_if(m.layers.begin(), m.layers.end(),
                                       [&](const auto& l) { return l.name == layers[0]; });
  explains_record = !off.empty() && share >= 0.05 && off[0] > &*first_dead;
  const std::vector<int64_t> dead = dead_channels(*worst);
  const std::string after =
      explains_record ? fmt::format("; {} recorded its statistics before they died", off[0]->name)
                      : "";
  out.push_back(
      {.kind = FaultKind::kDeadChannels,
       .severity = explains_record ? Severity::kError
                   : share >= 0.1  ? Severity::kWarning
                                   : Severity::kNote,
       .layers = layers,
       .number = share,
       .number_is = "largest share of dead channels in a layer",
       .what = fmt::format("{} of {} channels of {} are dead (the ReLU behind them never opens in "
                           "{} samples, or the weight is near 0), {} in all{}",
                           dead.size(), worst->weight.size(), worst->name, m.samples, count, after),
       .cause = "steps too large early in training, or weight decay on channels that nothing needs",
       .remedy = "a lower learning rate or a warm-up, no weight decay on batch norm; or remove "
                 "these channels"});
}

void say_stale(const Measurements& m, const Layers& layers, Faults& out) {
  const LayerMeasurement* worst = layers[0];
  for (const LayerMeasurement* l : layers)
    if (mismatch_of(*l, m).distance > mismatch_of(*worst, m).distance) worst = l;
  const double far = mismatch_of(*worst, m).distance;
  const double momentum = worst->momentum.value_or(0.0);
  const double initial =
      momentum > 0 ? std::pow(1 - momentum, static_cast<double>(worst->batches_tracked)) : 0.0;
  std::string cause =
      "weights changed after the statistics were recorded: a learning rate still high at the end, "
      "averaged or replaced weights, or data of another kind than training's";
  if (initial > 0.05)
    cause = fmt::format(
        "momentum {:g} looks back {:.3g} batches, the statistics took in {}: {:.0f} "
        "% of them are still the initial values",
        momentum, 1 / momentum, worst->batches_tracked, 100 * initial);
  out.push_back(
      {.kind = FaultKind::kStaleStatistics,
       .severity = Severity::kError,
       .layers = names(layers),
       .number = far,
       .number_is = "distance to the data's statistics, in standard deviations",
       .what = fmt::format("the running statistics of {} are up to {:.2g} standard deviations from "
                           "what the layers see ({}){}",
                           some(names(layers)), far, worst->name, losses(m, m.loss_recalibrated)),
       .cause = cause,
       .remedy = "recalibrate the running statistics; let the learning rate end low, or raise "
                 "momentum"});
}

}  // namespace

void judge_record(const Measurements& m, Faults& out) {
  const Layers off = off_record(m);
  bool dead_explain = false;
  judge_dead(m, off, dead_explain, out);
  if (say_single(m, out) || say_noisy(m, off, out) || off.empty() || dead_explain) return;
  if (const Replay* r = explanation(m)) return say_replay(m, *r, off, out);
  if (say_repeated_sample(m, off, out) || say_first_layer(m, off, out)) return;
  // Statistics that suit the network better than those of the data: trained while they were frozen.
  if (helps(m, m.loss_recalibrated)) say_stale(m, off, out);
}

}  // namespace ballast::study
