#include "ballast/base/threads.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ballast {
namespace {

constexpr int kMaxThreads = 256;

std::atomic<int> g_threads{0};
std::atomic<int> g_flush{0};
thread_local int t_flush = -1;       // the mode that this thread is in; -1: not known yet
thread_local bool t_inside = false;  // of a piece of parallel work: what it starts runs inline

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

// Looks this often before it sleeps: 20 to 50 microseconds, the pause between the sweeps of a step.
// A thread that spins longer keeps the core from the very thread it waits for when the machine is
// shared.
constexpr int kSpins = 2000;

/// Returns the first value of `state` for which `ready` holds.
template <class Ready>
uint32_t wait_until(const std::atomic<uint32_t>& state, const Ready& ready) {
  uint32_t s = state.load(std::memory_order_acquire);
  for (int i = 0; i < kSpins && !ready(s); ++i) {
    pause();
    s = state.load(std::memory_order_acquire);
  }
  while (!ready(s)) {
    state.wait(s, std::memory_order_acquire);
    s = state.load(std::memory_order_acquire);
  }
  return s;
}

/// Workers that take pieces of one job at a time. Each thread has a range of pieces to itself, in
/// their order or against it: what one piece fetched ahead, the next one reads, and what one job
/// left in a core's cache the next job finds there. A thread that is done, or is alone, takes those
/// of others. A job is open until its caller finds no more pieces; a worker that wakes later finds
/// it closed, so nobody ever waits for a thread that has not begun.
class Pool {
 public:
  /// Runs body(context, 0 .. n-1); on this thread alone if the pool is at work already.
  void run(int threads, int64_t n, Order order, void (*body)(void*, int64_t), void* context) {
    std::unique_lock lock(mutex_, std::defer_lock);
    if (t_inside || !lock.try_lock()) {
      for (int64_t i = 0; i < n; ++i) {
        poll_interrupt();
        body(context, detail::in_order(order, 0, n, i));
      }
      return;
    }
    for (; workers_ < threads - 1; ++workers_) start_worker(workers_);
    body_ = body;
    context_ = context;
    order_ = order;
    threads_ = threads;
    uninterruptible_ = NoInterrupt::active();
    error_ = nullptr;
    for (int t = 0; t < threads; ++t) {
      Range& range = ranges_[t];
      range.begin = n * t / threads;
      range.end = n * (t + 1) / threads;
      range.taken.store(0, std::memory_order_relaxed);
    }
    generation_ += kGeneration;
    state_.store(generation_ | kOpen, std::memory_order_release);
    state_.notify_all();
    drain(0);
    state_.fetch_and(~kOpen, std::memory_order_acq_rel);
    wait_until(state_, [](uint32_t s) { return (s & kRunning) == 0; });
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  // The state: workers at work, whether the job is open, and the job's number.
  static constexpr uint32_t kRunning = 0x1ff, kOpen = 0x200, kGeneration = 0x400;

  void start_worker(int index) {
    std::thread([this, index] { work(index); }).detach();
  }

  void work(int index) {
    t_inside = true;
    uint32_t seen = 0;
    for (;;) {
      uint32_t s =
          wait_until(state_, [&](uint32_t v) { return (v & kOpen) && v / kGeneration != seen; });
      seen = s / kGeneration;
      if (!join(s, seen)) continue;
      use_flush_denormal();
      if (index + 1 < threads_) drain(index + 1);
      const uint32_t after = state_.fetch_sub(1, std::memory_order_acq_rel) - 1;
      if (!(after & kOpen) && !(after & kRunning)) state_.notify_all();
    }
  }

  /// Counts this worker in, unless the job has been closed meanwhile.
  bool join(uint32_t s, uint32_t generation) {
    while ((s & kOpen) && s / kGeneration == generation)
      if (state_.compare_exchange_weak(s, s + 1, std::memory_order_acq_rel)) return true;
    return false;
  }

  void drain(int thread) {
    const bool before = std::exchange(t_inside, true);
    std::optional<NoInterrupt> on;
    if (uninterruptible_) on.emplace();
    try {
      for (int t = 0; t < threads_; ++t) {
        Range& range = ranges_[(thread + t) % threads_];
        const int64_t n = range.end - range.begin;
        for (int64_t i; (i = range.taken.fetch_add(1, std::memory_order_relaxed)) < n;) {
          poll_interrupt();
          body_(context_, detail::in_order(order_, range.begin, range.end, i));
        }
      }
    } catch (...) {
      std::lock_guard lock(error_mutex_);
      if (!error_) error_ = std::current_exception();
      for (int t = 0; t < threads_; ++t)
        ranges_[t].taken.store(ranges_[t].end, std::memory_order_relaxed);
    }
    t_inside = before;
  }

  struct alignas(64) Range {
    std::atomic<int64_t> taken{0};
    int64_t begin = 0, end = 0;
  };

  std::mutex mutex_;
  int workers_ = 0;
  uint32_t generation_ = 0;
  std::atomic<uint32_t> state_{0};

  // The job; written while no worker is counted in.
  void (*body_)(void*, int64_t) = nullptr;
  void* context_ = nullptr;
  Order order_ = Order::kForwards;
  int threads_ = 0;
  bool uninterruptible_ = false;
  Range ranges_[kMaxThreads];
  std::mutex error_mutex_;
  std::exception_ptr error_;
};

// Never destroyed: its threads outlive every static. A forked child has none of them and starts
// anew.
std::atomic<Pool*> g_pool{nullptr};

Pool& pool() {
  Pool* p = g_pool.load(std::memory_order_acquire);
  if (p) return *p;
  static std::once_flag once;
  std::call_once(once, [] {
    pthread_atfork(nullptr, nullptr, [] { g_pool.store(new Pool, std::memory_order_release); });
    g_pool.store(new Pool, std::memory_order_release);
  });
  return *g_pool.load(std::memory_order_acquire);
}

int threads_from_environment() {
  const char* text = std::getenv("OMP_NUM_THREADS");
  const int asked = text ? std::atoi(text) : 0;
  const int n = asked > 0 ? asked : static_cast<int>(std::thread::hardware_concurrency());
  return std::clamp(n, 1, kMaxThreads);
}

}  // namespace

int num_threads() {
  int n = g_threads.load(std::memory_order_relaxed);
  if (n == 0) g_threads.store(n = threads_from_environment(), std::memory_order_relaxed);
  return n;
}

void set_num_threads(int n) {
  check<ValueError>(n > 0, "set_num_threads expects a positive integer, got {}", n);
  g_threads.store(std::min(n, kMaxThreads), std::memory_order_relaxed);
}

bool set_flush_denormal(bool on) {
#if defined(__SSE2__)
  g_flush.store(on, std::memory_order_relaxed);
  use_flush_denormal();
  return true;
#else
  return !on;
#endif
}

bool flush_denormal() { return g_flush.load(std::memory_order_relaxed) != 0; }

void use_flush_denormal() {
#if defined(__SSE2__)
  const int mode = g_flush.load(std::memory_order_relaxed);
  if (t_flush == mode) return;
  constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x40;
  constexpr unsigned kBoth = kFlushToZero | kDenormalsAreZero;
  _mm_setcsr(mode ? _mm_getcsr() | kBoth : _mm_getcsr() & ~kBoth);
  t_flush = mode;
#endif
}

void detail::parallel_run(int64_t n, Order order, void (*body)(void*, int64_t), void* context) {
  pool().run(num_threads(), n, order, body, context);
}

}  // namespace ballast
