// The tool's commands, a file each. Every one adds its options to the application and returns what
// the command does.
#pragma once

#include <functional>
#include <stdexcept>

namespace CLI {
class App;
}

namespace ballast::cli {

/// A command's work; returns the exit code.
using Action = std::function<int()>;

/// Options that contradict each other or miss something; exit code 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

constexpr int kOk = 0, kFailure = 1, kUsage = 2;

Action add_train(CLI::App& command);
Action add_eval(CLI::App& command);
Action add_predict(CLI::App& command);
Action add_inspect(CLI::App& command);
Action add_summary(CLI::App& command);
Action add_explain(CLI::App& command);
Action add_study(CLI::App& command);

}  // namespace ballast::cli
