// What the copies of a module share. Not part of the public interface.
#pragma once

#include "ballast/nn/module.h"

namespace ballast::nn {

struct ModuleState {
  struct Child : Module::Erased {
    std::string name;
  };

  static const ModuleState* of(const Module& m) { return &*m.held().state_; }

  bool training = true;
  StateDict parameters, buffers;  // may be undefined
  std::vector<Child> children;
  Module::Erased replacement;  // acts in place of everything above where there is one
};

}  // namespace ballast::nn
