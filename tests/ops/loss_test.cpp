#include "ballast/ops/loss.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ballast/grad/grad.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/softmax.h"
#include "tests/support/files.h"
#include "tests/support/golden.h"
#include "tests/support/gradcheck.h"
#include "tests/support/targets.h"

namespace ballast {
namespace {

using In = const std::vector<Tensor>&;
using test::expect_golden;
using test::uniform;
using testing::error_of;

Tensor ints(const std::vector<int64_t>& values) {
  return Tensor::from(values, {static_cast<int64_t>(values.size())});
}

TEST(Loss, NegativeLogLikelihoodMatchesPyTorch) {
  // PyTorch gives no gradient for weights; ours are cut off to compare.
  expect_golden("nll", [](In in) { return nll_loss(in[0], in[1]); });
  expect_golden("nll_weighted",
                [](In in) { return nll_loss(in[0], in[1], {.weight = in[2].detach()}); });
  expect_golden("nll_none", [](In in) {
    return nll_loss(in[0], in[1], {.weight = in[2].detach(), .reduction = Reduction::kNone});
  });
}

TEST(Loss, ClassWeightsMatchPyTorch) {
  expect_golden("ce_weighted",
                [](In in) { return cross_entropy(in[0], in[1], {.weight = in[2].detach()}); });
}

TEST(Loss, ClassWeightsWithSmoothingMatchPyTorch) {
  expect_golden("ce_weighted_smooth", [](In in) {
    return cross_entropy(in[0], in[1], {.weight = in[2].detach(), .label_smoothing = 0.2});
  });
}

TEST(Loss, SoftTargetsMatchPyTorch) {
  expect_golden("ce_soft", [](In in) { return cross_entropy(in[0], in[1]); });
  expect_golden("ce_soft_weighted", [](In in) {
    return cross_entropy(in[0], in[1], {.weight = in[2].detach(), .label_smoothing = 0.1});
  });
}

TEST(Loss, ElementwiseLossesMatchPyTorch) {
  expect_golden("mse", [](In in) { return mse_loss(in[0], in[1]); });
  expect_golden("l1_none", [](In in) { return l1_loss(in[0], in[1], Reduction::kNone); });
  expect_golden("smooth_l1",
                [](In in) { return smooth_l1_loss(in[0], in[1], Reduction::kMean, 0.5); });
  expect_golden("huber", [](In in) { return huber_loss(in[0], in[1], Reduction::kSum, 0.5); });
}

TEST(Loss, BinaryCrossEntropyMatchesPyTorch) {
  expect_golden("bce_logits", [](In in) { return binary_cross_entropy_with_logits(in[0], in[1]); });
  expect_golden("bce_logits_pos", [](In in) {
    return binary_cross_entropy_with_logits(in[0], in[1], {.pos_weight = in[2].detach()});
  });
  // PyTorch rounds the bound on the derivative's divisor to float, also in double.
  expect_golden(
      "bce", [](In in) { return binary_cross_entropy(in[0], in[1].detach()); }, 0x1p-24);
}

TEST(Loss, DivergenceMatchesPyTorch) {
  expect_golden("kl_div",
                [](In in) { return kl_div(in[0], in[1].detach(), Reduction::kBatchMean); });
  expect_golden("kl_div_log", [](In in) { return kl_div(in[0], in[1], Reduction::kSum, true); });
}

TEST(Loss, WeightsOfOneGiveTheFusedCrossEntropy) {
  const Tensor x = uniform({5, 4}, 1), y = ints({3, 0, -100, 1, 1});
  const Tensor one = Tensor::from({1.0, 1.0, 1.0, 1.0});
  for (Reduction r : {Reduction::kMean, Reduction::kSum})
    EXPECT_NEAR(cross_entropy(x, y, {.weight = one, .reduction = r, .label_smoothing = 0.3}).item(),
                cross_entropy(x, y, {.reduction = r, .label_smoothing = 0.3}).item(), 1e-14);
}

TEST(Loss, HugeLogitsOverflowNowhere) {
  const Tensor x = Tensor::from({-2000.0, 2000.0}).set_requires_grad();
  const Tensor loss = binary_cross_entropy_with_logits(x, Tensor::from({1.0, 1.0}));
  EXPECT_EQ(loss.item(), 1000);
  loss.backward();
  EXPECT_EQ(x.grad().values<double>(), (std::vector<double>{-0.5, 0}));
}

// float32 has no digits left behind the point of such logits: their difference has.
TEST(Loss, LargeLogitsLoseNothing) {
  test::for_each_target([] {
    for (const Shape& shape : {Shape{1, 3}, Shape{1, 3, 1}}) {
      Tensor x = reshape(Tensor::from({1e8f, 1e8f, 0.0f}), shape).detach();
      x.set_requires_grad();
      const Tensor y = reshape(ints({0}), shape.rank() == 2 ? Shape{1} : Shape{1, 1});
      const Tensor loss = cross_entropy(x, y);
      EXPECT_NEAR(loss.item(), std::log(2.0), 1e-6) << shape.str();
      EXPECT_EQ(grad(loss, {x})[0].values<float>(), (std::vector<float>{-0.5f, 0.5f, 0}))
          << shape.str();
    }
  });
}

TEST(Loss, GradientsMatchFiniteDifferences) {
  const Tensor y = ints({1, 0, 2, 2});
  const std::vector<std::function<Tensor(In)>> functions = {
      [&](In in) { return cross_entropy(in[0], y, {.weight = in[1] + 2.0}); },
      [&](In in) { return nll_loss(in[0], y, {.weight = in[1] + 2.0}); },
      [](In in) { return cross_entropy(in[0], softmax(in[0] * 2.0, 1)); },
      [](In in) { return smooth_l1_loss(in[0], in[1]); },
      [](In in) { return huber_loss(in[0], in[1], Reduction::kMean, 0.3); },
      [](In in) { return binary_cross_entropy(sigmoid(in[0]), sigmoid(in[0] * 2.0)); },
      [](In in) { return kl_div(in[0], softmax(in[0], 1)); },
  };
  for (size_t i = 0; i < functions.size(); ++i)
    EXPECT_LT(test::gradient_error(functions[i], {uniform({4, 3}, i + 1), uniform({3}, i + 20)}),
              test::kGradientTolerance)
        << "function " << i;
}

TEST(Loss, WrongLabelsThatAreKnownAreToldAtTheCall) {
  const Tensor x = uniform({2, 3}, 1);
  EXPECT_EQ(error_of<IndexError>([&] {
              cross_entropy(x, ints({0, 3}));
            }),
            "Target 3 is out of bounds.");
  EXPECT_EQ(error_of<IndexError>([&] {
              nll_loss(x, ints({-1, 0}));
            }),
            "Target -1 is out of bounds.");
  EXPECT_NO_THROW(cross_entropy(x, ints({-1, 0}), {.ignore_index = -1}));
}

TEST(Loss, SaysWhatItExpects) {
  const Tensor x = uniform({2, 3}, 1);
  const Tensor computed = ints({0, 2}) + ints({0, 1});
  EXPECT_EQ(error_of<IndexError>([&] { nll_loss(x, computed).eval(); }),
            "Target 3 is out of bounds.");
  EXPECT_EQ(error_of<ValueError>([&] { nll_loss(x, ints({0})); }),
            "Expected input batch_size (2) to match target batch_size (1).");
  EXPECT_EQ(error_of<Error>([&] {
              nll_loss(x, ints({0, 1}), {.weight = uniform({2}, 1)});
            }),
            "weight tensor should be defined either for all 3 classes or no classes but got weight "
            "tensor of shape: [2]");
  EXPECT_EQ(error_of<ValueError>([&] { binary_cross_entropy_with_logits(x, uniform({2}, 1)); }),
            "Target size ([2]) must be the same as input size ([2, 3])");
  EXPECT_THROW(binary_cross_entropy(x * 10.0, x).eval(), Error);
  EXPECT_THROW(cross_entropy(x, ints({0, 1}), {.reduction = Reduction::kBatchMean}), ValueError);
}

}  // namespace
}  // namespace ballast
