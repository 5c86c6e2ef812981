#include <gtest/gtest.h>

#include <cmath>

#include "ballast/grad/grad.h"
#include "ballast/ops/batch_norm.h"
#include "ballast/ops/loss.h"
#include "ballast/ops/matmul.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"
#include "tests/support/gradcheck.h"

namespace ballast {
namespace {

TEST(Backward, ProductRule) {
  Tensor x = Tensor::from({2.0f, 3.0f}), y = Tensor::from({5.0f, 7.0f});
  x.set_requires_grad();
  sum(x * y + square(x)).backward();
  EXPECT_EQ(x.grad().values<float>(), (std::vector<float>{9, 13}));
}

TEST(Backward, AccumulatesOverCalls) {
  Tensor x = Tensor::from({1.0f});
  x.set_requires_grad();
  sum(x * 3.0).backward();
  sum(x * 4.0).backward();
  EXPECT_EQ(x.grad().item(), 7);
}

TEST(Backward, SecondPassThroughAFreedGraphThrows) {
  Tensor x = Tensor::from({1.0f});
  x.set_requires_grad();
  const Tensor y = sum(exp(x));
  y.backward();
  EXPECT_THROW(y.backward(), Error);
}

TEST(Backward, LookingAtTheLossFirstDoesNotRunForwardTwice) {
  Tensor x = Tensor::from({0.5f, -1.0f});
  x.set_requires_grad();
  const Tensor y = sum(exp(x) * x);
  EXPECT_NEAR(y.item(), 0.5 * std::exp(0.5) - std::exp(-1.0), 1e-6);
  y.backward();
  const auto g = x.grad().values<float>();
  EXPECT_NEAR(g[0], 1.5 * std::exp(0.5), 1e-6);
  EXPECT_NEAR(g[1], 0.0, 1e-6);
}

TEST(Backward, GradientOfTheMissionsNetMatchesFiniteDifferences) {
  const Tensor y = Tensor::from(std::vector<int64_t>{0, 3, 1, 2, 2, 0, 3}, {7});
  auto net = [&](const std::vector<Tensor>& p) {
    const Tensor h = relu(batch_norm(linear(p[0], p[1], p[2]), nullptr, p[3], p[4], true));
    return cross_entropy(linear(h, p[5]), y);
  };
  using test::uniform;
  EXPECT_LT(test::gradient_error(net, {uniform({7, 5}, 1), uniform({6, 5}, 2), uniform({6}, 3),
                                       uniform({6}, 4), uniform({6}, 5), uniform({4, 6}, 6)}),
            test::kGradientTolerance);
}

TEST(Backward, BatchNormOfImagesMatchesFiniteDifferences) {
  auto f = [](const std::vector<Tensor>& p) { return batch_norm(p[0], nullptr, p[1], p[2], true); };
  using test::uniform;
  EXPECT_LT(test::gradient_error(f, {uniform({3, 4, 2, 3}, 1), uniform({4}, 2), uniform({4}, 3)}),
            test::kGradientTolerance);
}

TEST(Backward, ChannelsLastPlansAgreeWithRowMajorOnes) {
  auto gradients = [](DType t) {
    Tensor x = test::uniform({3, 4, 2, 3}, 1).to(t).detach().set_requires_grad();
    const Tensor y =
        relu(batch_norm(x, nullptr, {}, {}, true)) * test::uniform({3, 4, 2, 3}, 7).to(t);
    sum(y).backward();
    return x.grad().to(DType::kFloat64).values<double>();
  };
  const auto exact = gradients(DType::kFloat64), fast = gradients(DType::kFloat32);
  for (size_t i = 0; i < exact.size(); ++i) EXPECT_NEAR(fast[i], exact[i], 1e-5);
}

}  // namespace
}  // namespace ballast
