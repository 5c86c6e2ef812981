// Proof that ThreadSanitizer sees what it should: `planted_race race` sums without synchronization
// and must be reported; `planted_race pieces` hands values from one parallel loop to the next and
// must not be.

#include <atomic>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <thread>
#include <vector>

#include "ballast/base/threads.h"

namespace {

constexpr double kWorthThreads = 1e9;

/// Two threads, both at it at the same time: each half waits for the other to begin.
long racing_sum(const std::vector<long>& values) {
  volatile long sum = 0;
  std::atomic<int> begun{0};
  const size_t half = values.size() / 2;
  ballast::parallel_for(2, kWorthThreads, [&](int64_t i) {
    begun.fetch_add(1, std::memory_order_relaxed);
    while (begun.load(std::memory_order_relaxed) < 2) std::this_thread::yield();
    for (size_t k = i * half; k < (i + 1) * half; ++k) sum = sum + values[k];
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
