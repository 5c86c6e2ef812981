// Memory of small objects that come and go by the thousand.
#pragma once

#include <cstddef>
#include <new>

namespace ballast {

// AddressSanitizer sees overruns and late reads only of blocks that come from, and go back to, the
// system.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kPooled = false;
#elif defined(__has_feature)
inline constexpr bool kPooled = !__has_feature(address_sanitizer);
#else
inline constexpr bool kPooled = true;
#endif

/// Base of a class `T` whose objects are made and freed all the time: a thread keeps the memory of
/// those that it frees for those that it makes next.
template <class T>
class Recycled {
 public:
  static void* operator new(size_t bytes) {
    static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
    Block* const b = list_.first;
    if (!b || bytes != sizeof(T)) return ::operator new(bytes);
    list_.first = b->next;
    --list_.count;
    return b;
  }
  static void operator delete(void* p, size_t bytes) {
    if (!kPooled || list_.count == kMost || bytes != sizeof(T)) return ::operator delete(p);
    if (list_.count++ == 0) closer_.at_exit();
    list_.first = new (p) Block{list_.first};
  }

 private:
  // More than a training step of two hundred layers has: about 15 of a class for each.
  static constexpr int kMost = 4096;
  struct Block {
    Block* next;
  };
  struct List {
    Block* first;
    int count;
  };
  /// Empties the list at the end of its thread. What is freed even later goes to the system: as if
  /// the list were full.
  struct Closer {
    void at_exit() const {}
    ~Closer() {
      while (Block* const b = list_.first) {
        list_.first = b->next;
        ::operator delete(b);
      }
      list_.count = kMost;
    }
  };
  static inline constinit thread_local List list_{};
  static inline thread_local Closer closer_;
};

}  // namespace ballast
