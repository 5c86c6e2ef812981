#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "ballast/grad/grad.h"
#include "ballast/ops/batch_norm.h"
#include "ballast/ops/loss.h"
#include "ballast/ops/matmul.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"
#include "tests/support/files.h"
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

// Gradients of a graph this deep are evaluated piece by piece while they are recorded.
TEST(Backward, GraphsDeeperThanTheBoundOnPendingOnes) {
  for (int n : {100, 1500, 5000}) {
    Tensor x = Tensor::from({1.0, 2.0});
    x.set_requires_grad();
    const Tensor c = Tensor::from({1.0001, 1.0});
    Tensor y = x;
    for (int i = 0; i < n; ++i) y = relu(y * c + x * 0.0);
    sum(y).backward();
    const auto g = x.grad().values<double>();
    EXPECT_NEAR(g[0], std::pow(1.0001, n), 1e-9) << n;
    EXPECT_DOUBLE_EQ(g[1], 1.0) << n;
  }
}

TEST(Backward, AParameterOverwrittenInBetweenIsAnError) {
  Tensor p = Tensor::from({1.0f, 2.0f});
  p.set_requires_grad();
  const Tensor loss = sum(p * p), other = sum(p * p), linear = sum(p * 3.0);
  loss.backward();
  p.copy_(Tensor::from({5.0f, 6.0f}));
  const std::string error = testing::error_of<Error>([&] { other.backward(); });
  EXPECT_NE(error.find("modified by an inplace operation"), std::string::npos) << error;
  sum(p * p).backward();  // on top of the gradient from before
  EXPECT_EQ(p.grad().values<float>(), (std::vector<float>{12, 16}));
  linear.backward();  // whose rule does not read what p was
  EXPECT_EQ(p.grad().values<float>(), (std::vector<float>{15, 19}));
}

TEST(Backward, AGraphWhoseRulesReadNothingCanBeWalkedAgain) {
  Tensor x = Tensor::from({1.0f, 2.0f});
  x.set_requires_grad();
  const Tensor y = sum(x + 1.0), z = sum(square(x));
  y.backward();
  y.backward();
  EXPECT_EQ(x.grad().values<float>(), (std::vector<float>{2, 2}));
  z.backward();
  const std::string error = testing::error_of<Error>([&] { z.backward(); });
  EXPECT_NE(error.find("a second time"), std::string::npos) << error;
}

TEST(Backward, WritingIntoAnIntermediateValueKeepsItsHistory) {
  Tensor x = Tensor::from({1.0f, 2.0f});
  x.set_requires_grad();
  Tensor y = x * 2.0;
  const Tensor z = y + 1.0;
  y.mutable_data<float>()[0] = 5;
  sum(square(y)).backward();
  EXPECT_EQ(x.grad().values<float>(), (std::vector<float>{20, 16}));
  EXPECT_EQ(z.values<float>(), (std::vector<float>{3, 5}));
}

}  // namespace
}  // namespace ballast
