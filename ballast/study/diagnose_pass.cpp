#include "ballast/study/diagnose_pass.h"

#include <algorithm>
#include <cmath>

#include "ballast/grad/grad.h"
#include "ballast/graph/eval.h"

namespace ballast::study {

InputSums::InputSums(int64_t channels)
    : channels_(static_cast<size_t>(channels)),
      highest_(static_cast<size_t>(channels), -std::numeric_limits<double>::infinity()) {}

void InputSums::add(const Tensor& x, const std::vector<double>& weight,
                    const std::vector<double>& bias, double eps) {
  const int64_t n = x.size(0), channels = x.size(1),
                pixels = x.numel() / std::max<int64_t>(1, n * channels);
  const std::vector<double> values = doubles(x);
  for (int64_t c = 0; c < channels; ++c) {
    Channel& sums = channels_[c];
    std::vector<double> means(static_cast<size_t>(n));
    double total = 0.0, low = values[c * pixels], high = low;
    for (int64_t i = 0; i < n; ++i) {
      const double* v = &values[(i * channels + c) * pixels];
      double sum = 0.0;
      for (int64_t j = 0; j < pixels; ++j) {
        sum += v[j];
        low = std::min(low, v[j]);
        high = std::max(high, v[j]);
      }
      means[i] = sum / static_cast<double>(pixels);
      total += means[i];
    }
    const double mean = total / static_cast<double>(n), count = static_cast<double>(n * pixels);
    if (batches_ == 0) sums.origin = mean;
    double squares = 0.0;
    for (int64_t i = 0; i < n; ++i) {
      const double* v = &values[(i * channels + c) * pixels];
      double about_own = 0.0;
      for (int64_t j = 0; j < pixels; ++j) about_own += (v[j] - means[i]) * (v[j] - means[i]);
      about_own /= static_cast<double>(pixels);
      const double off = means[i] - mean, spread = about_own + off * off;
      sums.within += about_own;
      sums.between += off * off;
      sums.spread += spread;
      sums.spread2 += spread * spread;
      squares += spread;
    }
    squares *= static_cast<double>(pixels);
    sums.mean += mean;
    sums.var += count > 1 ? squares / (count - 1) : 0.0;
    sums.sum += mean * count;
    sums.square += squares + count * (mean - sums.origin) * (mean - sums.origin);
    const double scale = weight[c] / std::sqrt(squares / count + eps);
    const double top = std::max(scale * (low - mean), scale * (high - mean)) + bias[c];
    highest_[c] = std::max(highest_[c], top);
  }
  ++batches_;
  samples_ += n;
  values_ += n * pixels;
  pixels_ = pixels;
}

ChannelStatistics InputSums::of_batches() const {
  ChannelStatistics out;
  for (const Channel& c : channels_) {
    out.mean.push_back(c.mean / static_cast<double>(batches_));
    out.var.push_back(c.var / static_cast<double>(batches_));
  }
  return out;
}

ChannelStatistics InputSums::of_all() const {
  ChannelStatistics out;
  const auto n = static_cast<double>(values_);
  for (const Channel& c : channels_) {
    const double mean = c.sum / n, off = mean - c.origin;
    out.mean.push_back(mean);
    out.var.push_back(std::max(0.0, c.square / n - off * off));
  }
  return out;
}

std::vector<double> InputSums::within() const {
  std::vector<double> out;
  for (const Channel& c : channels_) out.push_back(c.within / static_cast<double>(samples_));
  return out;
}

// A mean was taken from each batch: one degree of freedom less.
std::vector<double> InputSums::between() const {
  std::vector<double> out;
  const auto freedom = static_cast<double>(std::max<int64_t>(1, samples_ - batches_));
  for (const Channel& c : channels_) out.push_back(c.between / freedom);
  return out;
}

// Samples are independent, pixels of a sample are not: the errors come from the spread of what the
// samples contribute. That of the variance has a second part, because the batch's mean is unknown.
ChannelStatistics InputSums::errors(int64_t n) const {
  ChannelStatistics out;
  const auto size = static_cast<double>(n), samples = static_cast<double>(samples_);
  const std::vector<double> means = between();
  for (size_t i = 0; i < channels_.size(); ++i) {
    const Channel& c = channels_[i];
    const double mean = c.spread / samples;
    const double spread = std::max(0.0, c.spread2 / samples - mean * mean);
    const double own = n > 1 ? 2 * means[i] * means[i] / (size * (size - 1)) : 0.0;
    out.mean.push_back(std::sqrt(means[i] / size));
    out.var.push_back(std::sqrt(spread / size + own));
  }
  return out;
}

Tensor Pass::norm(size_t i, const Tensor& x) {
  const NormLayer& layer = subject_.norms[i];
  if (order && std::find(order->begin(), order->end(), i) == order->end()) order->push_back(i);
  for (std::vector<InputSums>* to : {sums, more_sums})
    if (to)
      (*to)[i].add(x, per_channel(layer.weight, layer.channels, 1.0),
                   per_channel(layer.bias, layer.channels, 0.0), eps[i]);
  Tensor y;
  const bool tracked = layer.running_mean.defined();
  // One value per channel has no variance: only the running statistics are left.
  const bool single = x.numel() == x.size(1) && tracked;
  if (use[i] == Use::kActual)
    y = by_given(layer, eps[i], x, (*actual)[i].first, (*actual)[i].second);
  else if ((use[i] == Use::kRunning && tracked) || single)
    y = by_given(layer, eps[i], x, layer.running_mean, layer.running_var);
  else
    y = by_batch(layer, eps[i], x);
  if (keep) kept.emplace_back(i, y);
  return y;
}

std::vector<double> doubles(const Tensor& t) {
  return t.detach().to(DType::kFloat64).values<double>();
}

double moved(const std::vector<double>& a, const std::vector<double>& b, int64_t rows) {
  const auto width = static_cast<int64_t>(a.size()) / std::max<int64_t>(1, rows);
  double difference = 0.0, spread = 0.0;
  for (int64_t j = 0; j < width; ++j) {
    double mean = 0.0;
    for (int64_t i = 0; i < rows; ++i) mean += a[i * width + j];
    mean /= static_cast<double>(rows);
    for (int64_t i = 0; i < rows; ++i) {
      const double at = a[i * width + j], d = b[i * width + j] - at;
      difference += d * d;
      spread += (at - mean) * (at - mean);
    }
  }
  if (difference == 0.0) return 0.0;
  return spread > 0.0 ? std::sqrt(difference / spread) : std::numeric_limits<double>::infinity();
}

std::vector<double> per_channel(const Tensor& t, int64_t channels, double otherwise) {
  return t.defined() ? doubles(t) : std::vector<double>(static_cast<size_t>(channels), otherwise);
}

namespace {

int64_t count_non_finite(const Tensor& t) {
  if (!t.defined() || !is_floating(t.dtype())) return 0;
  const std::vector<double> values = doubles(t);
  return std::count_if(values.begin(), values.end(), [](double v) { return !std::isfinite(v); });
}

/// Looks at what every layer gets and gives, in order, and stops looking at the first value that is
/// not finite.
class Tracer : public Pass {
 public:
  using Pass::Pass;
  Tensor norm(size_t i, const Tensor& x) override {
    Tensor y = Pass::norm(i, x);
    layer(names->at(i).name, x, y);
    return y;
  }
  void layer(const std::string& name, const Tensor& x, const Tensor& y) override {
    if (found.where != NonFinite::Where::kNowhere) return;
    if (const int64_t n = count_non_finite(x))
      found = {NonFinite::Where::kActivation, name, n, "arrive"};
    else if (const int64_t m = count_non_finite(y))
      found = {NonFinite::Where::kActivation, name, m, "are made"};
  }

  const std::vector<NormLayer>* names = nullptr;
  NonFinite found;
};

NonFinite in_activations(const Subject& subject, const data::Batch& batch, Use use) {
  const NoGrad off;
  if (count_non_finite(Pass(subject, use)(batch.x)) == 0) return {};
  Tracer tracer(subject, use);
  tracer.names = &subject.norms;
  const Tensor y = tracer(batch.x);
  if (tracer.found.where == NonFinite::Where::kNowhere)
    if (const int64_t n = count_non_finite(y))
      tracer.found = {NonFinite::Where::kActivation, "the output", n, "are made"};
  return tracer.found;
}

/// Gradients arrive at the last layer first, so that is where they began.
NonFinite in_gradients(const Subject& subject, const data::Batch& batch, const Loss& loss) {
  const WithGradients on;
  Pass pass(subject, Use::kBatch);
  const Tensor value = loss(pass(batch.x), batch.y);
  if (!value.requires_grad()) return {};
  std::vector<Tensor> leaves;
  std::vector<std::string> names;
  for (const auto& [name, t] : subject.parameters)
    if (t.requires_grad()) {
      leaves.push_back(t);
      names.push_back(name);
    }
  const std::vector<Tensor> gradients = grad(value, leaves, {}, false, false, true);
  for (size_t i = gradients.size(); i-- > 0;)
    if (const int64_t n = count_non_finite(gradients[i]))
      return {NonFinite::Where::kGradient, names[i], n, "are made"};
  return {};
}

}  // namespace

NonFinite non_finite(const Subject& subject, std::span<const data::Batch> batches,
                     const Loss& loss) {
  using Where = NonFinite::Where;
  for (const auto& [name, t] : subject.state)
    if (const int64_t n = count_non_finite(t)) return {Where::kParameter, name, n, "stand"};
  for (size_t i = 0; i < batches.size(); ++i)
    if (const int64_t n = count_non_finite(batches[i].x))
      return {Where::kInput, "batch " + std::to_string(i), n, "stand"};
  for (const data::Batch& batch : batches)
    for (Use use : {Use::kRunning, Use::kBatch})
      if (NonFinite found = in_activations(subject, batch, use); found.where != Where::kNowhere)
        return found;
  return in_gradients(subject, batches[0], loss);
}

}  // namespace ballast::study
