#include "ballast/study/fold.h"

#include <gtest/gtest.h>

#include "ballast/base/random.h"
#include "ballast/models/factory.h"
#include "ballast/nn/nn.h"
#include "ballast/ops/pointwise.h"
#include "tests/support/gradcheck.h"

namespace ballast::study {
namespace {

using test::uniform;

Tensor floats(const Shape& shape, uint64_t seed) {
  return uniform(shape, seed).to(DType::kFloat32);
}

/// Gives all normalizations statistics and weights that are not those they start with.
void disturb(nn::Module& model) {
  uint64_t seed = 100;
  for (const auto& [name, m] : model.named_modules())
    if (const auto* norm = m->as<nn::BatchNorm>()) {
      const Shape c{norm->num_features()};
      auto copy = *static_cast<const nn::ChannelNorm*>(norm);
      copy.running_mean.copy_(uniform(c, ++seed) * 0.3);
      copy.running_var.copy_(uniform(c, ++seed) * 0.4 + 1.0);
      copy.weight.copy_(uniform(c, ++seed) * 0.4 + 1.0);
      copy.bias.copy_(uniform(c, ++seed) * 0.3);
    }
}

void expect_folded(nn::Module& model, const Tensor& x, int64_t layers) {
  disturb(model);
  model.eval();
  model.to(DType::kFloat64);
  const auto want = model(x).values<double>();
  EXPECT_EQ(fold(model, x), layers);
  EXPECT_EQ(fold(model, x), 0);
  const auto got = model(x).values<double>();
  double largest = 0;
  for (double v : want) largest = std::max(largest, std::abs(v));
  // Rounding of float64 through a few dozen layers.
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-11 * largest);
}

TEST(Fold, TakesAllNormalizationsOfWholeNetworks) {
  auto resnet = models::make("resnet20", {3, 8, 8});
  expect_folded(*resnet, uniform({2, 3, 8, 8}, 1), 21);
  auto cnn = models::make("cnn", {3, 8, 8});
  expect_folded(*cnn, uniform({2, 3, 8, 8}, 1), 3);
}

TEST(Fold, TakesALinearLayersToo) {
  nn::Sequential net(nn::Linear(3, 5, {.bias = false}), nn::BatchNorm1d(5), nn::ReLU(),
                     nn::Linear(5, 4), nn::BatchNorm1d(4));
  expect_folded(net, uniform({6, 3}, 1), 2);
  EXPECT_EQ(net[0].str(), "Linear(in_features=3, out_features=5, bias=True)");
  EXPECT_EQ(net[1].str(), "Identity()");
}

struct Twice : nn::Module {
  nn::Conv2d conv = add("conv", nn::Conv2d(3, 3, 1));
  nn::BatchNorm2d norm = add("norm", nn::BatchNorm2d(3));
  nn::Conv2d other = add("other", nn::Conv2d(3, 3, 1));
  nn::BatchNorm2d after = add("after", nn::BatchNorm2d(3));
  Tensor forward(const Tensor& x) override {
    const Tensor y = conv(x), z = norm(y) + y;  // y is read twice
    return after(relu(other(relu(other(z)))));  // a product twice, and not right before
  }
};

TEST(Fold, LeavesWhatOthersReadAndWhatIsUsedTwice) {
  Twice net;
  expect_folded(net, uniform({2, 3, 4, 4}, 1), 0);
}

// Pre-activation: the order of members says nothing about what follows what.
struct PreActivation : nn::Module {
  nn::BatchNorm2d norm1 = add("norm1", nn::BatchNorm2d(3));
  nn::BatchNorm2d norm2 = add("norm2", nn::BatchNorm2d(3));
  nn::Conv2d conv2 = add("conv2", nn::Conv2d(3, 3, 1));
  nn::Conv2d conv1 = add("conv1", nn::Conv2d(3, 3, 1));
  Tensor forward(const Tensor& x) override { return conv2(relu(norm2(conv1(relu(norm1(x)))))); }
};

TEST(Fold, GoesByTheComputationNotByTheOrderOfMembers) {
  PreActivation net;
  expect_folded(net, uniform({2, 3, 4, 4}, 1), 1);
  EXPECT_NE(net.norm1.as<nn::BatchNorm2d>(), nullptr);
  EXPECT_NE(net.norm2.as<nn::Identity>(), nullptr);
}

TEST(Fold, LeavesTheRandomNumbersAlone) {
  nn::Sequential net(nn::Conv2d(3, 4, 1), nn::BatchNorm2d(4));
  net.eval();
  manual_seed(7);
  const auto want = nn::init::uniform_(floats({3}, 1)).values<float>();
  manual_seed(7);
  EXPECT_EQ(fold(net, floats({1, 3, 2, 2}, 1)), 1);
  EXPECT_EQ(nn::init::uniform_(floats({3}, 1)).values<float>(), want);
}

TEST(Fold, AgreesWithTheFormula) {
  nn::Sequential net(nn::Conv2d(1, 1, 1, {.bias = false}), nn::BatchNorm2d(1, {.eps = 0.5}));
  net.eval();
  net[0].as<nn::Conv2d>()->weight.copy_(Tensor::from<float>({3}).reshape({1, 1, 1, 1}));
  auto& norm = *net[1].as<nn::BatchNorm2d>();
  norm.running_mean.copy_(Tensor::from<float>({2}));
  norm.running_var.copy_(Tensor::from<float>({3.5}));
  norm.weight.copy_(Tensor::from<float>({4}));
  norm.bias.copy_(Tensor::from<float>({5}));
  EXPECT_EQ(fold(net, floats({1, 1, 1, 1}, 1)), 1);
  auto& conv = *net[0].as<nn::Conv2d>();
  EXPECT_EQ(conv.weight.item(), 6);  // 3*4/sqrt(3.5 + 0.5)
  EXPECT_EQ(conv.bias.item(), 1);    // (0 - 2)*2 + 5
}

TEST(Fold, RefusesAModelInTraining) {
  nn::Sequential net(nn::Conv2d(3, 4, 1), nn::BatchNorm2d(4));
  EXPECT_THROW(fold(net, floats({1, 3, 2, 2}, 1)), ValueError);
}

}  // namespace
}  // namespace ballast::study
