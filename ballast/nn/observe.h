// Looking on as modules call each other.
#pragma once

#include "ballast/nn/module.h"

namespace ballast::nn {

/// While it lives, every module that is called on this thread is called through it: what a module
/// gets and gives can be seen, or another result put in its place. Of several the youngest is
/// asked.
class CallObserver {
 public:
  CallObserver();
  virtual ~CallObserver();
  CallObserver(const CallObserver&) = delete;
  CallObserver& operator=(const CallObserver&) = delete;

  /// Takes the place of `m(x)`. The default runs it.
  virtual Tensor call(Module& m, const Tensor& x) { return m.forward(x); }

 private:
  CallObserver* previous_;
};

/// What is the same for all handles of one module and differs between modules.
const ModuleState* identity(const Module& m);

}  // namespace ballast::nn
