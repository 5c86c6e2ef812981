// Evaluation on many threads at a time.
#include "ballast/sweep/eval.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

#include "ballast/models/convolutional.h"
#include "ballast/models/factory.h"
#include "ballast/ops/activation.h"
#include "ballast/ops/conv.h"
#include "ballast/ops/create.h"
#include "ballast/ops/loss.h"
#include "ballast/ops/pointwise.h"

namespace ballast {
namespace {

constexpr int kThreads = 8;

/// Calls body(0 .. kThreads-1), each on a thread of its own, none before all are there.
void on_many_threads(const std::function<void(int)>& body) {
  std::latch all_there(kThreads);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] {
      all_there.arrive_and_wait();
      body(i);
    });
  for (std::thread& t : threads) t.join();
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

nn::ModulePtr evaluation_model(const char* name) {
  auto model = models::make(name);
  (*model)(randn({8, 1, 8, 8})).eval();  // running statistics other than 0 and 1
  model->eval();
  return model;
}

// What a layer has left to be evaluated is freed when its thread ends, nodes included: the last of
// the thread's things, if it was the first. (AddressSanitizer sees what would be gone by then.)
TEST(Eval, AThreadMayEndBeforeItsRunningStatisticsAreEvaluated) {
  std::weak_ptr<nn::Module> left;
  std::thread([&] {
    EXPECT_TRUE(pending_state().empty());
    auto model = models::make("cnn");
    left = model;
    const Tensor y = (*model)(randn({8, 1, 8, 8}));
    EXPECT_FALSE(pending_state().empty());
  }).join();
  EXPECT_TRUE(left.expired());
}

class EvalOnManyThreads : public ::testing::TestWithParam<const char*> {};

TEST_P(EvalOnManyThreads, OneModuleGivesTheBitsOfOneThread) {
  const auto model = evaluation_model(GetParam());
  std::vector<Tensor> inputs;
  std::vector<std::vector<float>> expected;
  for (int i = 0; i < kThreads; ++i) {
    // Of different sizes, so that there are several plans.
    inputs.push_back(randn({1 + i % 3, 1, 8, 8}).eval());
    const NoGrad off;
    expected.push_back((*model)(inputs[i]).values<float>());
  }
  on_many_threads([&](int i) {
    const NoGrad off;
    for (int repeat = 0; repeat < 4; ++repeat)
      EXPECT_TRUE(same_bits((*model)(inputs[i]).values<float>(), expected[i])) << "thread " << i;
  });
}

TEST_P(EvalOnManyThreads, SharedInputMayBeUnevaluated) {
  const auto model = evaluation_model(GetParam());
  const Tensor base = randn({2, 1, 8, 8});
  std::vector<float> expected;
  {
    const NoGrad off;
    expected = (*model)(base * 0.5 + 1.0).values<float>();
  }
  for (int repeat = 0; repeat < 4; ++repeat) {
    const Tensor shared = base * 0.5 + 1.0;
    on_many_threads([&](int i) {
      const NoGrad off;
      EXPECT_TRUE(same_bits((*model)(shared).values<float>(), expected)) << "thread " << i;
    });
  }
}

INSTANTIATE_TEST_SUITE_P(Models, EvalOnManyThreads, ::testing::Values("cnn", "resnet20"),
                         [](const auto& at) { return std::string(at.param); });

std::vector<float> gradients_of(const models::Cnn& model, const Tensor& x, const Tensor& y) {
  models::Cnn copy = nn::clone(model);
  cross_entropy(copy(x), y).backward();
  std::vector<float> all;
  for (const Tensor& p : copy.parameters())
    for (float v : p.grad().values<float>()) all.push_back(v);
  return all;
}

TEST(Eval, ManyThreadsMayTrainModulesOfTheirOwn) {
  const models::Cnn model;
  const Tensor x = randn({4, 1, 8, 8}), y = randint(0, 10, {4});
  const std::vector<float> expected = gradients_of(model, x, y);
  on_many_threads([&](int i) {
    EXPECT_TRUE(same_bits(gradients_of(model, x, y), expected)) << "thread " << i;
  });
}

TEST(Eval, ManyThreadsMayLookAtOneUnevaluatedTensor) {
  const Tensor x = randn({2, 3, 9, 9}), w = randn({5, 3, 3, 3});
  const auto make = [&] { return relu(conv2d(x, w)); };  // stored channels-last
  const std::vector<float> expected = make().values<float>();
  for (int repeat = 0; repeat < 20; ++repeat) {
    const Tensor shared = make();
    on_many_threads([&](int i) {
      if (i % 2) {
        EXPECT_TRUE(same_bits(shared.values<float>(), expected));
        return;
      }
      const std::vector<float> negated = neg(shared).values<float>();
      ASSERT_EQ(negated.size(), expected.size());
      for (size_t e = 0; e < expected.size(); ++e) EXPECT_EQ(negated[e], -expected[e]);
      EXPECT_TRUE(same_bits(shared.detach().values<float>(), expected));
    });
  }
}

}  // namespace
}  // namespace ballast
