// Stopping work that takes long from outside (Ctrl-C): long loops ask, now and then, whether to go
// on.
#pragma once

#include <algorithm>
#include <cstdint>

namespace ballast {

/// Thrown out of a loop that is to stop. No std::exception, so that nobody takes it for a failure
/// that can be dealt with: values that were being computed stay as they were, and can be computed
/// later.
struct Interrupted {};

/// Sets the function that says whether to stop; null, as at first: nobody interrupts. It is called
/// a few times a second at most, by the threads that compute.
void set_interrupt_check(bool (*stop)());

/// To be called in loops that can take seconds, every some ten microseconds of work. Throws
/// Interrupted.
void poll_interrupt();

/// While it lives, this thread, and those of the pool that work for it, are not interrupted: for
/// writes to memory that others see.
class NoInterrupt {
 public:
  /// Whether one lives on this thread.
  static bool active();

  NoInterrupt();
  ~NoInterrupt();
  NoInterrupt(const NoInterrupt&) = delete;
  NoInterrupt& operator=(const NoInterrupt&) = delete;
};

/// Calls `f(begin, end)` for [0, n) in slices, between which the work can be interrupted.
template <class F>
void in_slices(int64_t n, const F& f) {
  constexpr int64_t kSlice = int64_t{1} << 16;
  for (int64_t i = 0; i < n; i += kSlice) {
    if (i > 0) poll_interrupt();
    f(i, std::min(n, i + kSlice));
  }
}

}  // namespace ballast
