// The layers by name, made from and called with PyTorch's arguments.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ballast/nn/module.h"
#include "tests/support/module_db.h"

namespace ballast::test {

/// A layer, and how it is called.
struct Layer {
  nn::ModulePtr module;
  std::function<std::vector<Tensor>(const std::vector<Tensor>& inputs, Arguments& call)> call;
};

/// The layer of that name. Throws std::out_of_range for one that is not there.
Layer make_layer(const std::string& name, Arguments& arguments);
std::vector<std::string> layer_names();

}  // namespace ballast::test
