// Modules: layers and networks, as PyTorch's `nn.Module`.
//
//   struct Net : nn::Module {
//     nn::Linear      fc1 = add("fc1", nn::Linear(10, 20));
//     nn::BatchNorm1d bn1 = add("bn1", nn::BatchNorm1d(20));
//     Tensor forward(const Tensor& x) override { return relu(bn1(fc1(x))); }
//   };
//
// A module is a handle to shared state: copying aliases, `clone` copies. A module's class needs
// neither copy nor move operations of its own.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ballast/graph/tensor.h"

namespace ballast {

/// Tensors with their names, in order: what `state_dict` returns and `save` writes.
using StateDict = std::vector<std::pair<std::string, Tensor>>;

namespace nn {

class Module;
struct ModuleState;

/// While it lives, copying a module on this thread copies what it holds, once per object (see
/// `clone`).
class CloneScope {
 public:
  CloneScope();
  ~CloneScope();
  CloneScope(const CloneScope&) = delete;
  CloneScope& operator=(const CloneScope&) = delete;
};

/// A tensor that belongs to a module (a parameter or a buffer), kept as a member of the module's
/// class. Copying it aliases, like any tensor, except that a clone of the module gets its own.
class ModuleTensor : public Tensor {
 public:
  ModuleTensor() = default;
  explicit ModuleTensor(const Tensor& t) : Tensor(t) {}
  ModuleTensor(const ModuleTensor& o);
  ModuleTensor(ModuleTensor&&) = default;
  ModuleTensor& operator=(const ModuleTensor&) = default;
  ModuleTensor& operator=(ModuleTensor&&) = default;
};

/// The part of a module that its copies share. Copying it aliases, except within a `CloneScope`.
class SharedState {
 public:
  SharedState();
  SharedState(const SharedState& o);
  SharedState(SharedState&&) = default;
  SharedState& operator=(const SharedState&) = default;
  SharedState& operator=(SharedState&&) = default;

  ModuleState* operator->() const { return state_.get(); }
  ModuleState& operator*() const { return *state_; }

 private:
  std::shared_ptr<ModuleState> state_;
};

/// A module of any class.
using ModulePtr = std::shared_ptr<Module>;
using NamedModules = std::vector<std::pair<std::string, ModulePtr>>;

/// What `load_state_dict` could not match.
struct IncompatibleKeys {
  std::vector<std::string> missing, unexpected;
};

/// Base of layers and networks. Order and names (joined by dots) of everything it lists are
/// PyTorch's: a module's own, in the order they were added, then its children's.
class Module {
 public:
  Module() = default;
  virtual ~Module() = default;
  Module(const Module&) = default;
  Module(Module&&) = default;
  Module& operator=(const Module&) = default;
  Module& operator=(Module&&) = default;

  /// What the module computes; called through `module(x)`. The default throws NotImplementedError.
  virtual Tensor forward(const Tensor& x);
  Tensor operator()(const Tensor& x);

  // What it holds.
  StateDict named_parameters() const;
  std::vector<Tensor> parameters() const;
  StateDict named_buffers() const;
  std::vector<Tensor> buffers() const;
  /// Its children, and this module (named "") with all below it, parents first; a module used twice
  /// is listed once.
  NamedModules named_children() const;
  NamedModules named_modules();
  /// Number of elements of all parameters.
  int64_t num_parameters() const;

  /// Training mode: batch normalization uses and tracks the batch's statistics, dropout drops. For
  /// this module and all below it. New modules are in training mode.
  void train(bool on = true);
  void eval() { train(false); }
  bool training() const;

  /// Calls `f` for every module, children before parents.
  void apply(const std::function<void(Module&)>& f);
  /// Forgets all gradients.
  void zero_grad();
  /// Whether the parameters take part in training.
  void requires_grad_(bool on = true);
  /// Converts floating-point parameters and buffers, in place.
  void to(DType dtype);

  /// All parameters and buffers by name. The tensors are the module's own, not copies.
  StateDict state_dict() const;
  /// Copies values into parameters and buffers, in place, converting types. Throws Error "Error(s)
  /// in loading state_dict for Net: ..." with every key that does not fit, before anything is
  /// changed: sizes always, missing and unexpected keys where `strict`. Otherwise these are
  /// returned.
  IncompatibleKeys load_state_dict(const StateDict& state, bool strict = true);

  /// "Net(\n  (fc1): Linear(in_features=10, ...)\n)", as PyTorch prints modules.
  std::string str() const;
  /// The arguments between the parentheses of `str`.
  virtual std::string extra_repr() const { return ""; }
  /// The name of the class: "Linear".
  virtual std::string type_name() const;

  /// From now on all copies of this module act as `other`: it is called, listed, saved and printed
  /// in place of what was held.
  template <class M>
  void replace(M other) {
    replace_by(erase(std::move(other)));
  }
  /// What the handle holds now, if it is an `M`; else null.
  template <class M>
  M* as() {
    return dynamic_cast<M*>(&held());
  }

 protected:
  /// Adds a child and returns it, to initialize the member that stands for it. Throws KeyError for
  /// a name that is empty, taken or has a dot.
  template <class M>
  M add(const std::string& name, M module) {
    add_child(name, erase(module));
    return module;
  }
  /// Adds a tensor that is trained. An undefined one is listed nowhere (a layer without bias).
  ModuleTensor add_parameter(const std::string& name, const Tensor& value);
  /// Adds a tensor that is saved but not trained.
  ModuleTensor add_buffer(const std::string& name, const Tensor& value);

  ModuleState& state() const { return *state_; }

 private:
  friend struct ModuleState;
  struct Erased {
    ModulePtr module;
    ModulePtr (*copy)(const Module&) = nullptr;
  };
  template <class M>
  static Erased erase(M module) {
    static_assert(std::is_base_of_v<Module, M>);
    return {std::make_shared<M>(std::move(module)), [](const Module& m) -> ModulePtr {
              return std::make_shared<M>(static_cast<const M&>(m));
            }};
  }
  void add_child(const std::string& name, Erased child);
  void check_name(const std::string& name) const;
  void replace_by(Erased other);
  Module& held();
  const Module& held() const { return const_cast<Module*>(this)->held(); }

  SharedState state_;
};

/// A copy of a module that shares nothing with it: parameters (with their gradients), buffers and
/// children have the same values and their own memory.
template <class M>
M clone(const M& module) {
  CloneScope scope;
  return M(module);
}

}  // namespace nn
}  // namespace ballast
