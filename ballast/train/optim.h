// Optimizers: PyTorch's formulas, defaults, names and order of operations.
#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "ballast/nn/module.h"

namespace ballast::sweep {
class Record;
}

namespace ballast::optim {

/// Named numbers of a parameter group ("lr", "momentum", ...); flags are 0 or 1.
using Settings = std::vector<std::pair<std::string, double>>;

/// What all optimizers share. An optimizer holds handles of the parameters and, for each, some
/// tensors of its size. Not copyable: two optimizers of the same parameters would fight.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Forgets the gradients of all parameters.
  void zero_grad();
  /// Computes all gradients (and whatever else is pending) and updates the parameters, in place
  /// where nobody else needs their memory. Parameters without a gradient are left alone.
  void step();

  /// "SGD".
  std::string kind() const { return name(); }
  size_t num_groups() const { return num_groups_; }
  virtual double lr(size_t group = 0) const = 0;
  virtual void set_lr(double lr, size_t group = 0) = 0;
  /// The parameters of a group.
  std::vector<Tensor> parameters(size_t group) const;

  /// PyTorch's structure with joined names: "state.0.momentum_buffer" (numbered over all groups),
  /// "state.0.step" (int64 scalar), "param_groups.0.lr" (float64 scalar). The tensors are copies.
  StateDict state_dict() const;
  /// Continues from a saved state. Throws Error, before anything is changed, where a name is
  /// missing or unknown, or a size does not fit.
  void load_state_dict(const StateDict& state);

 protected:
  /// The most tensors kept for a parameter.
  static constexpr size_t kMaxState = 3;
  struct Slot {
    Tensor param;
    size_t group = 0;
    int64_t step = 0;
    std::array<Tensor, kMaxState> state;  // undefined until first used
  };

  Optimizer() = default;
  /// Throws ValueError where a list is empty, a tensor is no leaf or is listed twice.
  void add_group(const std::vector<Tensor>& params);
  /// Where one parameter's numbers are during a step: arrays of its type.
  struct Arrays {
    Slot* slot = nullptr;
    void* param = nullptr;
    Tensor copy = {};  // of a parameter whose elements lie apart: updated in its place
    const void* grad = nullptr;
    std::array<void*, kMaxState> state{};  // null where there is none
    bool first = false;                    // the state is new: zeros
    int64_t block = 0;                     // of all parameters' blocks, the first of this one
  };
  /// How many state tensors a parameter of a group has now.
  virtual size_t states(size_t group) const = 0;
  /// Updates elements [begin, end) of a parameter; called for parts of several at a time.
  virtual void update(const Arrays& at, int64_t begin, int64_t end) const = 0;
  /// What that costs an element, as `parallel_for` counts it.
  virtual double cost() const = 0;
  /// For reports: "SGD".
  virtual const char* name() const = 0;
  virtual std::span<const char* const> state_names() const = 0;
  virtual Settings settings(size_t group) const = 0;
  /// False for a name that is not among the settings.
  virtual bool set(size_t group, const std::string& name, double value) = 0;

 private:
  /// Makes state that is missing, and finds the arrays.
  void prepare(Arrays& at, const Tensor& grad) const;
  /// One pass over `arrays_`.
  void update_all();
  /// Tells a recorder (explain) what the pass did.
  void report(sweep::Record& record, double seconds) const;

  std::vector<Slot> slots_;
  size_t num_groups_ = 0;
  // Of one step: the gradients, and the arrays of the parameters they belong to.
  std::vector<Tensor> grads_;
  std::vector<Arrays> arrays_;
};

/// With g the gradient (negated by `maximize`), plus weight_decay*p:
///   b = momentum*b + (1 - dampening)*g   (b = g at first);   d = nesterov ? g + momentum*b : b
///   p = p - lr*d
/// (Sutskever et al. 2013, in PyTorch's variant: the learning rate is outside the momentum.)
struct SGDOptions {
  double lr = 1e-3;
  double momentum = 0.0, dampening = 0.0, weight_decay = 0.0;
  bool nesterov = false, maximize = false;
};

/// m = b1*m + (1 - b1)*g; v = b2*v + (1 - b2)*g^2;
///   p = p - lr/(1 - b1^t) * m / (sqrt(v)/sqrt(1 - b2^t) + eps)
/// (Kingma & Ba 2015, arXiv:1412.6980); with `amsgrad` the largest v so far (Reddi et al. 2018).
/// Weight decay is added to g.
struct AdamOptions {
  double lr = 1e-3;
  std::array<double, 2> betas = {0.9, 0.999};
  double eps = 1e-8, weight_decay = 0.0;
  bool amsgrad = false, maximize = false;
};

/// Adam, but the parameters shrink by the factor 1 - lr*weight_decay (Loshchilov & Hutter 2019,
/// arXiv:1711.05101).
struct AdamWOptions {
  double lr = 1e-3;
  std::array<double, 2> betas = {0.9, 0.999};
  double eps = 1e-8, weight_decay = 1e-2;
  bool amsgrad = false, maximize = false;
};

/// Parameters with options of their own.
template <class Options>
struct ParamGroup {
  std::vector<Tensor> params;
  Options options;
};

/// Options outside their range throw ValueError in PyTorch's words.
class SGD : public Optimizer {
 public:
  using Group = ParamGroup<SGDOptions>;
  explicit SGD(const std::vector<Tensor>& params, SGDOptions options = {})
      : SGD(std::vector<Group>{{params, options}}) {}
  explicit SGD(const std::vector<Group>& groups);

  double lr(size_t group = 0) const override { return options_.at(group).lr; }
  void set_lr(double lr, size_t group = 0) override { options_.at(group).lr = lr; }
  SGDOptions& options(size_t group = 0) { return options_.at(group); }

 protected:
  size_t states(size_t group) const override { return options_.at(group).momentum != 0 ? 1 : 0; }
  void update(const Arrays& at, int64_t begin, int64_t end) const override;
  double cost() const override { return 6; }
  const char* name() const override { return "SGD"; }
  std::span<const char* const> state_names() const override;
  Settings settings(size_t group) const override;
  bool set(size_t group, const std::string& name, double value) override;

 private:
  std::vector<SGDOptions> options_;
};

class Adam : public Optimizer {
 public:
  using Group = ParamGroup<AdamOptions>;
  explicit Adam(const std::vector<Tensor>& params, AdamOptions options = {})
      : Adam(std::vector<Group>{{params, options}}) {}
  explicit Adam(const std::vector<Group>& groups) : Adam(groups, false) {}

  double lr(size_t group = 0) const override { return options_.at(group).lr; }
  void set_lr(double lr, size_t group = 0) override { options_.at(group).lr = lr; }
  AdamOptions& options(size_t group = 0) { return options_.at(group); }

 protected:
  Adam(const std::vector<Group>& groups, bool decoupled_weight_decay);
  size_t states(size_t group) const override { return options_.at(group).amsgrad ? 3 : 2; }
  void update(const Arrays& at, int64_t begin, int64_t end) const override;
  double cost() const override { return 24; }
  const char* name() const override { return decoupled_ ? "AdamW" : "Adam"; }
  std::span<const char* const> state_names() const override;
  Settings settings(size_t group) const override;
  bool set(size_t group, const std::string& name, double value) override;

 private:
  std::vector<AdamOptions> options_;
  bool decoupled_;
};

class AdamW : public Adam {
 public:
  using Group = ParamGroup<AdamWOptions>;
  explicit AdamW(const std::vector<Tensor>& params, AdamWOptions options = {})
      : AdamW(std::vector<Group>{{params, options}}) {}
  explicit AdamW(const std::vector<Group>& groups);
};

}  // namespace ballast::optim
