// The options that say which network a command looks at, and on what.
#pragma once

#include <string>

#include "ballast/models/factory.h"

namespace CLI {
class App;
}

namespace ballast::cli {

struct NetworkOptions {
  std::string model{}, input{}, norm = "batch";
  int64_t batch = 1, classes = 10;

  /// Adds --model, --input, --batch, --classes and --norm.
  void add_to(CLI::App& command);
  /// The shape of one sample. Throws UsageError, which names `command`, where no network is named,
  /// or
  /// --input is no shape.
  Shape sample(const char* command) const;
  /// That of the batch.
  Shape shape(const Shape& sample) const;
  nn::ModulePtr make(const Shape& sample) const;
};

}  // namespace ballast::cli
