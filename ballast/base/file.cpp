#include "ballast/base/file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <regex>
#include <system_error>
#include <utility>
#include <vector>

namespace ballast {
namespace {

[[noreturn]] void fail_errno(const std::string& path, const char* doing, int error) {
  fail<FileError>("{}: cannot {}: {}", path, doing, std::generic_category().message(error));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor(Descriptor&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  /// Closes; some file systems report a failed write only here.
  int close() { return ::close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

// Large enough that a system call costs nothing beside the copy.
constexpr size_t kBlock = 1 << 16;

/// Writes all, however small the pieces that the system takes; returns 0 or the error.
int write_all(int fd, const char* p, size_t n) {
  while (n > 0) {
    const ssize_t done = ::write(fd, p, n);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return errno;
    if (done == 0) return ENOSPC;  // a device that takes nothing more
    p += done;
    n -= done;
  }
  return 0;
}

/// Forces a file to the disk; returns 0 or the error. A device has no disk.
int sync_file(int fd) {
  while (::fsync(fd) != 0)
    if (errno != EINTR) return errno == EINVAL ? 0 : errno;
  return 0;
}

/// Collects small writes into blocks. Errors name the file being replaced, not the temporary one.
class DescriptorSink : public FileSink {
 public:
  DescriptorSink(int fd, const std::string& path) : fd_(fd), path_(path) {}

  void write(const void* data, size_t bytes) override {
    const char* p = static_cast<const char*>(data);
    if (block_.size() + bytes > kBlock) flush();
    if (bytes >= kBlock)
      pass_on(p, bytes);
    else
      block_.insert(block_.end(), p, p + bytes);
  }
  void flush() {
    pass_on(block_.data(), block_.size());
    block_.clear();
  }

 private:
  void pass_on(const char* p, size_t n) {
    if (const int error = write_all(fd_, p, n)) fail_errno(path_, "write", error);
  }

  int fd_;
  const std::string& path_;
  std::vector<char> block_;
};

/// Removes the temporary file unless it was renamed.
struct Temporary {
  std::string name;
  bool renamed = false;
  ~Temporary() {
    if (!renamed) ::unlink(name.c_str());
  }
};

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string resolved(const std::string& path) {
  char buffer[PATH_MAX];
  return ::realpath(path.c_str(), buffer) ? buffer : path;
}

std::string temporary_name(const std::string& target) {
  static std::atomic<int> counter{0};
  return fmt::format("{}.tmp-{}-{}", target, ::getpid(), counter++);
}

void sync_folder(const std::string& path) {
  Descriptor folder(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // A folder that may be written but not listed cannot be opened; nothing more can be done then.
  if (folder.get() < 0) return;
  if (const int error = sync_file(folder.get())) fail_errno(path, "sync the folder", error);
}

void write_device(const std::string& path, const std::function<void(FileSink&)>& writer) {
  Descriptor fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (fd.get() < 0) fail_errno(path, "open for writing", errno);
  DescriptorSink sink(fd.get(), path);
  writer(sink);
  sink.flush();
  if (fd.close() != 0) fail_errno(path, "write", errno);
}

struct Opened {
  Descriptor fd;
  struct stat info;
};

Opened open_for_reading(const std::string& path) {
  Opened o{Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC)), {}};
  if (o.fd.get() < 0) fail_errno(path, "open", errno);
  if (::fstat(o.fd.get(), &o.info) != 0) fail_errno(path, "read", errno);
  if (S_ISDIR(o.info.st_mode)) fail_errno(path, "read", EISDIR);
  return o;
}

std::string read_all(int fd, const std::string& path, size_t expected, uint64_t max_bytes) {
  std::string content;
  // One byte more than expected: the read that finds the end needs no second allocation.
  content.resize(expected + 1);
  size_t size = 0;
  while (true) {
    if (size == content.size()) content.resize(std::max<size_t>(2 * size, 1 << 16));
    const ssize_t n = ::read(fd, content.data() + size, content.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_errno(path, "read", errno);
    if (n == 0) break;
    size += n;
    check<FileError>(size <= max_bytes, "{}: longer than the {} bytes allowed here", path,
                     max_bytes);
  }
  content.resize(size);
  return content;
}

/// Reads `size` bytes from the beginning of a file.
void fill(int fd, const std::string& path, std::byte* to, size_t size) {
  for (size_t at = 0; at < size;) {
    const ssize_t n = ::pread(fd, to + at, size - at, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_errno(path, "read", errno);
    check<FileError>(n > 0, "{}: became shorter while it was read", path);
    at += n;
  }
}

}  // namespace

void write_atomically(const std::string& path, const std::function<void(FileSink&)>& writer) {
  const std::string target = resolved(path);
  struct stat old;
  const bool exists = ::stat(target.c_str(), &old) == 0;
  if (exists && S_ISDIR(old.st_mode)) fail_errno(path, "write", EISDIR);
  if (exists && !S_ISREG(old.st_mode)) return write_device(target, writer);
  // Renaming needs only the folder's permission: honour the file's own.
  if (exists && ::access(target.c_str(), W_OK) != 0) fail_errno(path, "write", errno);

  const std::string name = temporary_name(target);
  Descriptor fd(::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (fd.get() < 0) fail_errno(path, "create", errno);
  Temporary temporary{name};
  if (exists && ::fchmod(fd.get(), old.st_mode & 07777) != 0) fail_errno(path, "create", errno);
  DescriptorSink sink(fd.get(), path);
  writer(sink);
  sink.flush();
  if (const int error = sync_file(fd.get())) fail_errno(path, "write", error);
  if (fd.close() != 0) fail_errno(path, "write", errno);
  if (::rename(name.c_str(), target.c_str()) != 0) fail_errno(path, "replace", errno);
  temporary.renamed = true;
  sync_folder(target);
}

void write_atomically(const std::string& path, std::span<const std::byte> bytes) {
  write_atomically(path, [&](FileSink& sink) { sink.write(bytes.data(), bytes.size()); });
}

void remove_leftovers(const std::string& folder) {
  // What `temporary_name` makes: TARGET.tmp-PROCESS-NUMBER.
  static const std::regex pattern(R"(.+\.tmp-([0-9]{1,9})-[0-9]+)");
  std::vector<std::filesystem::path> leftovers;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename();
    std::smatch match;
    if (!std::regex_match(name, match, pattern)) continue;
    const int process = std::stoi(match[1]);
    // A number may have been given anew, to this very process for example.
    const bool lives = process != ::getpid() && (::kill(process, 0) == 0 || errno != ESRCH);
    if (!lives) leftovers.push_back(entry.path());
  }
  for (const auto& path : leftovers) std::filesystem::remove(path, ignored);
}

AppendFile::AppendFile(std::string path, const FileMark& keep)
    : path_(std::move(path)), written_(keep.bytes) {
  Descriptor fd(::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (fd.get() < 0) fail_errno(path_, "open for writing", errno);
  struct stat info;
  if (::fstat(fd.get(), &info) != 0) fail_errno(path_, "open for writing", errno);
  const uint64_t size = info.st_size;
  check<FileError>(keep.bytes <= size, "{}: {} bytes long, but it had {} when training stopped",
                   path_, size, keep.bytes);
  std::array<std::byte, kBlock> block;
  for (uint64_t at = 0; at < keep.bytes;) {
    const ssize_t n =
        ::pread(fd.get(), block.data(), std::min<uint64_t>(block.size(), keep.bytes - at),
                static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_errno(path_, "read", errno);
    if (n == 0) break;
    checksum_.add(std::span(block).first(n));
    at += n;
  }
  check<FileError>(checksum_.value() == keep.checksum,
                   "{}: damaged: the checksum of its first {} bytes does not fit them", path_,
                   keep.bytes);
  if (keep.bytes < size && ::ftruncate(fd.get(), static_cast<off_t>(keep.bytes)) != 0)
    fail_errno(path_, "shorten", errno);
  fd_ = fd.release();
}

AppendFile::~AppendFile() {
  try {
    close();
  } catch (const Error&) {  // whoever wants to know calls close()
  }
}

void AppendFile::fail_now(const char* doing, int error) {
  failed_ = true;
  block_.clear();
  // Where this fails as well, half a line stays, which the next `keep` cuts off.
  [[maybe_unused]] const int undone = ::ftruncate(fd_, static_cast<off_t>(written_));
  fail_errno(path_, doing, error);
}

void AppendFile::write(const void* data, size_t bytes) {
  check<FileError>(fd_ >= 0, "{}: the file is closed", path_);
  check<FileError>(!failed_, "{}: an earlier write failed", path_);
  if (block_.size() + bytes > kBlock) flush();
  block_.append(static_cast<const char*>(data), bytes);
  checksum_.add(std::as_bytes(std::span(static_cast<const char*>(data), bytes)));
}

void AppendFile::flush() {
  check<FileError>(fd_ >= 0, "{}: the file is closed", path_);
  check<FileError>(!failed_, "{}: an earlier write failed", path_);
  if (const int error = write_all(fd_, block_.data(), block_.size())) fail_now("write", error);
  written_ += block_.size();
  block_.clear();
}

void AppendFile::sync() {
  flush();
  if (const int error = sync_file(fd_)) fail_now("write", error);
  if (!named_) sync_folder(path_);
  named_ = true;
}

void AppendFile::close() {
  if (fd_ < 0) return;
  int error = failed_ ? 0 : write_all(fd_, block_.data(), block_.size());
  if (error) {
    try {
      fail_now("write", error);
    } catch (const FileError&) {
      ::close(std::exchange(fd_, -1));
      throw;
    }
  }
  block_.clear();
  if (::close(std::exchange(fd_, -1)) != 0) fail_errno(path_, "write", errno);
}

FolderLock::FolderLock(const std::string& folder) {
  const std::string path = folder + "/lock";
  Descriptor fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (fd.get() < 0) fail_errno(path, "create", errno);
  int error = 0;
  do error = ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
  while (error == EINTR);
  check<FileError>(error != EWOULDBLOCK,
                   "{}: another process is at work in this folder (it holds the lock on {})",
                   folder, path);
  const bool unknown = error == ENOSYS || error == EOPNOTSUPP || error == ENOLCK || error == EINVAL;
  if (error && !unknown) fail_errno(path, "lock", error);
  fd_ = fd.release();
}

FolderLock::~FolderLock() {
  if (fd_ >= 0) ::close(fd_);
}

std::string read_file(const std::string& path, uint64_t max_bytes) {
  const Opened file = open_for_reading(path);
  const uint64_t size = S_ISREG(file.info.st_mode) ? file.info.st_size : 0;
  check<FileError>(size <= max_bytes, "{}: {} bytes long, at most {} are allowed here", path, size,
                   max_bytes);
  return read_all(file.fd.get(), path, size, max_bytes);
}

Ref<Buffer> map_file(const std::string& path, bool lazily) {
  const Opened file = open_for_reading(path);
  const size_t size = file.info.st_size;
  if (!S_ISREG(file.info.st_mode) || size == 0) {
    const std::string content = read_all(file.fd.get(), path, 0, SIZE_MAX);
    Ref<Buffer> buffer = Buffer::allocate(content.size());
    std::copy(content.begin(), content.end(), reinterpret_cast<char*>(buffer->data()));
    return buffer;
  }
  const int flags = lazily ? MAP_PRIVATE : MAP_PRIVATE | MAP_ANONYMOUS;
  void* p = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, lazily ? file.fd.get() : -1, 0);
  if (p == MAP_FAILED) fail_errno(path, lazily ? "map" : "read", errno);
  Ref<Buffer> memory = Buffer::wrap(p, size, [p, size] { ::munmap(p, size); });
  if (!lazily) fill(file.fd.get(), path, memory->data(), size);
  return memory;
}

}  // namespace ballast
