// Memory of tensors: aligned, counted, and pooled, so that a steady training loop never asks the
// system for memory.
#pragma once

#include <cstddef>
#include <functional>

#include "ballast/base/ref.h"

namespace ballast {

/// A block of memory, aligned to 64 bytes and padded to a multiple of 64 (vector loads may read,
/// never use, the padding). Freed blocks go back to a process-wide pool, with the objects that hold
/// them.
class Buffer : public Counted<Buffer> {
 public:
  /// A block of `bytes` bytes, contents unspecified. Throws PyTorch's Error, which names the bytes,
  /// where the system has no such block.
  static Ref<Buffer> allocate(size_t bytes);
  /// Throws as `allocate` would where the system is sure to refuse so many bytes: for work that
  /// takes long before its result is allocated.
  static void require(size_t bytes);
  /// Throws likewise where no process can have so many.
  static void require_addressable(size_t bytes);
  /// Wraps memory owned by someone else (NumPy, a memory map); `release` runs when the last
  /// reference goes.
  static Ref<Buffer> wrap(void* data, size_t bytes, std::function<void()> release);

  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  /// Memory that belongs to someone else, who may change it at any time.
  bool external() const { return static_cast<bool>(release_); }

  static void destroy(Buffer* self);

 private:
  friend void release_pool();
  Buffer(std::byte* data, size_t bytes) : data_(data), bytes_(bytes) {}
  std::byte* data_;
  size_t bytes_;
  size_t capacity_ = 0;
  std::function<void()> release_;
};

/// Bytes in live buffers now, and the most there have been since the last reset (for `explain` and
/// the memory reports).
struct MemoryUse {
  size_t live = 0, peak = 0, pooled = 0;
};
MemoryUse memory_use();
void reset_peak_memory();
/// Gives pooled memory back to the system.
void release_pool();

}  // namespace ballast
