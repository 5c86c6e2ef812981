// Measures what is said of batch normalization: runs claims' experiments and writes a report.
//
//   const study::Report r = study::run(study::task_of("cnn"), {.effort = study::Effort::kQuick});
//
// With a network of one's own: a function that builds it with batch normalization,
//
//   study::run([] { return std::make_shared<Net>(); }, data::load_split("digits"));
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "ballast/data/prepare.h"
#include "ballast/study/report.h"

namespace ballast::study {

struct Options {
  std::vector<std::string> claims = {};  ///< by name; empty: all
  Effort effort = Effort::kFull;
  /// Where runs are kept (runs.jsonl) and the report is written after each claim; empty: nowhere. A
  /// study that was stopped continues with what is there.
  std::string folder = "";
  std::string command = "";  ///< options for the report's commands: "--quick"
  const std::atomic<bool>* stop = nullptr;
  bool progress = false;  ///< on standard error
  std::function<void(const Result&)> on_result = nullptr;
};

/// Measures the claims. The same numbers for the same task, whatever was measured before. Throws
/// KeyError for an unknown claim, before anything is measured; Stopped soon after `stop` becomes
/// true; FileError where `folder` cannot be written.
Report run(const Task& task, const Options& options = {});

/// Of a network that `build` makes with batch normalization; it is taken out where that is asked
/// for. Samples are handed to it as they are.
Report run(const std::function<nn::ModulePtr()>& build, const data::SplitArrays& samples,
           const Options& options = {});

}  // namespace ballast::study
