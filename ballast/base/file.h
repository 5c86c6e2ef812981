// Files: whole reads with a bound, read-only maps, and writes that either happen or do not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>

#include "ballast/base/buffer.h"
#include "ballast/base/checksum.h"
#include "ballast/base/error.h"

namespace ballast {

/// Where the writer of `write_atomically` puts its bytes. Buffered.
class FileSink {
 public:
  virtual ~FileSink() = default;
  /// Appends `bytes` bytes. Throws FileError (a full disk, a file-size limit).
  virtual void write(const void* data, size_t bytes) = 0;
};

/// Replaces the file `path` by what `writer` writes, or leaves it as it was: the bytes go to a
/// temporary file in the same folder, are forced to disk, and the file is renamed over `path`; the
/// folder is forced to disk last. When anything fails, in here or in `writer`, the old file is
/// untouched, the temporary one is removed and the exception goes on. A symbolic link is followed,
/// an existing file's permissions are kept. A device or pipe (`/dev/stdout`) is simply written to.
/// Throws FileError with the path and the system's reason.
void write_atomically(const std::string& path, const std::function<void(FileSink&)>& writer);
/// As above with the bytes at hand.
void write_atomically(const std::string& path, std::span<const std::byte> bytes);

/// Removes the temporary files that `write_atomically` left in `folder` in processes that were
/// killed. A process that still lives keeps its files. What cannot be removed stays.
void remove_leftovers(const std::string& folder);

/// A place in a file that grows: its first bytes, and their checksum.
struct FileMark {
  uint64_t bytes = 0, checksum = Checksum().value();
};

/// A file that grows line by line, such as a record. A write that fails leaves no part of itself.
class AppendFile : public FileSink {
 public:
  /// Opens `path`, which is made where it is missing, and cuts it off at `keep`. Throws FileError,
  /// also where the file does not begin with the bytes that `keep` marks.
  explicit AppendFile(std::string path, const FileMark& keep = {});
  /// Hands over what is buffered; errors go unnoticed, so call `flush` before.
  ~AppendFile() override;
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  /// Appends. What one call is given stays together: where the disk is full, all of it is in the
  /// file or none. After an error every further call throws.
  void write(const void* data, size_t bytes) override;
  /// Hands what is buffered to the system.
  void flush();
  /// Forces all that was written to the disk.
  void sync();
  /// Flushes and closes. Nothing may be written afterwards.
  void close();
  bool is_open() const { return fd_ >= 0; }
  /// The end of what was written so far.
  FileMark mark() const { return {written_ + block_.size(), checksum_.value()}; }
  const std::string& path() const { return path_; }

 private:
  [[noreturn]] void fail_now(const char* doing, int error);

  std::string path_;
  int fd_ = -1;
  uint64_t written_ = 0;  // bytes that the system has
  std::string block_;
  Checksum checksum_;
  bool failed_ = false;
  bool named_ = false;  // the folder with the file's name is on the disk
};

/// Keeps every other process that asks for the same out of a folder while this object lives, by a
/// lock on the file `lock` in it. The kernel releases the lock when a process ends, however it
/// ends; the file stays. A file system that knows no locks gives none.
class FolderLock {
 public:
  /// Throws FileError where another process or object holds the lock.
  explicit FolderLock(const std::string& folder);
  FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FolderLock& operator=(FolderLock&&) = delete;
  ~FolderLock();

 private:
  int fd_ = -1;
};

/// The whole content of a file (or pipe). Throws FileError where it cannot be read or is longer
/// than `max_bytes`.
std::string read_file(const std::string& path, uint64_t max_bytes);

/// The content of a file as memory, given back when the last reference goes. Writing to it changes
/// this memory, never the file. It is read at once: what others do to the file afterwards changes
/// nothing. `lazily`, it is mapped, and only what is looked at is read; there, a file that others
/// shorten ends the process, by the system's SIGBUS. Throws FileError.
Ref<Buffer> map_file(const std::string& path, bool lazily = false);

/// The bytes of a string.
inline std::span<const std::byte> bytes_of(const std::string& s) {
  return std::as_bytes(std::span(s.data(), s.size()));
}
/// The bytes of a buffer.
inline std::span<const std::byte> bytes_of(const Buffer& b) { return {b.data(), b.bytes()}; }

}  // namespace ballast
