#include "ballast/ops/create.h"

#include <gtest/gtest.h>

#include "tests/support/files.h"
#include "tests/support/golden.h"

namespace ballast {
namespace {

using test::expect_stored;
using testing::error_of;

TEST(Create, RangesMatchPyTorch) {
  expect_stored("ranges", "arange", arange(-3, 7, 3));
  expect_stored("ranges", "arange_float", arange(0.5, 2, 0.3), 1e-7);
  expect_stored("ranges", "arange_down", arange(5, 0, -2));
  expect_stored("ranges", "linspace", linspace(-1, 2, 8), 1e-7);
  expect_stored("ranges", "linspace_1", linspace(3, 7, 1));
  expect_stored("ranges", "eye", eye(2, 3));
}

TEST(Create, FullTakesTheTypeOfItsValue) {
  EXPECT_EQ(full({2}, 3).dtype(), DType::kInt64);
  EXPECT_EQ(full({2}, 3.0).dtype(), DType::kFloat32);
  EXPECT_EQ(ones_like(full({2}, 3)).values<int64_t>(), (std::vector<int64_t>{1, 1}));
  EXPECT_EQ(zeros({0, 3}).numel(), 0);
}

TEST(Create, RandomNumbersAreDrawnAtTheCallAndArePyTorchs) {
  manual_seed(7);
  const Tensor a = rand({2, 3}), b = randn({4, 5}), c = randint(-3, 9, {5}), d = randperm(6);
  const Tensor e = uniform_(empty({2, 2}, DType::kFloat64), -1, 3), f = normal_(empty({17}), 2, .5);
  expect_stored("random", "5", f);
  expect_stored("random", "4", e);
  expect_stored("random", "3", d);
  expect_stored("random", "2", c);
  expect_stored("random", "1", b);
  expect_stored("random", "0", a);
}

TEST(Create, FillingKeepsAParameterAParameter) {
  Tensor weight = zeros({3}).set_requires_grad();
  const Tensor alias = weight;
  fill_(weight, 2);
  EXPECT_EQ(alias.values<float>(), (std::vector<float>{2, 2, 2}));
  EXPECT_TRUE(weight.requires_grad() && weight.is_leaf());
  (weight * 3.0).sum().backward();
  EXPECT_EQ(alias.grad().values<float>(), (std::vector<float>{3, 3, 3}));
}

TEST(Create, SaysWhatItExpects) {
  EXPECT_EQ(error_of<Error>([] { arange(0, 3, 0); }), "step must be nonzero");
  EXPECT_EQ(error_of<Error>([] { arange(3, 0); }),
            "upper bound and lower bound inconsistent with step sign");
  EXPECT_EQ(error_of<Error>([] { linspace(0, 1, -1); }), "number of steps must be non-negative");
  EXPECT_EQ(error_of<Error>([] { rand({2}, DType::kInt64); }),
            "rand: expected a floating-point tensor, got int64");
}

}  // namespace
}  // namespace ballast
