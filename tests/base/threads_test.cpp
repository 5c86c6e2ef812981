#include "ballast/base/threads.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <limits>
#include <thread>
#include <vector>

namespace ballast {
namespace {

constexpr double kWorthThreads = 1e9;

class Threads : public ::testing::Test {
 protected:
  void SetUp() override { set_num_threads(4); }
  void TearDown() override { set_num_threads(before_); }
  int before_ = num_threads();
};

TEST_F(Threads, EveryPieceRunsOnce) {
  for (int64_t n : {0, 1, 2, 3, 7, 1000})
    for (int repeat = 0; repeat < 50; ++repeat) {
      std::vector<std::atomic<int>> runs(static_cast<size_t>(n));
      const Order order = repeat % 2 ? Order::kBackwards : Order::kForwards;
      parallel_for(
          n, kWorthThreads, [&](int64_t i) { ++runs[static_cast<size_t>(i)]; }, order);
      for (const auto& r : runs) EXPECT_EQ(r, 1);
    }
}

TEST_F(Threads, PiecesComeInOrderOrAgainstIt) {
  // Many threads have a range each, and take what others leave; inside a piece of another loop, and
  // with one thread, there is one range.
  for (const int threads : {1, 4}) {
    set_num_threads(threads);
    std::vector<int64_t> forwards, backwards;
    parallel_for(threads == 1 ? 1 : 4, kWorthThreads, [&](int64_t outer) {
      if (outer != 0) return;
      parallel_for(5, kWorthThreads, [&](int64_t i) { forwards.push_back(i); });
      parallel_for(
          5, kWorthThreads, [&](int64_t i) { backwards.push_back(i); }, Order::kBackwards);
    });
    EXPECT_EQ(forwards, (std::vector<int64_t>{0, 1, 2, 3, 4}));
    EXPECT_EQ(backwards, (std::vector<int64_t>{4, 3, 2, 1, 0}));
  }
}

TEST_F(Threads, ExceptionsReachTheCaller) {
  EXPECT_THROW(parallel_for(100, kWorthThreads,
                            [](int64_t i) { check<ValueError>(i != 57, "piece {}", i); }),
               ValueError);
  std::atomic<int> runs = 0;  // and the next loop is whole again
  parallel_for(100, kWorthThreads, [&](int64_t) { ++runs; });
  EXPECT_EQ(runs, 100);
}

TEST_F(Threads, LoopsInsideLoopsRunInline) {
  std::atomic<int> runs = 0;
  parallel_for(8, kWorthThreads,
               [&](int64_t) { parallel_for(8, kWorthThreads, [&](int64_t) { ++runs; }); });
  EXPECT_EQ(runs, 64);
}

TEST_F(Threads, SeveralCallersAtOnceAllFinish) {
  std::atomic<int> runs = 0;
  std::vector<std::thread> callers;
  for (int c = 0; c < 6; ++c)
    callers.emplace_back([&] {
      for (int repeat = 0; repeat < 100; ++repeat)
        parallel_for(20, kWorthThreads, [&](int64_t) { ++runs; });
    });
  for (auto& c : callers) c.join();
  EXPECT_EQ(runs, 6 * 100 * 20);
}

TEST_F(Threads, AForkedChildHasThreadsOfItsOwn) {
  parallel_for(8, kWorthThreads, [](int64_t) {});
  const pid_t child = fork();
  if (child == 0) {
    std::atomic<int> runs = 0;
    parallel_for(1000, kWorthThreads, [&](int64_t) { ++runs; });
    _exit(runs == 1000 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(Threads, RefusesLessThanOne) { EXPECT_THROW(set_num_threads(0), ValueError); }

/// Half of the smallest normal number, worked out by whoever calls.
float half_of_the_smallest() {
  volatile float smallest = std::numeric_limits<float>::min();
  return smallest * 0.5F;
}

TEST_F(Threads, FlushingDenormalsHoldsOnEveryThread) {
  if (!set_flush_denormal(true)) GTEST_SKIP() << "the processor cannot";
  for (const bool on : {true, false, true, false}) {
    EXPECT_TRUE(set_flush_denormal(on));
    EXPECT_EQ(flush_denormal(), on);
    std::vector<float> made(64);
    parallel_for(64, kWorthThreads, [&](int64_t i) {
      std::this_thread::sleep_for(std::chrono::microseconds(200));  // for all threads to take part
      made[i] = half_of_the_smallest();
    });
    for (float v : made) EXPECT_EQ(v == 0, on);
    std::thread([&] {
      use_flush_denormal();
      EXPECT_EQ(half_of_the_smallest() == 0, on);
    }).join();
  }
}

TEST_F(Threads, WorkStopsWhenItIsInterrupted) {
  static std::atomic<bool> stop;
  set_interrupt_check([] { return stop.load(); });
  for (const int threads : {1, 4}) {
    set_num_threads(threads);
    stop = true;
    std::atomic<int> runs = 0;
    auto piece = [&](int64_t) {
      ++runs;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    };
    EXPECT_THROW(parallel_for(100'000, kWorthThreads, piece), Interrupted);
    EXPECT_LT(runs, 5000);
    EXPECT_THROW(in_slices(int64_t{1} << 50, [](int64_t, int64_t) {}), Interrupted);
    {
      const NoInterrupt on;
      runs = 0;
      parallel_for(100, kWorthThreads, piece);
      EXPECT_EQ(runs, 100);
    }
    stop = false;
    runs = 0;
    parallel_for(100, kWorthThreads, piece);
    EXPECT_EQ(runs, 100);
  }
  set_interrupt_check(nullptr);
}

}  // namespace
}  // namespace ballast
