#include "ballast/study/exact_batch.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "ballast/base/buffer.h"
#include "ballast/grad/grad.h"
#include "ballast/graph/eval.h"
#include "ballast/graph/pending.h"
#include "ballast/ops/batch_norm.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/study/merged_moments.h"
#include "ballast/study/stages.h"

namespace ballast::study {
namespace {

using Values = Stages::Values;

/// A call of a batch-norm layer while a part is recorded.
struct LayerCall {
  Tensor moments;  // of the whole batch, in the part's recording
  BatchNormState state;
  bool tracked;
  double momentum;
  Tensor input;
};

class PartScope : public StatisticsScope {
 public:
  Tensor moments(const Tensor& x, const BatchNormState* state, double momentum) override {
    Tensor m = record(barrier_op(), Shape{kMomentRows, x.size(1)}, x.dtype(), {x});
    calls.push_back({m, state ? *state : BatchNormState{}, state != nullptr, momentum, x});
    return m;
  }
  bool beyond_input() const override { return true; }

  std::vector<LayerCall> calls;
};

int64_t values_per_channel(const Tensor& x) { return x.size(1) ? x.numel() / x.size(1) : 0; }

/// A leaf with the same elements, of which a gradient may be asked.
Tensor leaf_like(const Tensor& t) {
  Ref<Node> leaf = leaf_over(t.node());
  leaf->requires_grad = leaf->grad_leaf = true;
  return Tensor(std::move(leaf));
}

/// Freed blocks fit only values of their size: those that one part of the network has left would be
/// held beside those that the next needs. They go back to the system where they are half as much as
/// what is in use: more often, and taking them anew would cost more than they are worth.
void trim_pool() {
  const MemoryUse use = memory_use();
  if (use.pooled > use.live / 2) release_pool();
}

/// The same value, not evaluated yet, perhaps; what is recorded from here on is differentiated up
/// to it. Nobody else has seen the node.
Tensor as_leaf(const Tensor& t) {
  if (t.node().evaluated()) return leaf_like(t);
  t.node().requires_grad = t.node().grad_leaf = true;
  return t;
}

}  // namespace

struct ExactBatch::Part {
  double weight;
  Tensor loss;
  std::vector<LayerCall> calls;
  Stages stages;
  std::unordered_map<int, size_t> barrier_at;  // which call a barrier of the recording is
  Values held;                                 // a front's values
  std::vector<Values> kept;                    // of each checkpoint
  Values gradients;                            // of a front's values, on the way back

  int input_of(size_t call) const { return stages.position(calls[call].input); }
  int level_of(size_t call) const { return stages.level(stages.position(calls[call].moments)); }
};

struct ExactBatch::Barrier {
  int level = 0;
  MergedMoments merged;
  Tensor moments;                 // of the whole batch
  std::vector<double> gradients;  // of the loss by the moments

  /// Coefficients with which channel_affine(x, .) is the gradient of x by way of the moments: for
  /// n values, gm/n + (2*gv + gd/deviation)*(x - mean)/n.
  Tensor coefficients() const {
    const size_t channels = merged.mean.size();
    std::vector<double> k(merged.mean);
    for (size_t c = 0; c < channels; ++c) {
      const double deviation = std::sqrt(merged.squares[c] / merged.count);
      const double by = deviation > 0 ? gradients[2 * channels + c] / deviation : 0;
      k.push_back((2 * gradients[channels + c] + by) / merged.count);
    }
    for (size_t c = 0; c < channels; ++c) k.push_back(gradients[c] / merged.count);
    return Tensor::from(k, {3, static_cast<int64_t>(channels)}).to(moments.dtype());
  }
};

ExactBatch::ExactBatch(int stride) : stride_(stride) {
  check<ValueError>(stride > 0, "expected a positive stride, got {}", stride);
}
ExactBatch::~ExactBatch() = default;

void ExactBatch::add(double weight, const std::function<Tensor()>& loss) {
  const Pending::Pause pause;
  const size_t pending = pending_state().size();
  Tensor value;
  std::vector<LayerCall> calls;
  {
    PartScope scope;
    value = loss();
    calls = std::move(scope.calls);
  }
  auto& all = pending_state();
  if (all.size() > pending) {
    for (size_t i = all.size(); i-- > pending;) all[i].state->assign(all[i].before);
    all.resize(pending);
    fail(
        "train_step: the network changes state other than the running statistics of batch "
        "normalization");
  }
  check(value.numel() == 1, "grad can be implicitly created only for scalar outputs");
  check(value.requires_grad(),
        "element 0 of tensors does not require grad and does not have a grad_fn");
  std::vector<Tensor> outputs{value};
  for (const LayerCall& c : calls) outputs.push_back(c.moments);
  Part part{weight, value, std::move(calls), Stages(outputs), {}, {}, {{}}, {}};
  for (size_t b = 0; b < part.calls.size(); ++b)
    part.barrier_at[part.stages.position(part.calls[b].moments)] = b;
  if (!parts_.empty()) {
    const Part& first = parts_.front();
    bool alike = part.calls.size() == first.calls.size();
    for (size_t b = 0; alike && b < part.calls.size(); ++b)
      alike = part.calls[b].moments.shape() == first.calls[b].moments.shape() &&
              part.level_of(b) == first.level_of(b);
    check(alike, "train_step: the parts of the batch call different batch-norm layers");
  }
  parts_.push_back(std::move(part));
}

/// Every `stride` stages or so, where the least is to be held.
void ExactBatch::choose_checkpoints() {
  const Stages& stages = parts_.front().stages;
  checkpoints_ = {0};
  for (int at = 0; at + stride_ < stages.count();) {
    int best = at + stride_;
    for (int s = at + stride_; s > at + stride_ / 2; --s)
      if (stages.bytes(stages.core(s)) < stages.bytes(stages.core(best))) best = s;
    checkpoints_.push_back(at = best);
  }
}

/// Computes a stage of a part, and the moments at its end.
void ExactBatch::forward(Part& part, int stage) {
  const Stages& stages = part.stages;
  std::vector<int> wanted = stages.front(stage + 1);
  std::vector<size_t> measured;
  for (size_t b = 0; b < barriers_.size(); ++b) {
    if (barriers_[b].level != stage + 1) continue;
    measured.push_back(b);
    wanted.push_back(part.input_of(b));
  }
  Values values = std::move(part.held);
  const auto path = stages.path(wanted, values);
  for (int v : stages.read_by(path))
    if (stages.is_barrier(v)) values[v] = barriers_[part.barrier_at.at(v)].moments;
  stages.replay(path, values);
  Values next;
  std::vector<Tensor> results;
  for (size_t b : measured) {
    const auto it = values.find(part.input_of(b));
    results.push_back(exact_moments(it != values.end() ? it->second : part.calls[b].input));
  }
  for (int v : stages.front(stage + 1)) results.push_back(next[v] = values.at(v));
  values.clear();
  eval(results);
  part.held = std::move(next);
  for (size_t i = 0; i < measured.size(); ++i) {
    const int64_t n = values_per_channel(part.calls[measured[i]].input);
    barriers_[measured[i]].merged.merge(results[i], static_cast<double>(n));
  }
}

/// Computes a stage of all parts, and the moments of the whole batch at its end.
void ExactBatch::forward(int stage) {
  NoGrad off;
  for (Part& part : parts_) forward(part, stage);
  for (size_t b = 0; b < barriers_.size(); ++b) {
    Barrier& barrier = barriers_[b];
    if (barrier.level != stage + 1) continue;
    const LayerCall& call = parts_.front().calls[b];
    check_moments(call.input, static_cast<int64_t>(barrier.merged.count));
    barrier.moments = barrier.merged.moments(call.input.dtype()).eval();
    barrier.gradients.assign(kMomentRows * barrier.merged.mean.size(), 0);
  }
  if (std::find(checkpoints_.begin(), checkpoints_.end(), stage + 1) == checkpoints_.end()) return;
  for (Part& part : parts_) {
    part.kept.emplace_back();
    for (int v : part.stages.core(stage + 1)) part.kept.back()[v] = part.held.at(v);
  }
}

/// The derivative of the step's loss by a value that a stage makes; undefined where there is none.
Tensor ExactBatch::seed(const Part& part, int stage, int v, const Tensor& value) const {
  NoGrad off;
  const auto it = part.gradients.find(v);
  Tensor out = it != part.gradients.end() ? it->second : Tensor();
  const auto take_in = [&](const Tensor& g) { out = out.defined() ? out + g : g; };
  for (size_t b = 0; b < barriers_.size(); ++b)
    if (barriers_[b].level == stage + 1 && part.input_of(b) == v)
      take_in(channel_affine(value, barriers_[b].coefficients()));
  if (part.stages.position(part.loss) == v)
    take_in(reshape(Scalar(part.weight).beside(value), value.shape()));
  return out;
}

void ExactBatch::add_to_sum(const Node& leaf, const Tensor& gradient,
                            std::vector<Tensor>& results) {
  auto at = std::find_if(sums_.begin(), sums_.end(),
                         [&](const auto& entry) { return entry.first.get() == &leaf; });
  if (at == sums_.end())
    sums_.emplace_back(Ref<Node>(const_cast<Node*>(&leaf)), gradient), at = sums_.end() - 1;
  else
    at->second = at->second + gradient;
  results.push_back(at->second);
}

/// Computes a stage of a part again, from the checkpoint before it, and goes back through it.
void ExactBatch::backward(Part& part, int stage) {
  const Stages& stages = part.stages;
  const int loss = stages.position(part.loss);
  std::vector<int> wanted;
  for (int v : stages.front(stage + 1))
    if (stages.level(v) == stage) wanted.push_back(v);
  for (size_t b = 0; b < barriers_.size(); ++b)
    if (barriers_[b].level == stage + 1) wanted.push_back(part.input_of(b));
  if (stages.level(loss) == stage) wanted.push_back(loss);
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());

  const auto moments = [&](int v) { return barriers_[part.barrier_at.at(v)].moments; };
  Values values = part.kept.back();
  {
    NoGrad off;
    const auto again = stages.path(stages.front(stage), values);
    for (int v : stages.read_by(again))
      if (stages.is_barrier(v)) values[v] = moments(v);
    stages.replay(again, values);
    Values front;
    for (int v : stages.front(stage)) front[v] = values.at(v);
    values = std::move(front);
  }
  const auto path = stages.path(wanted, values);
  std::vector<int> sources;
  std::vector<Tensor> leaves;
  for (int v : stages.read_by(path)) {
    if (stages.is_barrier(v)) values[v] = moments(v);
    if (!stages.node(v).requires_grad) continue;
    const auto it = values.find(v);
    values[v] = as_leaf(it != values.end() ? it->second : stages.tensor(v));
    sources.push_back(v);
    leaves.push_back(values[v]);
  }
  stages.replay(path, values);

  std::vector<Tensor> outputs, seeds, results;
  for (int v : wanted) {
    const auto it = values.find(v);
    if (it == values.end() || !it->second.requires_grad()) continue;
    const Tensor g = seed(part, stage, v, it->second);
    if (!g.defined()) continue;
    outputs.push_back(it->second);
    seeds.push_back(g);
  }
  if (stages.level(loss) == stage) results.push_back(values.at(loss));
  std::vector<Tensor> gradients;
  if (!outputs.empty()) gradients = grads(outputs, leaves, seeds, false, false, true);
  for (int v : wanted) part.gradients.erase(v);
  values.clear();
  outputs.clear();
  seeds.clear();
  leaves.clear();
  std::vector<std::pair<size_t, Tensor>> by_moments;
  for (size_t i = 0; i < gradients.size(); ++i) {
    const int v = sources[i];
    if (!gradients[i].defined()) continue;
    if (stages.is_barrier(v)) {
      by_moments.emplace_back(part.barrier_at.at(v), gradients[i]);
      results.push_back(gradients[i]);
    } else if (stages.node(v).grad_leaf) {
      add_to_sum(stages.node(v), gradients[i], results);
    } else {
      Tensor& g = part.gradients[v];
      g = g.defined() ? g + gradients[i] : gradients[i];
      results.push_back(g);
    }
  }
  gradients.clear();
  eval(results);
  if (stages.level(loss) == stage) loss_ += part.weight * results.front().item();
  for (const auto& [b, g] : by_moments) {
    const auto wide = g.to(DType::kFloat64).values<double>();
    for (size_t i = 0; i < wide.size(); ++i) barriers_[b].gradients[i] += wide[i];
  }
}

void ExactBatch::backward(int stage) {
  for (Part& part : parts_) {
    backward(part, stage);
    if (checkpoints_.back() == stage && stage > 0) part.kept.pop_back();
  }
  if (checkpoints_.back() == stage && stage > 0) checkpoints_.pop_back();
}

/// What others see: gradients and running statistics.
void ExactBatch::finish() {
  for (const auto& [leaf, sum] : sums_)
    if (leaf->slot && leaf->slot->owner) {
      const Tensor owner{Ref<TensorImpl>(leaf->slot->owner)};
      owner.backward(sum);
    }
  for (size_t b = 0; b < barriers_.size(); ++b) {
    const LayerCall& call = parts_.front().calls[b];
    if (call.tracked)
      track_moments(call.state, barriers_[b].moments,
                    static_cast<int64_t>(barriers_[b].merged.count), call.momentum);
  }
  eval(std::span<const Tensor>());
}

double ExactBatch::run() {
  const Pending::Pause pause;
  check<ValueError>(!parts_.empty(), "train_step: there is no part");
  const Part& first = parts_.front();
  barriers_.resize(first.calls.size());
  for (size_t b = 0; b < barriers_.size(); ++b) barriers_[b].level = first.level_of(b);
  const int stages = first.stages.count();
  choose_checkpoints();
  for (int s = 0; s + 1 < stages; ++s) {
    forward(s);
    trim_pool();
  }
  for (Part& part : parts_) part.held.clear();
  for (int s = stages; s-- > 0;) {
    trim_pool();
    backward(s);
  }
  finish();
  parts_.clear();
  return loss_;
}

}  // namespace ballast::study
