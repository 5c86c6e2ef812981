// Proof that ThreadSanitizer sees OpenMP code as it should: `planted_race race` sums without
// synchronization and must be reported; `planted_race reduction` does it right and must not be.

#include <cstdio>
#include <cstring>
#include <numeric>
#include <vector>

namespace {

long racing_sum(const std::vector<long>& values) {
  long sum = 0;
#pragma omp parallel for
  for (size_t i = 0; i < values.size(); ++i) sum += values[i];
  return sum;
}

// Threads hand values over by the end of one parallel region and by a barrier within the next.
long correct_sum(const std::vector<long>& values) {
  std::vector<long> doubled(values.size()), shifted(values.size());
#pragma omp parallel for
  for (size_t i = 0; i < values.size(); ++i) doubled[i] = 2 * values[i];
  long sum = 0;
#pragma omp parallel
  {
#pragma omp for
    for (size_t i = 0; i < values.size(); ++i) shifted[i] = doubled[values.size() - 1 - i];
#pragma omp for reduction(+ : sum)
    for (size_t i = 0; i < values.size(); ++i) sum += shifted[values.size() - 1 - i] - values[i];
  }
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::vector<long> values(100000);
  std::iota(values.begin(), values.end(), 0);
  const bool race = std::strcmp(argv[1], "race") == 0;
  const long sum = race ? racing_sum(values) : correct_sum(values);
  const long expected = std::accumulate(values.begin(), values.end(), 0L);
  std::printf("sum %ld, expected %ld\n", sum, expected);
  return race || sum == expected ? 0 : 1;
}
