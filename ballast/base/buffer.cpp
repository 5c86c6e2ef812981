#include "ballast/base/buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "ballast/base/error.h"
#include "ballast/base/recycled.h"

namespace ballast {
namespace {

constexpr size_t kAlign = 64;
// Blocks of this size and more ask for large pages: sweeps walk several of them at a time, and an
// address translated for 4 KB at a time costs as much as the memory it is for.
constexpr size_t kLarge = size_t{4} << 20, kLargePage = size_t{2} << 20;

// More than the address space of a process: sizes up to here can be rounded up, and a few of them
// added, without overflow.
constexpr size_t kMost = size_t{1} << 47;

[[noreturn]] void refuse(size_t bytes) {
  fail(
      "DefaultCPUAllocator: can't allocate memory: you tried to allocate {} bytes. Error code 12 "
      "(Cannot allocate memory)",
      bytes);
}

// Sizes are rounded up to an eighth of their power of two, so that batches of slightly different
// size share blocks and at most an eighth of a block is wasted.
size_t round_up(size_t bytes) {
  bytes = std::max(bytes, kAlign);
  const size_t step = kPooled ? std::max(std::bit_floor(bytes) / 8, kAlign) : kAlign;
  return (bytes + step - 1) / step * step;
}

// Blocks of this size and more are mapped one by one: what is given back is then the system's
// again, while `free` keeps what lies between blocks in use.
constexpr size_t kMapped = size_t{256} << 10, kPage = 4096;

/// Memory of whole pages at a multiple of `align`, or null.
std::byte* mapped(size_t bytes, size_t align) {
  bytes = (bytes + kPage - 1) / kPage * kPage;
  const size_t all = bytes + align - kPage;
  void* got = mmap(nullptr, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (got == MAP_FAILED) return nullptr;
  auto* begin = static_cast<std::byte*>(got);
  auto* data = begin + (align - reinterpret_cast<uintptr_t>(begin) % align) % align;
  if (data > begin) munmap(begin, static_cast<size_t>(data - begin));
  if (data + bytes < begin + all)
    munmap(data + bytes, static_cast<size_t>(begin + all - data) - bytes);
  return data;
}

/// Memory from the system, or null.
std::byte* from_system(size_t bytes) {
  if (!kPooled || bytes < kMapped)
    return static_cast<std::byte*>(std::aligned_alloc(kAlign, bytes));
  const bool large = bytes >= kLarge;
  std::byte* data = mapped(bytes, large ? kLargePage : kPage);
#ifdef MADV_HUGEPAGE
  if (large && data) madvise(data, bytes, MADV_HUGEPAGE);  // only a wish: failing costs speed
#endif
  return data;
}

void to_system(std::byte* data, size_t bytes) {
  if (!kPooled || bytes < kMapped)
    std::free(data);
  else
    munmap(data, (bytes + kPage - 1) / kPage * kPage);
}

/// A number for every size that `round_up` makes.
constexpr size_t kSizes = 512;
size_t number_of(size_t capacity) {
  const auto log2 = static_cast<size_t>(std::bit_width(capacity)) - 1;
  return log2 * 8 + (capacity >> (log2 - 3) & 7);
}

struct Pool {
  std::mutex mutex;
  std::array<std::vector<Buffer*>, kSizes> free;
  MemoryUse use;
};

// Never destroyed: buffers held by globals may outlive any static.
Pool& pool() {
  static Pool* p = new Pool;
  return *p;
}

}  // namespace

void Buffer::require_addressable(size_t bytes) {
  if (bytes > kMost) refuse(bytes);
}

void Buffer::require(size_t bytes) {
  require_addressable(bytes);
  if (bytes < kLarge) return;
  void* got = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (got == MAP_FAILED) refuse(bytes);
  munmap(got, bytes);
}

Ref<Buffer> Buffer::allocate(size_t bytes) {
  require_addressable(bytes);
  const size_t capacity = round_up(bytes);
  Pool& p = pool();
  Buffer* b = nullptr;
  {
    std::lock_guard lock(p.mutex);
    auto& list = p.free[number_of(capacity)];
    if (!list.empty()) {
      b = list.back();
      list.pop_back();
      p.use.pooled -= capacity;
    }
    p.use.live += capacity;
    p.use.peak = std::max(p.use.peak, p.use.live);
  }
  if (b) {
    b->bytes_ = bytes;
  } else {
    std::byte* data = from_system(capacity);
    if (!data) {
      release_pool();
      data = from_system(capacity);
    }
    if (!data) {
      std::lock_guard lock(p.mutex);
      p.use.live -= capacity;
      refuse(bytes);
    }
    b = new Buffer(data, bytes);
    b->capacity_ = capacity;
  }
  return Ref<Buffer>::first(b);
}

Ref<Buffer> Buffer::wrap(void* data, size_t bytes, std::function<void()> release) {
  auto b = Ref<Buffer>::first(new Buffer(static_cast<std::byte*>(data), bytes));
  b->release_ = std::move(release);
  return b;
}

void Buffer::destroy(Buffer* self) {
  if (self->release_) {
    self->release_();
  } else {
    Pool& p = pool();
    std::lock_guard lock(p.mutex);
    p.use.live -= self->capacity_;
    if (kPooled) {
      p.free[number_of(self->capacity_)].push_back(self);
      p.use.pooled += self->capacity_;
      return;
    }
    to_system(self->data_, self->capacity_);
  }
  delete self;
}

MemoryUse memory_use() {
  std::lock_guard lock(pool().mutex);
  return pool().use;
}

void reset_peak_memory() {
  std::lock_guard lock(pool().mutex);
  pool().use.peak = pool().use.live;
}

void release_pool() {
  Pool& p = pool();
  std::lock_guard lock(p.mutex);
  for (auto& list : p.free) {
    for (Buffer* b : list) {
      to_system(b->data_, b->capacity_);
      delete b;
    }
    list.clear();
  }
  p.use.pooled = 0;
}

}  // namespace ballast
