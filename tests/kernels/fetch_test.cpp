#include "ballast/kernels/fetch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "ballast/base/random.h"

namespace ballast {
namespace {

TEST(Fetch, GivesEachLineOnceInThePartsItWasDividedInto) {
  std::vector<float> memory(1 << 16);
  Generator random(1);
  for (int trial = 0; trial < 200; ++trial) {
    kernels::Fetch list;
    int64_t lines = 0;
    for (uint32_t i = 0; i < random.random32() % 5; ++i) {
      const int64_t rows = random.random32() % 9, columns = random.random32() % 70,
                    pitch = columns + (random.random32() % 2 ? 0 : 13);
      list.add(memory.data() + i * 4096, pitch, rows, columns);
      if (columns > 0)
        lines += pitch == columns ? (rows * columns + 15) / 16 : rows * ((columns + 15) / 16);
    }
    const int64_t blocks = 1 + random.random32() % 40;
    list.divide(blocks);
    const int64_t each = (lines + blocks - 1) / blocks;
    std::set<const float*> all;
    const float* at[2048];
    for (int64_t b = 0; b < blocks; ++b) {
      if (b * each < lines) {
        ASSERT_FALSE(list.done()) << "trial " << trial << ", step " << b;
      }
      const int64_t taken = list.take(at, each);
      ASSERT_EQ(taken, std::min(each, std::max<int64_t>(lines - b * each, 0)));
      all.insert(at, at + taken);
    }
    ASSERT_TRUE(list.done()) << "trial " << trial;
    ASSERT_EQ(static_cast<int64_t>(all.size()), lines) << "trial " << trial;
  }
}

TEST(Fetch, LeavesOutMemoryItHasAndWhatIsTooMuch) {
  std::vector<float> memory(200 * 16);
  kernels::Fetch list;
  for (int i = 0; i < 200; ++i) list.add(memory.data() + i * 16, 16, 1, 16);
  list.add(memory.data(), 16, 200, 16);
  list.divide(64);
  for (int i = 0; i < 64; ++i) {
    ASSERT_FALSE(list.done());
    const float* line;
    ASSERT_EQ(list.take(&line, 7), 1);
    EXPECT_EQ(line, memory.data() + i * 16);
  }
  EXPECT_TRUE(list.done());
}

TEST(Fetch, GivesNoMoreThanIsAskedFor) {
  std::vector<float> memory(10 * 16);
  kernels::Fetch list;
  list.add(memory.data(), 160, 1, 160);
  list.divide(1);
  const float* lines[10];
  EXPECT_EQ(list.take(lines, 4), 4);
  EXPECT_EQ(list.take(lines, 10), 6);
  EXPECT_EQ(lines[5], memory.data() + 9 * 16);
  EXPECT_EQ(list.take(lines, 10), 0);
}

}  // namespace
}  // namespace ballast
