// Dividing work over threads. Work is always cut by shape alone; threads only pick up the pieces,
// so results are the same bits with any number of them.
#pragma once

#include <cstdint>

#include "ballast/base/error.h"
#include "ballast/base/interrupt.h"

namespace ballast {

/// Threads that sweeps may use: the value last set, else OMP_NUM_THREADS, else the number of cores.
int num_threads();
/// Throws ValueError unless `n` is positive.
void set_num_threads(int n);

/// Whether results too small for a normal number become 0, as do such operands: on every thread
/// that computes, so that results do not depend on which one does. Off unless set. Returns false,
/// and changes nothing, where the processor cannot do that.
bool set_flush_denormal(bool on);
bool flush_denormal();
/// Brings the calling thread into that mode; evaluations do.
void use_flush_denormal();

/// The order in which a thread takes its pieces. Backwards, it begins with what it read or wrote
/// last in a job before that went forwards over the same memory: as much of that as its cache holds
/// is still there.
enum class Order : bool { kForwards, kBackwards };

namespace detail {
/// Piece number `i` of [begin, end), counted from begin, in that order.
inline int64_t in_order(Order order, int64_t begin, int64_t end, int64_t i) {
  return order == Order::kForwards ? begin + i : end - 1 - i;
}
void parallel_run(int64_t n, Order order, void (*body)(void*, int64_t), void* context);
}  // namespace detail

/// Calls `body(i)` for i in [0, n), on several threads where `cost` (about one unit per
/// floating-point operation or four bytes moved, for the whole range) is worth waking them. An
/// exception thrown by a piece is rethrown here. Between pieces, the work can be interrupted.
template <class Body>
void parallel_for(int64_t n, double cost, Body&& body, Order order = Order::kForwards) {
  // Handing a piece to another thread takes a few microseconds; below 100'000 units one core is
  // done about as soon.
  if (n <= 1 || cost < 1e5 || num_threads() == 1) {
    for (int64_t i = 0; i < n; ++i) {
      if (cost >= 1e5) poll_interrupt();
      body(detail::in_order(order, 0, n, i));
    }
    return;
  }
  auto call = [](void* c, int64_t i) { (*static_cast<std::remove_reference_t<Body>*>(c))(i); };
  detail::parallel_run(n, order, call, &body);
}

}  // namespace ballast
