#include "ballast/base/buffer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "ballast/base/error.h"

namespace ballast {
namespace {

// Small, mapped by themselves, and with large pages.
constexpr size_t kSizes[] = {1, 4000, 300'000, 1 << 20, (4 << 20) + 1, 9 << 20};

TEST(Buffer, IsAlignedAndWritableToItsEnd) {
  for (const size_t bytes : kSizes) {
    const Ref<Buffer> b = Buffer::allocate(bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(b->data()) % 64, 0u) << bytes;
    EXPECT_EQ(b->bytes(), bytes);
    std::memset(b->data(), 1, bytes);
  }
}

TEST(Buffer, UseIsCountedAndThePoolGivenBack) {
  release_pool();
  const size_t before = memory_use().live;
  std::vector<Ref<Buffer>> blocks;
  size_t least = 0;
  for (const size_t bytes : kSizes) {
    blocks.push_back(Buffer::allocate(bytes));
    std::memset(blocks.back()->data(), 1, bytes);
    least += bytes;
  }
  EXPECT_GE(memory_use().live - before, least);
  blocks.clear();
  EXPECT_EQ(memory_use().live, before);
  release_pool();
  EXPECT_EQ(memory_use().pooled, 0u);
  // What is taken after that is memory like any other.
  for (const size_t bytes : kSizes) std::memset(Buffer::allocate(bytes)->data(), 2, bytes);
}

TEST(Buffer, MoreThanThereIsIsAnErrorThatNamesTheBytes) {
  for (const int shift : {46, 47, 48, 62, 63}) {
    const size_t bytes = (size_t{1} << shift) + 1;
    const std::string expected = fmt::format("you tried to allocate {} bytes", bytes);
    for (auto* f : {+[](size_t n) { Buffer::allocate(n); }, +[](size_t n) { Buffer::require(n); }})
      try {
        f(bytes);
        ADD_FAILURE() << shift;
      } catch (const Error& e) {
        EXPECT_NE(std::string(e.what()).find(expected), std::string::npos) << e.what();
      }
  }
  EXPECT_THROW(Buffer::allocate(SIZE_MAX), Error);  // cannot be rounded up
  Buffer::require(1 << 20);
}

}  // namespace
}  // namespace ballast
