// Modules one after the other.
#pragma once

#include "ballast/nn/module.h"

namespace ballast::nn {

/// Calls its modules in order, each on what the last returned. `Sequential(Linear(10, 20), ReLU())`
/// names them "0", "1", ...; `push_back("fc", Linear(10, 20))` by hand.
class Sequential : public Module {
 public:
  Sequential() = default;
  template <class First, class... Rest>
  requires(std::is_base_of_v<Module, First>) explicit Sequential(First first, Rest... rest) {
    push_back(std::move(first));
    (push_back(std::move(rest)), ...);
  }

  template <class M>
  Sequential& push_back(M module) {
    return push_back(std::to_string(size()), std::move(module));
  }
  template <class M>
  Sequential& push_back(const std::string& name, M module) {
    add(name, std::move(module));
    return *this;
  }

  Tensor forward(const Tensor& x) override;
  int64_t size() const;
  /// Module number `index`, negative ones counted from the end. Throws IndexError "index 3 is out
  /// of range".
  Module& operator[](int64_t index) const;
  /// Exchanges two modules; the names stay where they are. Throws IndexError as above.
  void swap(int64_t first, int64_t second);

 private:
  size_t position(int64_t index) const;
};

}  // namespace ballast::nn
