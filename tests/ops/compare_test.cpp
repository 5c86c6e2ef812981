#include "ballast/ops/compare.h"

#include <gtest/gtest.h>

#include "tests/support/files.h"
#include "tests/support/golden.h"
#include "tests/support/gradcheck.h"

namespace ballast {
namespace {

using In = const std::vector<Tensor>&;
using test::expect_golden;

TEST(Compare, BroadcastsAsPyTorch) {
  expect_golden("lt", [](In in) { return lt(in[0], in[1]); });
  expect_golden("ge", [](In in) { return ge(in[0], in[1]); });
}

TEST(Compare, NaNEqualsNothing) {
  expect_golden("eq_odd", [](In in) { return eq(in[0], in[1]); });
  expect_golden("ne_odd", [](In in) { return ne(in[0], in[1]); });
}

TEST(Compare, IntegersMeetFractions) {
  expect_golden("gt_scalar", [](In in) { return gt(in[0], 1.5); });
}

TEST(Compare, TellsOddValuesApart) {
  expect_golden("isnan", isnan);
  expect_golden("isinf", isinf);
  expect_golden("isfinite", isfinite);
}

TEST(Compare, LogicTakesAnyType) {
  expect_golden("logical_not", logical_not);
  expect_golden("logical_and", [](In in) { return logical_and(in[0], in[1]); });
  expect_golden("logical_xor", [](In in) { return logical_xor(in[0], gt(in[0], 1)); });
  EXPECT_EQ(
      logical_or(Tensor::from({0.0, 0.0, 2.0}), Tensor::from({int64_t{0}, int64_t{1}, int64_t{0}}))
          .values<bool>(),
      (std::vector<bool>{false, true, true}));
}

TEST(Where, MatchesPyTorch) {
  expect_golden("where", [](In in) { return where(gt(in[0], in[1]), in[0], in[1] * 2.0); });
  expect_golden("masked_fill", [](In in) { return masked_fill(in[0], gt(in[0], 0), -9); });
}

TEST(Where, GradientMatchesFiniteDifferences) {
  auto f = [](In in) { return where(gt(test::uniform({2, 3, 5}, 9), 0), in[0], in[1]); };
  EXPECT_LT(test::gradient_error(f, {test::uniform({3, 1}, 1), test::uniform({2, 1, 5}, 2)}),
            test::kGradientTolerance);
}

TEST(Where, SaysWhatItExpects) {
  EXPECT_EQ(testing::error_of<Error>(
                [] { where(Tensor::from({1.0f}), Tensor::from({1.0f}), Tensor::from({1.0f})); }),
            "where expected condition to be a boolean tensor, but got a tensor with dtype float32");
}

}  // namespace
}  // namespace ballast
