// Files: whole reads with a bound, read-only maps, and writes that either happen or do not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "ballast/base/buffer.h"
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

/// The whole content of a file (or pipe). Throws FileError where it cannot be read or is longer
/// than `max_bytes`.
std::string read_file(const std::string& path, uint64_t max_bytes);

/// The content of a file as memory, mapped where the system can, so only what is looked at is read;
/// unmapped when the last reference goes. Writing to it is a crash, or where `writable` changes
/// this memory, never the file. Throws FileError.
Ref<Buffer> map_file(const std::string& path, bool writable = false);

/// The bytes of a string.
inline std::span<const std::byte> bytes_of(const std::string& s) {
  return std::as_bytes(std::span(s.data(), s.size()));
}
/// The bytes of a buffer.
inline std::span<const std::byte> bytes_of(const Buffer& b) { return {b.data(), b.bytes()}; }

}  // namespace ballast
