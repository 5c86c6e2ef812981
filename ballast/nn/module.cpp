#include "ballast/nn/module.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <typeinfo>
#include <unordered_map>

#include "ballast/graph/eval.h"
#include "ballast/nn/observe.h"
#include "ballast/nn/state.h"
#include "ballast/ops/view.h"

namespace ballast::nn {
namespace {

/// What has been copied since the outermost CloneScope of this thread began.
struct Copies {
  int depth = 0;
  std::unordered_map<const ModuleState*, std::shared_ptr<ModuleState>> states;
  std::unordered_map<const TensorImpl*, std::pair<Tensor, Tensor>> tensors;  // original and copy
};
thread_local Copies t_copies;
thread_local CallObserver* t_observer = nullptr;

Tensor copy_of(const Tensor& t) {
  if (!t.defined()) return t;
  auto [it, added] = t_copies.tensors.try_emplace(t.impl());
  if (!added) return it->second.second;
  // Memory is shared until one of the two is written to.
  t.eval();
  Tensor copy = clone(t.detach());
  if (t.requires_grad() && t.is_leaf()) copy.set_requires_grad();
  if (t.grad().defined()) copy.set_grad(clone(t.grad().eval().detach()));
  it->second = {t, copy};
  return copy;
}

/// The value of `t` becomes `value` (of another type, perhaps); autograd keeps seeing the leaf it
/// was.
void set_value(const Tensor& t, const Tensor& value) {
  if (&value.node() == &t.node()) return;
  const bool leaf = t.requires_grad();
  Tensor fresh = value.detach();
  fresh.eval();
  Ref<Node> node = leaf_over(fresh.node());
  if (leaf) t.impl()->adopt(*node);
  t.impl()->assign(std::move(node));
}

StateDict without_duplicates(StateDict all) {
  std::set<const TensorImpl*> seen;
  std::erase_if(all, [&](const auto& entry) { return !seen.insert(entry.second.impl()).second; });
  return all;
}

std::vector<Tensor> values_of(const StateDict& named) {
  std::vector<Tensor> out;
  for (const auto& [name, t] : named) out.push_back(t);
  return out;
}

std::string quoted(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& n : names) out += (out.empty() ? "\"" : ", \"") + n + "\"";
  return out;
}

std::string indented(const std::string& text) {
  std::string out;
  for (char c : text) out += c == '\n' ? "\n  " : std::string(1, c);
  return out;
}

}  // namespace

CloneScope::CloneScope() { ++t_copies.depth; }
CloneScope::~CloneScope() {
  if (--t_copies.depth > 0) return;
  t_copies.states.clear();
  t_copies.tensors.clear();
}

ModuleTensor::ModuleTensor(const ModuleTensor& o)
    : Tensor(t_copies.depth > 0 ? copy_of(o) : static_cast<const Tensor&>(o)) {}

SharedState::SharedState() : state_(std::make_shared<ModuleState>()) {}

SharedState::SharedState(const SharedState& o) : state_(o.state_) {
  if (t_copies.depth == 0 || !o.state_) return;
  auto [it, added] = t_copies.states.try_emplace(o.state_.get());
  if (!added) {
    state_ = it->second;
    return;
  }
  it->second = state_ = std::make_shared<ModuleState>();
  const ModuleState& from = *o.state_;
  state_->training = from.training;
  for (const auto& [name, t] : from.parameters) state_->parameters.emplace_back(name, copy_of(t));
  for (const auto& [name, t] : from.buffers) state_->buffers.emplace_back(name, copy_of(t));
  for (const auto& child : from.children)
    state_->children.push_back({{child.copy(*child.module), child.copy}, child.name});
  if (from.replacement.module)
    state_->replacement = {from.replacement.copy(*from.replacement.module), from.replacement.copy};
}

Tensor Module::forward(const Tensor&) {
  fail<NotImplementedError>("Module [{}] is missing the required \"forward\" function",
                            type_name());
}

Tensor Module::operator()(const Tensor& x) {
  if (Module* replacement = state_->replacement.module.get()) return (*replacement)(x);
  return t_observer ? t_observer->call(*this, x) : forward(x);
}

CallObserver::CallObserver() : previous_(t_observer) { t_observer = this; }
CallObserver::~CallObserver() { t_observer = previous_; }

const ModuleState* identity(const Module& m) { return ModuleState::of(m); }

Module& Module::held() {
  Module* replacement = state_->replacement.module.get();
  return replacement ? replacement->held() : *this;
}

void Module::replace_by(Erased other) {
  check<ValueError>(&*other.module->held().state_ != &*state_, "a {} cannot be replaced by itself",
                    type_name());
  state_->replacement = std::move(other);
}

void Module::check_name(const std::string& name) const {
  check<KeyError>(!name.empty(), "module name can't be empty string \"\"");
  check<KeyError>(name.find('.') == std::string::npos, "module name can't contain \".\", got: {}",
                  name);
  const ModuleState& s = *state_;
  auto is_name = [&](const auto& entry) { return entry.first == name; };
  const bool taken = std::any_of(s.parameters.begin(), s.parameters.end(), is_name) ||
                     std::any_of(s.buffers.begin(), s.buffers.end(), is_name) ||
                     std::any_of(s.children.begin(), s.children.end(),
                                 [&](const auto& child) { return child.name == name; });
  check<KeyError>(!taken, "attribute '{}' already exists", name);
}

void Module::add_child(const std::string& name, Erased child) {
  check_name(name);
  state_->children.push_back({std::move(child), name});
}

ModuleTensor Module::add_parameter(const std::string& name, const Tensor& value) {
  check_name(name);
  if (value.defined()) Tensor(value).set_requires_grad();
  state_->parameters.emplace_back(name, value);
  return ModuleTensor(value);
}

ModuleTensor Module::add_buffer(const std::string& name, const Tensor& value) {
  check_name(name);
  state_->buffers.emplace_back(name, value);
  return ModuleTensor(value);
}

NamedModules Module::named_children() const {
  NamedModules out;
  for (const auto& child : held().state_->children) out.emplace_back(child.name, child.module);
  return out;
}

namespace {

/// Calls `f(name, module)` for a module and all below it, parents first.
template <class F>
void walk(const Module& m, const std::string& prefix, const F& f) {
  f(prefix, m);
  for (const auto& [name, child] : m.named_children())
    walk(*child, prefix.empty() ? name : prefix + "." + name, f);
}

}  // namespace

NamedModules Module::named_modules() {
  NamedModules out;
  std::set<const ModuleState*> seen;
  // The module itself belongs to the caller: its entry does not own it.
  out.emplace_back("", ModulePtr(ModulePtr(), &held()));
  seen.insert(&*held().state_);
  const std::function<void(const Module&, const std::string&)> visit = [&](const Module& m,
                                                                           const std::string& at) {
    for (const auto& [name, child] : m.named_children()) {
      if (!seen.insert(&*child->held().state_).second) continue;
      const std::string path = at.empty() ? name : at + "." + name;
      out.emplace_back(path, ModulePtr(child, &child->held()));
      visit(*child, path);
    }
  };
  visit(*this, "");
  return out;
}

StateDict Module::named_parameters() const {
  StateDict out;
  walk(*this, "", [&](const std::string& prefix, const Module& m) {
    for (const auto& [name, t] : m.held().state_->parameters)
      if (t.defined()) out.emplace_back(prefix.empty() ? name : prefix + "." + name, t);
  });
  return without_duplicates(std::move(out));
}

StateDict Module::named_buffers() const {
  StateDict out;
  walk(*this, "", [&](const std::string& prefix, const Module& m) {
    for (const auto& [name, t] : m.held().state_->buffers)
      if (t.defined()) out.emplace_back(prefix.empty() ? name : prefix + "." + name, t);
  });
  return without_duplicates(std::move(out));
}

std::vector<Tensor> Module::parameters() const { return values_of(named_parameters()); }
std::vector<Tensor> Module::buffers() const { return values_of(named_buffers()); }

int64_t Module::num_parameters() const {
  int64_t n = 0;
  for (const Tensor& p : parameters()) n += p.numel();
  return n;
}

void Module::train(bool on) {
  held().state_->training = on;
  for (const auto& [name, child] : named_children()) child->train(on);
}

bool Module::training() const { return held().state_->training; }

void Module::apply(const std::function<void(Module&)>& f) {
  for (const auto& [name, child] : named_children()) child->apply(f);
  f(held());
}

void Module::zero_grad() {
  for (Tensor& p : parameters()) p.set_grad({});
}

void Module::requires_grad_(bool on) {
  for (Tensor& p : parameters()) p.set_requires_grad(on);
}

void Module::to(DType dtype) {
  check<TypeError>(is_floating(dtype),
                   "nn.Module.to only accepts floating point or complex dtypes, but got desired "
                   "dtype={}",
                   name_of(dtype));
  NoGrad off;
  for (const auto& [name, t] : state_dict()) {
    if (!is_floating(t.dtype()) || t.dtype() == dtype) continue;
    set_value(t, t.to(dtype));
    if (t.grad().defined()) Tensor(t).set_grad(t.grad().to(dtype));
  }
}

StateDict Module::state_dict() const {
  StateDict out;
  walk(*this, "", [&](const std::string& prefix, const Module& m) {
    const ModuleState& s = *m.held().state_;
    for (const StateDict* list : {&s.parameters, &s.buffers})
      for (const auto& [name, t] : *list)
        if (t.defined()) out.emplace_back(prefix.empty() ? name : prefix + "." + name, t);
  });
  return out;
}

IncompatibleKeys Module::load_state_dict(const StateDict& state, bool strict) {
  std::unordered_map<std::string, Tensor> given(state.begin(), state.end());
  IncompatibleKeys keys;
  std::string sizes;
  const StateDict own = state_dict();
  std::set<std::string> known;
  for (const auto& [name, t] : own) {
    known.insert(name);
    const auto it = given.find(name);
    if (it == given.end()) {
      keys.missing.push_back(name);
    } else if (it->second.shape() != t.shape()) {
      sizes += fmt::format(
          "\n\tsize mismatch for {}: copying a param with shape torch.Size({}) from checkpoint, "
          "the "
          "shape in current model is torch.Size({}).",
          name, it->second.shape().str(), t.shape().str());
    }
  }
  for (const auto& [name, t] : state)
    if (!known.contains(name)) keys.unexpected.push_back(name);
  std::string errors;
  if (strict && !keys.missing.empty())
    errors += fmt::format("\n\tMissing key(s) in state_dict: {}. ", quoted(keys.missing));
  if (strict && !keys.unexpected.empty())
    errors += fmt::format("\n\tUnexpected key(s) in state_dict: {}. ", quoted(keys.unexpected));
  errors += sizes;
  check(errors.empty(), "Error(s) in loading state_dict for {}:{}", held().type_name(), errors);
  for (auto [name, t] : own)
    if (const auto it = given.find(name); it != given.end()) t.copy_(it->second);
  ballast::eval(values_of(own));
  return keys;
}

std::string Module::type_name() const {
  int status = 0;
  char* raw = abi::__cxa_demangle(typeid(*this).name(), nullptr, nullptr, &status);
  const std::string full = status == 0 ? raw : typeid(*this).name();
  std::free(raw);
  const size_t at = full.rfind("::");
  return at == std::string::npos ? full : full.substr(at + 2);
}

std::string Module::str() const {
  const Module& m = held();
  const std::string extra = m.extra_repr();
  std::string out = m.type_name() + "(";
  const NamedModules children = m.named_children();
  if (children.empty()) return out + extra + ")";
  if (!extra.empty()) out += "\n  " + indented(extra);
  for (const auto& [name, child] : children) out += "\n  (" + name + "): " + indented(child->str());
  return out + "\n)";
}

}  // namespace ballast::nn
