#include "ballast/kernels/fetch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "ballast/base/random.h"

namespace ballast {
namespace {

/// Takes up to `most` lines, in any number of shares.
std::vector<const float*> take(kernels::Fetch& list, int64_t most) {
  std::vector<const float*> lines;
  kernels::Fetch::Share shares[64];
  const int n = list.take(most, 64, shares);
  for (int i = 0; i < n; ++i)
    for (int64_t k = 0; k < shares[i].count; ++k) lines.push_back(shares[i].lines->next());
  return lines;
}

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
    for (int64_t b = 0; b < blocks; ++b) {
      if (b * each < lines) {
        ASSERT_FALSE(list.done()) << "trial " << trial << ", step " << b;
      }
      const auto taken = take(list, each);
      ASSERT_EQ(static_cast<int64_t>(taken.size()),
                std::min(each, std::max<int64_t>(lines - b * each, 0)));
      all.insert(taken.begin(), taken.end());
    }
    ASSERT_TRUE(list.done()) << "trial " << trial;
    ASSERT_EQ(static_cast<int64_t>(all.size()), lines) << "trial " << trial;
  }
}

TEST(Fetch, LeavesOutMemoryItHasAndWhatIsTooMuch) {
  std::vector<float> memory(200 * 32);
  kernels::Fetch list;
  for (int i = 0; i < 200; ++i) list.add(memory.data() + i * 32, 32, 1, 16);
  list.add(memory.data(), 32, 200, 16);
  list.divide(64);
  for (int i = 0; i < 64; ++i) {
    ASSERT_FALSE(list.done());
    EXPECT_EQ(take(list, 7), std::vector<const float*>{memory.data() + i * 32});
  }
  EXPECT_TRUE(list.done());
}

// Neighbouring columns of the same rows, as the parts of a concatenation are read.
TEST(Fetch, JoinsWhatLiesSideBySide) {
  std::vector<float> memory(3 * 64), other(3 * 64);
  kernels::Fetch list;
  for (int c = 0; c < 48; c += 16) {
    list.add(memory.data() + c, 64, 3, 16);
    list.add(other.data() + c, 64, 3, 16);
  }
  list.add(memory.data() + 48, 64, 2, 16);  // not of all rows
  list.divide(1);
  std::vector<const float*> expected;
  for (const float* at : {memory.data(), other.data()})
    for (int r = 0; r < 3; ++r)
      for (int c = 0; c < 48; c += 16) expected.push_back(at + r * 64 + c);
  expected.push_back(memory.data() + 48);
  expected.push_back(memory.data() + 64 + 48);
  EXPECT_EQ(take(list, 100), expected);
  EXPECT_TRUE(list.done());
}

TEST(Fetch, GivesNoMoreThanIsAskedFor) {
  std::vector<float> memory(10 * 16);
  kernels::Fetch list;
  list.add(memory.data(), 160, 1, 160);
  list.divide(1);
  EXPECT_EQ(take(list, 4).size(), 4U);
  const auto rest = take(list, 10);
  ASSERT_EQ(rest.size(), 6U);
  EXPECT_EQ(rest[5], memory.data() + 9 * 16);
  EXPECT_TRUE(take(list, 10).empty());
}

TEST(Fetch, GivesNoMoreSharesThanAreAskedFor) {
  std::vector<float> memory(10 * 16);
  kernels::Fetch list;
  for (int i = 0; i < 4; ++i) list.add(memory.data() + i * 32, 16, 1, 16);
  list.divide(1);
  kernels::Fetch::Share shares[3];
  ASSERT_EQ(list.take(10, 3, shares), 3);
  EXPECT_EQ(shares[2].lines->next(), memory.data() + 64);
  EXPECT_EQ(take(list, 10), std::vector<const float*>{memory.data() + 96});
  EXPECT_TRUE(list.done());
}

}  // namespace
}  // namespace ballast
