#include "ballast/ops/statistics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ballast/ops/create.h"
#include "tests/support/files.h"
#include "tests/support/golden.h"
#include "tests/support/gradcheck.h"

namespace ballast {
namespace {

using In = const std::vector<Tensor>&;
using test::expect_golden;

TEST(Statistics, MatchPyTorch) {
  expect_golden("var", [](In in) { return var(in[0]); });
  expect_golden("var_02", [](In in) { return var(in[0], {0, 2}, false, true); });
  expect_golden("std_1", [](In in) { return std(in[0], {1}); });
  expect_golden("norm", [](In in) { return norm(in[0]); });
  expect_golden("cumsum", [](In in) { return cumsum(in[0], 1); });
}

TEST(Statistics, DerivativeOfALengthOfZeroIsZero) {
  expect_golden("std_ties", [](In in) { return std(in[0], {1}); });
  expect_golden("norm_zero", [](In in) { return norm(in[0] * 0.0, {1}); });
}

TEST(Statistics, CountsAndQuantifiersMatchPyTorch) {
  expect_golden("all_1", [](In in) { return all(in[0], {1}); });
  expect_golden("any_0", [](In in) { return any(in[0], {0}, true); });
  expect_golden("count_nonzero", [](In in) { return count_nonzero(in[0], {1}); });
  EXPECT_TRUE(all(zeros({0})).item<bool>());
  EXPECT_FALSE(any(zeros({0})).item<bool>());
}

TEST(Statistics, UnbiasedVarianceOfOneValueIsNaN) {
  EXPECT_TRUE(std::isnan(var(ones({1})).item()));
}

TEST(Statistics, LargeMeansCostNoAccuracy) {
  EXPECT_NEAR(var(Tensor::from({1e8f, 1e8f + 8, 1e8f + 16})).item(), 64, 1e-3);
}

TEST(Statistics, GradientsMatchFiniteDifferences) {
  const std::vector<std::function<Tensor(In)>> functions = {
      [](In in) { return var(in[0], {1}); },
      [](In in) {
        return std(in[0], {0, 1}, false);
      },
      [](In in) { return norm(in[0], {2}); },
      [](In in) { return cumsum(in[0], 1); },
  };
  for (size_t i = 0; i < functions.size(); ++i)
    for (const Shape& shape : {Shape{3, 4, 2}, Shape{1, 2, 1}, Shape{2, 5, 7}})
      EXPECT_LT(test::gradient_error(functions[i], {test::uniform(shape, i + 1)}),
                test::kGradientTolerance)
          << "function " << i << ", shape " << shape.str();
}

TEST(Statistics, SayWhatTheyExpect) {
  EXPECT_EQ(testing::error_of<Error>([] { var(arange(3)); }),
            "std and var only support floating point and complex dtypes");
}

}  // namespace
}  // namespace ballast
