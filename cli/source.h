// Trained weights and samples for them: what `eval` and `inspect` are given.
#pragma once

#include <string>

#include "cli/run.h"

namespace CLI {
class App;
}

namespace ballast::cli {

/// A network with its weights, and prepared samples.
struct Source {
  bool is_run = false;
  Settings settings;
  std::string data;
  data::ArrayDataset samples;
  nn::ModulePtr model;
};

struct SourceOptions {
  std::string source{}, model{}, data{}, split{}, norm = "batch";
  int64_t classes = 10;

  /// Adds the run or file, --data, --split, --model, --norm and --classes.
  void add_to(CLI::App& command);
  /// Throws UsageError, which names `command`, where something is missing.
  Source open(const char* command) const;
};

}  // namespace ballast::cli
