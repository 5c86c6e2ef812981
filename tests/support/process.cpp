#include "tests/support/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace ballast::testing {
namespace {

std::string temporary_file() {
  std::string path = (std::filesystem::temp_directory_path() / "ballast-XXXXXX").string();
  const int file = ::mkstemp(path.data());
  if (file < 0) throw std::runtime_error("cannot make a file: " + path);
  ::close(file);
  return path;
}

std::string take(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  std::filesystem::remove(path);
  return text.str();
}

}  // namespace

Process::Process(const std::vector<std::string>& arguments, const Launch& launch)
    : out_path_(temporary_file()), err_path_(temporary_file()) {
  const std::string out = launch.out.empty() ? out_path_ : launch.out;
  std::vector<char*> argv;
  for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("cannot start a process");
  if (pid_ > 0) return;
  // The child: only calls that are safe after fork.
  const int out_file = ::open(out.c_str(), O_WRONLY | O_TRUNC);
  const int err_file = ::open(err_path_.c_str(), O_WRONLY | O_TRUNC);
  ::dup2(out_file, STDOUT_FILENO);
  ::dup2(err_file, STDERR_FILENO);
  if (launch.max_file_bytes >= 0) {
    const rlimit limit{static_cast<rlim_t>(launch.max_file_bytes),
                       static_cast<rlim_t>(launch.max_file_bytes)};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  if (!launch.folder.empty() && ::chdir(launch.folder.c_str()) != 0) ::_exit(126);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

Process::~Process() {
  if (pid_ < 0) return;
  send(SIGKILL);
  wait();
}

void Process::send(int signal) {
  if (pid_ > 0) ::kill(pid_, signal);
}

Outcome Process::wait() {
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), take(out_path_),
          take(err_path_)};
}

Outcome run(const std::vector<std::string>& arguments, const Launch& launch) {
  return Process(arguments, launch).wait();
}

}  // namespace ballast::testing
