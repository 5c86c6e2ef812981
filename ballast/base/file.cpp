#include "ballast/base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
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
  /// Closes; some file systems report a failed write only here.
  int close() { return ::close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

/// Collects small writes into blocks. Errors name the file being replaced, not the temporary one.
class DescriptorSink : public FileSink {
 public:
  DescriptorSink(int fd, const std::string& path) : fd_(fd), path_(path) {}

  void write(const void* data, size_t bytes) override {
    const char* p = static_cast<const char*>(data);
    if (block_.size() + bytes > kBlock) flush();
    if (bytes >= kBlock)
      write_all(p, bytes);
    else
      block_.insert(block_.end(), p, p + bytes);
  }
  void flush() {
    write_all(block_.data(), block_.size());
    block_.clear();
  }

 private:
  // Large enough that a system call costs nothing beside the copy.
  static constexpr size_t kBlock = 1 << 16;

  void write_all(const char* p, size_t n) {
    while (n > 0) {
      const ssize_t done = ::write(fd_, p, n);
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) fail_errno(path_, "write", errno);
      p += done;
      n -= done;
    }
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
  if (::fsync(folder.get()) != 0 && errno != EINVAL) fail_errno(path, "sync the folder", errno);
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
  if (::fsync(fd.get()) != 0) fail_errno(path, "write", errno);
  if (fd.close() != 0) fail_errno(path, "write", errno);
  if (::rename(name.c_str(), target.c_str()) != 0) fail_errno(path, "replace", errno);
  temporary.renamed = true;
  sync_folder(target);
}

void write_atomically(const std::string& path, std::span<const std::byte> bytes) {
  write_atomically(path, [&](FileSink& sink) { sink.write(bytes.data(), bytes.size()); });
}

std::string read_file(const std::string& path, uint64_t max_bytes) {
  const Opened file = open_for_reading(path);
  const uint64_t size = S_ISREG(file.info.st_mode) ? file.info.st_size : 0;
  check<FileError>(size <= max_bytes, "{}: {} bytes long, at most {} are allowed here", path, size,
                   max_bytes);
  return read_all(file.fd.get(), path, size, max_bytes);
}

Ref<Buffer> map_file(const std::string& path, bool writable) {
  const Opened file = open_for_reading(path);
  const size_t size = file.info.st_size;
  if (!S_ISREG(file.info.st_mode) || size == 0) {
    const std::string content = read_all(file.fd.get(), path, 0, SIZE_MAX);
    Ref<Buffer> buffer = Buffer::allocate(content.size());
    std::copy(content.begin(), content.end(), reinterpret_cast<char*>(buffer->data()));
    return buffer;
  }
  const int access = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  void* p = ::mmap(nullptr, size, access, MAP_PRIVATE, file.fd.get(), 0);
  if (p == MAP_FAILED) fail_errno(path, "map", errno);
  return Buffer::wrap(p, size, [p, size] { ::munmap(p, size); });
}

}  // namespace ballast
