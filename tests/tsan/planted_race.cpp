// Proof that ThreadSanitizer sees what it should: `planted_race race` sums without synchronization
// and must be reported; `planted_race pieces` hands values from one parallel loop to the next and
// must not be.

#include <atomic>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "ballast/base/threads.h"

namespace {

constexpr double kWorthThreads = 1e9;

long racing_sum(const std::vector<long>& values) {
  long sum = 0;
  std::atomic<int> threads{0};
  ballast::parallel_for(static_cast<int64_t>(values.size()), kWorthThreads, [&](int64_t i) {
    // On a busy machine one thread may be done before another has begun.
    thread_local bool counted = false;
    if (!std::exchange(counted, true)) threads.fetch_add(1, std::memory_order_relaxed);
    while (threads.load(std::memory_order_relaxed) < 2) std::this_thread::yield();
    sum += values[i];
  });
  return sum;
}

long correct_sum(const std::vector<long>& values) {
  constexpr int64_t kPieces = 64;
  const int64_t size = static_cast<int64_t>(values.size()) / kPieces;
  std::vector<long> doubled(values.size()), sums(kPieces);
  ballast::parallel_for(kPieces, kWorthThreads, [&](int64_t piece) {
    for (int64_t i = piece * size; i < (piece + 1) * size; ++i) doubled[i] = 2 * values[i];
  });
  ballast::parallel_for(kPieces, kWorthThreads, [&](int64_t piece) {
    const int64_t from = kPieces - 1 - piece;
    for (int64_t i = from * size; i < (from + 1) * size; ++i) sums[piece] += doubled[i] - values[i];
  });
  return std::accumulate(sums.begin(), sums.end(), 0L);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  ballast::set_num_threads(4);
  std::vector<long> values(64000);
  std::iota(values.begin(), values.end(), 0);
  const bool race = std::strcmp(argv[1], "race") == 0;
  const long sum = race ? racing_sum(values) : correct_sum(values);
  const long expected = std::accumulate(values.begin(), values.end(), 0L);
  std::printf("sum %ld, expected %ld\n", sum, expected);
  return race || sum == expected ? 0 : 1;
}
