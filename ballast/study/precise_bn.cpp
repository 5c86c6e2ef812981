#include "ballast/study/precise_bn.h"

#include "ballast/graph/eval.h"
#include "ballast/nn/batch_norm.h"
#include "ballast/ops/batch_norm.h"
#include "ballast/ops/pointwise.h"

namespace ballast::study {
namespace {

/// While it lives, batch normalizations are in training mode and all else in evaluation.
class OnlyNormsTrain {
 public:
  explicit OnlyNormsTrain(nn::Module& model) {
    for (const auto& [name, m] : model.named_modules()) before_.emplace_back(m, m->training());
    model.eval();
    for (const auto& [m, training] : before_)
      if (m->as<nn::BatchNorm>()) m->train();
  }
  ~OnlyNormsTrain() {
    // Parents first: what `train` says to children is set right by their own turn.
    for (const auto& [m, training] : before_) m->train(training);
  }
  OnlyNormsTrain(const OnlyNormsTrain&) = delete;
  OnlyNormsTrain& operator=(const OnlyNormsTrain&) = delete;

 private:
  std::vector<std::pair<nn::ModulePtr, bool>> before_;
};

}  // namespace

void RunningMoments::note(const BatchNormState& state, const Tensor& moments, double n) {
  size_t i = 0;
  while (i < layers_.size() && !layers_[i].state.mean.is(state.mean)) ++i;
  if (i == layers_.size()) layers_.push_back({state, {}, 0});
  noted_.push_back({i, moments, n});
}

void RunningMoments::collect() {
  std::vector<Tensor> all;
  for (const Noted& n : noted_) all.push_back(n.moments);
  eval(all);
  for (const Noted& n : noted_) {
    layers_[n.layer].merged.merge(n.moments, n.n);
    ++layers_[n.layer].batches;
  }
  noted_.clear();
}

void RunningMoments::write(double prior) const {
  check<ValueError>(prior >= 0, "expected prior >= 0, got {}", prior);
  NoGrad off;
  for (const Layer& layer : layers_) {
    const auto& [count, mean, squares] = layer.merged;
    if (count == 0) continue;
    const auto set = [&, n = count](Tensor state, const std::vector<double>& sums, double divisor) {
      const auto old = state.to(DType::kFloat64).values<double>();
      std::vector<double> fresh;
      for (size_t c = 0; c < sums.size(); ++c)
        fresh.push_back((n * sums[c] / divisor + prior * old[c]) / (n + prior));
      state.copy_(Tensor::from(fresh, state.shape()));
      state.eval();
    };
    auto target = layer.state;
    set(target.mean, mean, 1);
    set(target.var, squares, count > 1 ? count - 1 : 1);
    if (target.num_batches_tracked.defined())
      target.num_batches_tracked.copy_(Tensor::from<int64_t>({layer.batches}).reshape({}));
  }
}

Tensor StatisticsRecorder::moments(const Tensor& x, const BatchNormState* state, double) {
  const int64_t n = x.size(1) ? x.numel() / x.size(1) : 0;
  check_moments(x, n);
  Tensor own = channel_moments(x);
  if (state) to_.note(*state, own, static_cast<double>(n));
  return own;
}

void adapt_bn(nn::Module& model, data::Loader& batches, double prior) {
  RunningMoments all;
  {
    const OnlyNormsTrain mode(model);
    const StatisticsRecorder recorder(all);
    NoGrad off;
    for (const data::Batch& batch : batches) {
      const Tensor y = model(batch.x);
      all.collect();
    }
  }
  all.write(prior);
}

void precise_bn(nn::Module& model, data::Loader& batches) { adapt_bn(model, batches, 0); }

}  // namespace ballast::study
