#include "ballast/ops/softmax.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ballast/ops/pointwise.h"
#include "tests/support/files.h"
#include "tests/support/golden.h"
#include "tests/support/gradcheck.h"

namespace ballast {
namespace {

using In = const std::vector<Tensor>&;
using test::expect_golden;

TEST(Softmax, MatchesPyTorch) {
  expect_golden("softmax_1", [](In in) { return softmax(in[0], 1); });
  expect_golden("softmax_last", [](In in) { return softmax(in[0], -1); });
  expect_golden("log_softmax_0", [](In in) { return log_softmax(in[0], 0); });
  expect_golden("logsumexp_1", [](In in) { return logsumexp(in[0], 1); });
  expect_golden("logsumexp_keep", [](In in) { return logsumexp(in[0], -1, true); });
}

TEST(Softmax, HugeInputsNeitherOverflowNorLoseDigits) {
  expect_golden("softmax_huge", [](In in) { return softmax(in[0], 1); });
  expect_golden("log_softmax_huge", [](In in) { return log_softmax(in[0], 1); });
}

TEST(Softmax, GradientsMatchFiniteDifferences) {
  for (int64_t dim : {0, 1, 2})
    for (const Shape& shape : {Shape{3, 5, 2}, Shape{1, 1, 1}, Shape{2, 1, 7}, Shape{0, 2, 3}}) {
      auto error = [&](auto f) {
        return test::gradient_error([&](In in) { return f(in[0], dim); },
                                    {test::uniform(shape, 5)});
      };
      EXPECT_LT(error([](const Tensor& x, int64_t d) { return softmax(x, d); }),
                test::kGradientTolerance);
      EXPECT_LT(error([](const Tensor& x, int64_t d) { return log_softmax(x, d); }),
                test::kGradientTolerance);
      if (shape.numel() > 0) {
        EXPECT_LT(error([](const Tensor& x, int64_t d) { return logsumexp(x, d); }),
                  test::kGradientTolerance);
      }
    }
}

TEST(Softmax, OfAScalarIsOne) {
  EXPECT_EQ(softmax(Tensor::from(std::vector<double>{5}, {}), 0).item(), 1);
}

TEST(Softmax, SaysWhatItExpects) {
  EXPECT_EQ(testing::error_of<IndexError>([] {
              softmax(test::uniform({2, 3}, 1), 2);
            }),
            "Dimension out of range (expected to be in range of [-2, 1], but got 2)");
  EXPECT_EQ(testing::error_of<Error>([] { softmax(Tensor::from({int64_t{1}}), 0); }),
            "softmax: expected a floating-point tensor, got int64");
}

}  // namespace
}  // namespace ballast
