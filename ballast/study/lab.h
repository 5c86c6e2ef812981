// Where experiments run: numbers that are measured once, kept in a file, and looked up the second
// time, so that a study that was stopped goes on and claims share their runs.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ballast/base/file.h"
#include "ballast/study/network.h"
#include "ballast/study/statistics.h"
#include "ballast/train/metrics.h"

namespace ballast::study {

/// What a run yields, by name: lists, of one number where there is one.
using Numbers = std::map<std::string, std::vector<double>>;

/// Thrown between two steps where a study is to stop.
class Stopped : public Error {
 public:
  Stopped() : Error("the study was stopped") {}
};

/// The numbers of all runs so far, by the run's description; a file with a JSON object in each
/// line, appended to as runs end. Lines that were cut off or damaged are left out: their runs are
/// made again.
class Runs {
 public:
  /// In memory only where `path` is empty. Throws FileError where the file cannot be read.
  explicit Runs(std::string path = "");

  const Numbers* find(const std::string& key) const;
  /// Throws FileError where the file cannot be written.
  const Numbers& add(const std::string& key, Numbers numbers);
  size_t size() const { return runs_.size(); }

 private:
  void read(const std::string& line);

  std::map<std::string, Numbers> runs_;
  std::unique_ptr<AppendFile> file_;
};

/// How much is measured: for a test of the program, for a first look, for good.
enum class Effort : uint8_t { kTiny, kQuick, kFull };

struct Training;

class Lab {
 public:
  /// Ends with `Stopped` soon after `stop` (if not null) becomes true. `progress`: whether it is
  /// shown on standard error.
  Lab(const Task& task, Effort effort, Runs& runs, const std::atomic<bool>* stop = nullptr,
      bool progress = false);

  const Task& task() const { return task_; }
  /// 2, 3 or 5 seeds.
  int64_t seeds() const { return pick(2, 3, 5); }
  /// One of three, by the effort.
  template <class T>
  T pick(T tiny, T quick, T full) const {
    return effort_ == Effort::kTiny ? tiny : effort_ == Effort::kQuick ? quick : full;
  }
  /// Throws Stopped where it is time.
  void check_stop() const;

  /// A claim begins, that will measure so many times.
  void begin(const std::string& claim, int64_t measurements);
  void end();

  /// What `f` yields, called with the default generator seeded by `seed`, unless it is known for
  /// `what` (which says all that it depends on, but the task) and the seed.
  const Numbers& measure(const std::string& what, int64_t seed, const std::function<Numbers()>& f);
  /// A training's numbers; see Training.
  const Numbers& train(const Training& training, int64_t seed);
  /// For each seed.
  std::vector<Numbers> train_all(const Training& training);

 private:
  const Task& task_;
  Effort effort_;
  Runs& runs_;
  const std::atomic<bool>* stop_;
  bool shows_progress_;
  std::string prefix_;
  std::unique_ptr<train::Progress> progress_;
  int64_t done_ = 0;
};

/// The number called `name` of each run; of lists the last.
std::vector<double> column(const std::vector<Numbers>& runs, const std::string& name);
/// The list called `name` of each run.
std::vector<std::vector<double>> lists(const std::vector<Numbers>& runs, const std::string& name);
/// For each position of that list the estimate over the runs.
std::vector<Estimate> estimates(const std::vector<Numbers>& runs, const std::string& name);

}  // namespace ballast::study
