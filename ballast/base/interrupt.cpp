#include "ballast/base/interrupt.h"

#include <atomic>
#include <chrono>

namespace ballast {
namespace {

std::atomic<bool (*)()> g_stop{nullptr};
thread_local int t_uninterruptible = 0;
thread_local std::chrono::steady_clock::time_point t_next{};

// Asking may mean to wait for an interpreter's lock.
constexpr std::chrono::milliseconds kBetween{50};

}  // namespace

void set_interrupt_check(bool (*stop)()) { g_stop.store(stop, std::memory_order_release); }

void poll_interrupt() {
  const auto stop = g_stop.load(std::memory_order_acquire);
  if (!stop || t_uninterruptible > 0) return;
  const auto now = std::chrono::steady_clock::now();
  if (now < t_next) return;
  t_next = now + kBetween;
  if (stop()) throw Interrupted();
}

bool NoInterrupt::active() { return t_uninterruptible > 0; }
NoInterrupt::NoInterrupt() { ++t_uninterruptible; }
NoInterrupt::~NoInterrupt() { --t_uninterruptible; }

}  // namespace ballast
