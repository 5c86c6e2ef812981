// Running a program as a user does.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace ballast::testing {

/// What a program left: its exit code (128 + the signal where one ended it) and its output.
struct Outcome {
  int code = 0;
  std::string out, err;
};

/// How to run it.
struct Launch {
  std::string folder = {};      // to run in; empty: this one
  std::string out = {};         // a file for its standard output; empty: captured
  int64_t max_file_bytes = -1;  // the largest file it may write
};

/// A running program. Killed with the object if it still runs.
class Process {
 public:
  explicit Process(const std::vector<std::string>& arguments, const Launch& launch = {});
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  /// Sends a signal to it, if it still runs.
  void send(int signal);
  /// Waits for its end.
  Outcome wait();

 private:
  pid_t pid_ = -1;
  std::string out_path_, err_path_;
};

/// Runs a program to its end.
Outcome run(const std::vector<std::string>& arguments, const Launch& launch = {});

}  // namespace ballast::testing
