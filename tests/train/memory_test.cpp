// What training takes from the system: nothing, once its plans are made.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdint>
#include <utility>

#include "ballast/base/buffer.h"
#include "ballast/base/random.h"
#include "ballast/base/threads.h"
#include "ballast/models/factory.h"
#include "ballast/ops/create.h"
#include "ballast/ops/loss.h"
#include "ballast/train/optim.h"

namespace ballast {
namespace {

/// Bytes that have been taken from the system and not been given back.
size_t taken() { return memory_use().live + memory_use().pooled; }

// Sanitizers keep books of their own.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
constexpr bool kSanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
constexpr bool kSanitized = false;
#endif

/// Pages that the system has given to this process.
int64_t page_faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

TEST(Memory, SteadyStepsTakeNothingFromTheSystem) {
  const int threads = num_threads();
  set_num_threads(1);  // which thread meets the largest piece, and grows its scratch, is chance
  for (const auto& [name, channels] : {std::pair{"my", 3}, {"resnet20", 1}}) {
    manual_seed(0);
    nn::ModulePtr model = models::make(name);
    const Tensor x = randn({4, channels, 32, 32}), y = randint(0, 10, {4});
    optim::SGD optimizer(model->parameters(), {.lr = 0.01, .momentum = 0.9});
    const auto steps = [&](int count) {
      for (int i = 0; i < count; ++i) {
        optimizer.zero_grad();
        cross_entropy((*model)(x), y).backward();
        optimizer.step();
      }
    };
    steps(3);
    const size_t before = taken(), live = memory_use().live;
    EXPECT_GT(before, 0u);
    const int64_t faults = page_faults();
    steps(5);
    // Memory that was given back and is taken again comes page by page: all activations of a
    // ResNet-20 are thousands of pages, one of its first layers' is 64.
    if (!kSanitized) {
      EXPECT_LT(page_faults() - faults, 5 * 10) << name;
    }
    EXPECT_EQ(taken(), before) << name;
    EXPECT_EQ(memory_use().live, live) << name;
  }
  set_num_threads(threads);
}

}  // namespace
}  // namespace ballast
