#include "ballast/base/recycled.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace ballast {
namespace {

struct Item : Recycled<Item> {
  explicit Item(int v) : value(v) {}
  int value;
  char rest[60] = {};
};
using Items = std::vector<std::unique_ptr<Item>>;

Items items(int n) {
  Items out;
  for (int i = 0; i < n; ++i) out.push_back(std::make_unique<Item>(i));
  return out;
}

TEST(Recycled, WhatAThreadFreesItUsesAgain) {
  if (!kPooled) GTEST_SKIP() << "the sanitizer wants every block from the system";
  std::thread([] {
    auto first = std::make_unique<Item>(1);
    const void* at = first.get();
    first.reset();
    const auto second = std::make_unique<Item>(2);
    EXPECT_EQ(second.get(), at);
    EXPECT_NE(std::make_unique<Item>(3).get(), second.get());
  }).join();
}

TEST(Recycled, ObjectsMayBeFreedOnAnotherThread) {
  for (int n : {1, 255, 256, 257, 2000}) {
    Items made = items(n);
    std::thread([&] {
      made.clear();
      made = items(n);
    }).join();
    for (int i = 0; i < n; ++i) ASSERT_EQ(made[i]->value, i);
  }
}

TEST(Recycled, ObjectsMayBeFreedWhenAThreadHasEmptiedItsList) {
  std::thread([] {
    static thread_local Items late;  // made before the list is used: destroyed after it
    late = items(3);
    items(5).clear();
  }).join();
}

}  // namespace
}  // namespace ballast
