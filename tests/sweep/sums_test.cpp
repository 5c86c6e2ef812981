#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "ballast/base/threads.h"
#include "ballast/grad/grad.h"
#include "ballast/ops/activation.h"
#include "ballast/ops/batch_norm.h"
#include "ballast/ops/conv.h"
#include "ballast/ops/loss.h"
#include "ballast/ops/matmul.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/plan/plan.h"
#include "tests/support/gradcheck.h"

namespace ballast {
namespace {

using test::fast_error;
using test::uniform;

TEST(NormSweep, BatchNormAndItsGradientsAgreeWithTheReference) {
  uint64_t seed = 1;
  for (const Shape& s :
       {Shape{64, 20}, Shape{6, 3, 1, 1}, Shape{5, 7, 9, 3}, Shape{3, 64, 40, 40}, Shape{2, 33, 5},
        Shape{4, 5, 3, 2, 6}, Shape{3000, 17}, Shape{2, 1, 8, 8}}) {
    auto f = [](const std::vector<Tensor>& in) {
      const Tensor y = relu(batch_norm(in[0], nullptr, in[1], in[2], true));
      auto g = grad(sum(y * in[3]), {in[0], in[1], in[2]});
      g.push_back(y);
      return g;
    };
    // Rounding in sums of up to 32 floats at a time, and cancellation in the input's gradient.
    EXPECT_LT(fast_error(f, {uniform(s, ++seed), uniform({s[1]}, ++seed), uniform({s[1]}, ++seed),
                             uniform(s, ++seed)}),
              2e-5)
        << s.str();
  }
}

// What adds up a gradient where it is made: of joined parts, through either activation, at more
// rows than are summed at a time, and at columns that fill no vector.
TEST(NormSweep, SumsOfGradientsThroughActivationsAgreeWithTheReference) {
  uint64_t seed = 20;
  for (const bool relus : {true, false})
    for (const Shape& s : {Shape{2, 3, 5, 7}, Shape{4, 33, 1, 1}, Shape{3, 16, 24, 19},
                           Shape{2, 50, 40, 1}, Shape{2, 140, 8, 8}}) {
      auto f = [&](const std::vector<Tensor>& in) {
        const Tensor x = cat({in[0], in[1]}, 1);
        const Tensor y = batch_norm(x, nullptr, in[2], in[3], true);
        const Tensor z = conv2d(relus ? relu(y) : hardtanh(y, -0.5, 0.75), in[4]);
        return grad(sum(square(z)), {in[0], in[1], in[2], in[3], in[4]});
      };
      const int64_t channels = s[1] + 19;
      EXPECT_LT(fast_error(f, {uniform(s, ++seed), uniform({s[0], 19, s[2], s[3]}, ++seed),
                               uniform({channels}, ++seed), uniform({channels}, ++seed),
                               uniform({5, channels, 1, 1}, ++seed)}),
                2e-5)
          << s.str() << (relus ? " relu" : " hardtanh");
    }
}

TEST(NormSweep, StatisticsOfDataWithALargeMeanAreRight) {
  Tensor x = cast(uniform({64, 8, 30, 30}, 3) * 1.7320508 + 1e4, DType::kFloat32).detach();
  const auto fast = channel_moments(x).values<float>();
  const auto exact = channel_moments(cast(x, DType::kFloat64)).values<double>();
  for (size_t i = 0; i < fast.size(); ++i) EXPECT_NEAR(fast[i] / exact[i], 1, 1e-6);
}

TEST(NormSweep, SumsAgreeWithTheReference) {
  uint64_t seed = 50;
  for (const Shape& s :
       {Shape{3, 5, 7, 9}, Shape{40, 3, 30, 31}, Shape{70000}, Shape{2, 0, 3}, Shape{300, 257}})
    for (uint64_t mask = 1; mask < uint64_t{1} << s.rank(); ++mask) {
      std::vector<int64_t> dims;
      for (int d = 0; d < s.rank(); ++d)
        if (mask >> d & 1) dims.push_back(d);
      const Tensor x = uniform(s, ++seed);
      // The second goes through a channels-last value.
      EXPECT_LT(
          fast_error([&](const auto& in) { return std::vector<Tensor>{sum(in[0] + 1.0, dims)}; },
                     {x}),
          1e-6);
      if (s.rank() >= 3 && s.numel()) {
        EXPECT_LT(fast_error(
                      [&](const auto& in) {
                        return std::vector<Tensor>{
                            sum(batch_norm(in[0], nullptr, {}, {}, true) + 1.0, dims)};
                      },
                      {x}),
                  1e-5);
      }
    }
}

/// Gradients of weight and bias of a normalization before an activation and a layer, whose own
/// input needs none: all that is left of the gradient is its sums.
TEST(NormSweep, SumsOfAGradientThatNobodyElseReads) {
  uint64_t seed = 70;
  for (const Shape& s : {Shape{9, 64, 14, 28}, Shape{3, 16, 40, 30}, Shape{2, 5, 1, 3}})
    for (bool clamped : {false, true}) {
      const int64_t c = s[1];
      auto f = [&](const std::vector<Tensor>& in) {
        const Tensor y = batch_norm(in[0], nullptr, in[1], in[2], true),
                     z = conv2d(clamped ? hardtanh(y) : relu(y), in[3], {}, {.padding = {1, 1}});
        return grad(sum(square(z)), {in[1], in[2], in[3]});
      };
      EXPECT_LT(fast_error(f, {uniform(s, ++seed), uniform({c}, ++seed), uniform({c}, ++seed),
                               uniform({7, c, 3, 3}, ++seed)}),
                1e-4)
          << s.str();
    }
}

TEST(NormSweep, SumsBesideOthersThatReadTheSame) {
  uint64_t seed = 75;
  std::vector<Tensor> operands{uniform({64, 8}, ++seed), uniform({5, 8}, ++seed)};
  for (int i = 0; i < 4; ++i) operands.push_back(uniform({8}, ++seed));
  // y is read by the activation, whose gradient's sums are taken, and by another normalization's.
  for (const auto& order : {std::array{1, 2, 3, 4, 5}, {4, 5, 2, 3, 1}, {5, 3, 4, 2, 1}}) {
    auto f = [&](const std::vector<Tensor>& in) {
      const Tensor y = batch_norm(in[0], nullptr, in[2], in[3], true),
                   z = relu(y) + batch_norm(y.detach(), nullptr, in[4], in[5], true);
      std::vector<Tensor> by;
      for (int i : order) by.push_back(in[static_cast<size_t>(i)]);
      return grad(sum(square(mm(z, in[1], false, true))), by);
    };
    EXPECT_LT(fast_error(f, operands), 1e-4);
  }
}

TEST(LossSweep, CrossEntropyAgreesWithTheReference) {
  uint64_t seed = 80;
  for (const auto& [rows, classes] :
       {std::pair<int64_t, int64_t>{64, 10}, {1, 1}, {300, 1000}, {5, 3}, {513, 17}})
    for (Reduction r : {Reduction::kMean, Reduction::kSum, Reduction::kNone})
      for (double smoothing : {0.0, 0.1}) {
        std::vector<int64_t> y;
        for (int64_t i = 0; i < rows; ++i)
          y.push_back(i % 7 == 3 && rows > 1 ? -100 : i * i % classes);
        auto f = [&, r = r](const std::vector<Tensor>& in) {
          const Tensor loss =
              cross_entropy(in[0] * 8.0, in[1], {.reduction = r, .label_smoothing = smoothing});
          return std::vector<Tensor>{loss, grad(sum(square(loss)), {in[0]}, {}, true)[0]};
        };
        EXPECT_LT(fast_error(f, {uniform({rows, classes}, ++seed), Tensor::from(y, {rows})}), 5e-6);
      }
}

TEST(NormSweep, BitsDoNotDependOnTheNumberOfThreads) {
  const Tensor x = cast(uniform({16, 24, 33, 31}, 9), DType::kFloat32).detach();
  const int before = num_threads();
  std::vector<std::vector<float>> runs;
  for (int threads : {1, 2, 4}) {
    set_num_threads(threads);
    runs.push_back(batch_norm(x, nullptr, {}, {}, true).values<float>());
  }
  set_num_threads(before);
  EXPECT_EQ(runs[0], runs[1]);
  EXPECT_EQ(runs[0], runs[2]);
}

}  // namespace
}  // namespace ballast
