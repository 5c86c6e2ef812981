// What the tables of layers by name are made of (module_layers.h).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/module_layers.h"

namespace ballast::test {

using A = Arguments;
using Maker = Layer (*)(Arguments&);
using Table = std::map<std::string, Maker>;

/// A layer that is called with its inputs, however many it takes.
template <class M>
Layer layer(M m) {
  const auto module = std::make_shared<M>(std::move(m));
  return {module, [module](const std::vector<Tensor>& in, Arguments&) -> std::vector<Tensor> {
            M& f = *module;
            if constexpr (requires { f(in[0]); })
              if (in.size() == 1) return {f(in[0])};
            if constexpr (requires { f(in[0], in[1]); })
              if (in.size() == 2) return {f(in[0], in[1])};
            if constexpr (requires { f(in[0], in[1], in[2]); })
              if (in.size() == 3) return {f(in[0], in[1], in[2])};
            fail("{} does not take {} inputs", f.type_name(), in.size());
          }};
}

/// The losses, and recurrent layers and attention.
const Table& loss_makers();
const Table& sequence_makers();

}  // namespace ballast::test
