#include "ballast/base/threads.h"

#include <omp.h>

#include <atomic>
#include <exception>
#include <mutex>

namespace ballast {
namespace {
std::atomic<int> g_threads{0};
}

int num_threads() {
  int n = g_threads.load(std::memory_order_relaxed);
  if (n == 0) g_threads.store(n = omp_get_max_threads(), std::memory_order_relaxed);
  return n;
}

void set_num_threads(int n) {
  check<ValueError>(n > 0, "set_num_threads expects a positive integer, got {}", n);
  g_threads.store(n, std::memory_order_relaxed);
}

void detail::parallel_run(int64_t n, void (*body)(void*, int64_t), void* context) {
  std::exception_ptr error;
  std::mutex mutex;
  std::atomic<int64_t> next{0};
#pragma omp parallel num_threads(num_threads())
  {
    try {
      for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < n;) body(context, i);
    } catch (...) {
      std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
      next.store(n, std::memory_order_relaxed);
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace ballast
