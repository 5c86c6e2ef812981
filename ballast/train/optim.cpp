#include "ballast/train/optim.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <unordered_map>

#include "ballast/base/bytes.h"
#include "ballast/base/threads.h"
#include "ballast/kernels/update.h"
#include "ballast/ops/view.h"
#include "ballast/sweep/eval.h"
#include "ballast/sweep/record.h"

namespace ballast::optim {
namespace {

// Elements updated by one call: a block of four float arrays of this length fits a 64 KiB share of
// L2, and is long enough to hide the handing out of blocks. Threads share the blocks of all
// parameters.
constexpr int64_t kBlock = 4096;

/// State of the parameter's size and type; zeros where it is new.
template <class T>
T* state_of(Tensor& state, const Tensor& param) {
  if (!state.defined()) {
    state = Tensor(make_leaf(param.shape(), param.dtype()));
    std::ranges::fill(state.mutable_data<T>(), T(0));
  } else if (state.dtype() != param.dtype()) {
    state = state.to(param.dtype());
  }
  return state.mutable_data<T>().data();
}

/// Whether the elements are some of a base's that do not lie one after the other.
bool lies_apart(const Tensor& param) { return param.impl()->is_view() && !is_contiguous(param); }

/// Elements [begin, ...) of an array, or null.
template <class T>
T* part(void* array, int64_t begin) {
  return array ? static_cast<T*>(array) + begin : nullptr;
}

/// In which a step on parameters of type T computes: float for half types.
template <class T>
using Computed = std::conditional_t<std::is_same_v<T, double>, double, float>;

/// A number as an element of type T holds it: PyTorch rounds half types after each operation.
template <class T>
Computed<T> as_stored(Computed<T> v) {
  return static_cast<Computed<T>>(static_cast<T>(v));
}

template <class T>
struct SgdStep {
  using C = Computed<T>;
  C lr, momentum, undamped, weight_decay;
  bool first, nesterov, maximize;

  void run(T* __restrict p, const T* __restrict grad, T* __restrict buffer, int64_t n) const {
    const C sign = maximize ? C(-1) : C(1);
    if (weight_decay == 0 && momentum == 0) {
      for (int64_t i = 0; i < n; ++i) p[i] = T(p[i] - lr * (sign * grad[i]));
      return;
    }
    if (momentum == 0) {
      for (int64_t i = 0; i < n; ++i)
        p[i] = T(p[i] - lr * as_stored<T>(sign * grad[i] + weight_decay * p[i]));
      return;
    }
    for (int64_t i = 0; i < n; ++i) {
      C g = sign * grad[i];
      if (weight_decay != 0) g = as_stored<T>(g + weight_decay * p[i]);
      const C b = first ? g : as_stored<T>(as_stored<T>(momentum * buffer[i]) + undamped * g);
      buffer[i] = T(b);
      p[i] = T(p[i] - lr * (nesterov ? as_stored<T>(g + momentum * b) : b));
    }
  }
};

template <class T>
struct AdamStep {
  using C = Computed<T>;
  C weight_decay, shrink;  // added to the gradient; factor of the parameter
  C rest1, beta2, rest2;   // 1 - b1, b2, 1 - b2
  C step_size, correction, eps;
  bool lerp_from_end, maximize;

  void run(T* __restrict p, const T* __restrict grad, T* __restrict m, T* __restrict v,
           T* __restrict largest, int64_t n) const {
    const C sign = maximize ? C(-1) : C(1);
    if constexpr (std::is_same_v<T, float>)
      return kernels::adam_update({.sign = sign,
                                   .weight_decay = weight_decay,
                                   .shrink = shrink,
                                   .rest1 = rest1,
                                   .beta2 = beta2,
                                   .rest2 = rest2,
                                   .step_size = step_size,
                                   .correction = correction,
                                   .eps = eps,
                                   .lerp_from_end = lerp_from_end},
                                  p, grad, m, v, largest, n);
    for (int64_t i = 0; i < n; ++i) {
      C g = sign * grad[i];
      if (weight_decay != 0) g = as_stored<T>(g + weight_decay * p[i]);
      // As torch.lerp: from the end that is nearer.
      const C d = g - m[i];
      m[i] = T(lerp_from_end ? g - d * (C(1) - rest1) : m[i] + rest1 * d);
      v[i] = T(as_stored<T>(v[i] * beta2) + rest2 * g * g);
    }
    if (largest)
      for (int64_t i = 0; i < n; ++i)
        largest[i] = v[i] > largest[i] || std::isnan(static_cast<C>(v[i])) ? v[i] : largest[i];
    const T* second = largest ? largest : v;
    for (int64_t i = 0; i < n; ++i) {
      const C root = as_stored<T>(std::sqrt(static_cast<C>(second[i])));
      const C denominator = as_stored<T>(as_stored<T>(root / correction) + eps);
      p[i] = T(as_stored<T>(shrink * p[i]) - step_size * m[i] / denominator);
    }
  }
};

void check_non_negative(double value, const char* what) {
  check<ValueError>(value >= 0, "Invalid {}: {}", what, value);
}

Tensor scalar(double value) { return Tensor::from(std::span<const double>(&value, 1), Shape{}); }

}  // namespace

void Optimizer::add_group(const std::vector<Tensor>& params) {
  check<ValueError>(!params.empty(), "optimizer got an empty parameter list");
  for (const Tensor& p : params) {
    check<ValueError>(p.is_leaf() && is_floating(p.dtype()), "can't optimize a non-leaf Tensor");
    for (const Slot& s : slots_)
      check<ValueError>(!s.param.is(p), "some parameters appear in more than one parameter group");
    slots_.push_back({.param = p, .group = num_groups_, .step = 0, .state = {}});
  }
  ++num_groups_;
  grads_.reserve(slots_.size());
  arrays_.reserve(slots_.size());
}

void Optimizer::zero_grad() {
  for (Slot& s : slots_) s.param.set_grad({});
}

void Optimizer::step() {
  grads_.clear();
  arrays_.clear();
  for (Slot& slot : slots_) {
    Tensor grad = slot.param.grad();
    if (!grad.defined()) continue;
    grads_.push_back(std::move(grad));
    arrays_.push_back({.slot = &slot});
  }
  eval(std::span<const Tensor>(grads_));
  const NoInterrupt on;  // all parameters are of the same step
  const auto start = std::chrono::steady_clock::now();
  for (size_t k = 0; k < arrays_.size(); ++k) {
    ++arrays_[k].slot->step;
    prepare(arrays_[k], grads_[k]);
  }
  update_all();
  for (Arrays& at : arrays_) {
    if (at.copy.defined()) at.slot->param.copy_(at.copy);
    at.copy = {};
  }
  if (sweep::Record* const record = sweep::record_of_this_thread()) {
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    report(*record, took.count());
  }
  grads_.clear();
}

void Optimizer::prepare(Arrays& at, const Tensor& grad) const {
  Slot& slot = *at.slot;
  at.first = !slot.state[0].defined();
  dispatch_real(slot.param.dtype(), name(), [&](auto zero) {
    using T = decltype(zero);
    at.grad = grad.data<T>().data();
    if (lies_apart(slot.param)) at.copy = clone(slot.param.detach());
    at.param = Tensor(at.copy.defined() ? at.copy : slot.param).mutable_data<T>().data();
    for (size_t i = 0; i < states(slot.group); ++i)
      at.state[i] = state_of<T>(slot.state[i], slot.param);
  });
}

void Optimizer::update_all() {
  int64_t blocks = 0, elements = 0;
  for (Arrays& at : arrays_) {
    const int64_t n = at.slot->param.numel();
    at.block = blocks;
    blocks += (n + kBlock - 1) / kBlock;
    elements += n;
  }
  parallel_for(blocks, cost() * static_cast<double>(elements), [&](int64_t b) {
    const auto after = std::upper_bound(arrays_.begin(), arrays_.end(), b,
                                        [](int64_t i, const Arrays& at) { return i < at.block; });
    const Arrays& at = *std::prev(after);
    const int64_t begin = (b - at.block) * kBlock;
    update(at, begin, std::min(at.slot->param.numel(), begin + kBlock));
  });
}

void Optimizer::report(sweep::Record& record, double seconds) const {
  int64_t elements = 0, parameters = 0, state = 0;
  for (const Arrays& at : arrays_) {
    const Tensor& param = at.slot->param;
    const auto bytes = static_cast<int64_t>(bytes_of(param.shape(), param.dtype()));
    elements += param.numel();
    parameters += bytes;
    for (const void* array : at.state) state += array ? bytes : 0;
  }
  record.updated(name(), elements, parameters, state, seconds);
}

std::vector<Tensor> Optimizer::parameters(size_t group) const {
  std::vector<Tensor> out;
  for (const Slot& s : slots_)
    if (s.group == group) out.push_back(s.param);
  return out;
}

StateDict Optimizer::state_dict() const {
  StateDict out;
  for (size_t i = 0; i < slots_.size(); ++i) {
    const Slot& s = slots_[i];
    if (s.step == 0) continue;
    const std::string prefix = fmt::format("state.{}.", i);
    out.emplace_back(prefix + "step", Tensor::from(std::span<const int64_t>(&s.step, 1), Shape{}));
    for (size_t k = 0; k < state_names().size(); ++k)
      if (s.state[k].defined())
        out.emplace_back(prefix + state_names()[k], clone(s.state[k].eval().detach()));
  }
  for (size_t g = 0; g < num_groups_; ++g)
    for (const auto& [name, value] : settings(g))
      out.emplace_back(fmt::format("param_groups.{}.{}", g, name), scalar(value));
  return out;
}

void Optimizer::load_state_dict(const StateDict& state) {
  const std::unordered_map<std::string, Tensor> given(state.begin(), state.end());
  size_t known = 0;
  auto find = [&](const std::string& name) {
    const auto it = given.find(name);
    if (it == given.end()) return Tensor();
    ++known;
    return it->second;
  };
  std::vector<Slot> loaded = slots_;
  for (size_t i = 0; i < slots_.size(); ++i) {
    Slot& s = loaded[i];
    const Tensor step = find(fmt::format("state.{}.step", i));
    s.step = step.defined() ? step.item<int64_t>() : 0;
    for (size_t k = 0; k < state_names().size(); ++k) {
      const std::string name = fmt::format("state.{}.{}", i, state_names()[k]);
      const Tensor t = find(name);
      check(!t.defined() || t.shape() == s.param.shape(),
            "loaded optimizer state {} has shape {}, the parameter has shape {}", name,
            t.defined() ? t.shape() : Shape(), s.param.shape());
      s.state[k] = t.defined() ? clone(t.to(s.param.dtype()).eval().detach()) : Tensor();
    }
  }
  std::vector<Settings> values;
  for (size_t g = 0; g < num_groups_; ++g) {
    values.push_back(settings(g));
    for (auto& [name, value] : values.back()) {
      const Tensor t = find(fmt::format("param_groups.{}.{}", g, name));
      check(t.defined(), "loaded optimizer state has no param_groups.{}.{}", g, name);
      value = t.item<double>();
    }
  }
  check(known == given.size(),
        "loaded optimizer state has {} entries, of which this optimizer knows {}: it was saved by "
        "an optimizer of another kind or of other parameters",
        given.size(), known);
  slots_ = std::move(loaded);
  for (size_t g = 0; g < num_groups_; ++g)
    for (const auto& [name, value] : values[g]) set(g, name, value);
}

SGD::SGD(const std::vector<Group>& groups) {
  check<ValueError>(!groups.empty(), "optimizer got an empty parameter list");
  for (const auto& [params, o] : groups) {
    check_non_negative(o.lr, "learning rate");
    check_non_negative(o.momentum, "momentum value");
    check_non_negative(o.weight_decay, "weight_decay value");
    check<ValueError>(!o.nesterov || (o.momentum > 0 && o.dampening == 0),
                      "Nesterov momentum requires a momentum and zero dampening");
    add_group(params);
    options_.push_back(o);
  }
}

void SGD::update(const Arrays& at, int64_t begin, int64_t end) const {
  dispatch_real(at.slot->param.dtype(), "SGD", [&](auto zero) {
    using T = decltype(zero);
    using C = Computed<T>;
    const SGDOptions& o = options_[at.slot->group];
    const SgdStep<T> step{static_cast<C>(o.lr),
                          static_cast<C>(o.momentum),
                          static_cast<C>(1 - o.dampening),
                          static_cast<C>(o.weight_decay),
                          at.first,
                          o.nesterov,
                          o.maximize};
    step.run(part<T>(at.param, begin), static_cast<const T*>(at.grad) + begin,
             part<T>(at.state[0], begin), end - begin);
  });
}

std::span<const char* const> SGD::state_names() const {
  static constexpr const char* kNames[] = {"momentum_buffer"};
  return kNames;
}

Settings SGD::settings(size_t group) const {
  const SGDOptions& o = options_.at(group);
  return {{"lr", o.lr},
          {"momentum", o.momentum},
          {"dampening", o.dampening},
          {"weight_decay", o.weight_decay},
          {"nesterov", o.nesterov},
          {"maximize", o.maximize}};
}

bool SGD::set(size_t group, const std::string& name, double value) {
  SGDOptions& o = options_.at(group);
  if (name == "lr") return o.lr = value, true;
  if (name == "momentum") return o.momentum = value, true;
  if (name == "dampening") return o.dampening = value, true;
  if (name == "weight_decay") return o.weight_decay = value, true;
  if (name == "nesterov") return o.nesterov = value != 0, true;
  if (name == "maximize") return o.maximize = value != 0, true;
  return false;
}

Adam::Adam(const std::vector<Group>& groups, bool decoupled_weight_decay)
    : decoupled_(decoupled_weight_decay) {
  check<ValueError>(!groups.empty(), "optimizer got an empty parameter list");
  for (const auto& [params, o] : groups) {
    check_non_negative(o.lr, "learning rate");
    check_non_negative(o.eps, "epsilon value");
    for (int i = 0; i < 2; ++i)
      check<ValueError>(o.betas[i] >= 0 && o.betas[i] < 1, "Invalid beta parameter at index {}: {}",
                        i, o.betas[i]);
    check_non_negative(o.weight_decay, "weight_decay value");
    add_group(params);
    options_.push_back(o);
  }
}

void Adam::update(const Arrays& at, int64_t begin, int64_t end) const {
  dispatch_real(at.slot->param.dtype(), "Adam", [&](auto zero) {
    using T = decltype(zero);
    using C = Computed<T>;
    const AdamOptions& o = options_[at.slot->group];
    const auto t = static_cast<double>(at.slot->step);
    const double rest1 = 1 - o.betas[0];
    const AdamStep<T> step{.weight_decay = static_cast<C>(decoupled_ ? 0.0 : o.weight_decay),
                           .shrink = static_cast<C>(decoupled_ ? 1 - o.lr * o.weight_decay : 1.0),
                           .rest1 = static_cast<C>(rest1),
                           .beta2 = static_cast<C>(o.betas[1]),
                           .rest2 = static_cast<C>(1 - o.betas[1]),
                           .step_size = static_cast<C>(o.lr / (1 - std::pow(o.betas[0], t))),
                           .correction = static_cast<C>(std::sqrt(1 - std::pow(o.betas[1], t))),
                           .eps = static_cast<C>(o.eps),
                           .lerp_from_end = rest1 >= 0.5,
                           .maximize = o.maximize};
    step.run(part<T>(at.param, begin), static_cast<const T*>(at.grad) + begin,
             part<T>(at.state[0], begin), part<T>(at.state[1], begin), part<T>(at.state[2], begin),
             end - begin);
  });
}

std::span<const char* const> Adam::state_names() const {
  static constexpr const char* kNames[] = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};
  return kNames;
}

Settings Adam::settings(size_t group) const {
  const AdamOptions& o = options_.at(group);
  return {{"lr", o.lr},
          {"beta1", o.betas[0]},
          {"beta2", o.betas[1]},
          {"eps", o.eps},
          {"weight_decay", o.weight_decay},
          {"amsgrad", o.amsgrad},
          {"maximize", o.maximize}};
}

bool Adam::set(size_t group, const std::string& name, double value) {
  AdamOptions& o = options_.at(group);
  if (name == "lr") return o.lr = value, true;
  if (name == "beta1") return o.betas[0] = value, true;
  if (name == "beta2") return o.betas[1] = value, true;
  if (name == "eps") return o.eps = value, true;
  if (name == "weight_decay") return o.weight_decay = value, true;
  if (name == "amsgrad") return o.amsgrad = value != 0, true;
  if (name == "maximize") return o.maximize = value != 0, true;
  return false;
}

namespace {

std::vector<Adam::Group> as_adam(const std::vector<AdamW::Group>& groups) {
  std::vector<Adam::Group> out;
  out.reserve(groups.size());
  for (const auto& [params, o] : groups)
    out.push_back({params,
                   {.lr = o.lr,
                    .betas = o.betas,
                    .eps = o.eps,
                    .weight_decay = o.weight_decay,
                    .amsgrad = o.amsgrad,
                    .maximize = o.maximize}});
  return out;
}

}  // namespace

AdamW::AdamW(const std::vector<Group>& groups) : Adam(as_adam(groups), true) {}

}  // namespace ballast::optim
