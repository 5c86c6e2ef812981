#include "ballast/ops/index.h"

#include <gtest/gtest.h>

#include "ballast/ops/rearrange.h"
#include "tests/support/files.h"
#include "tests/support/golden.h"
#include "tests/support/gradcheck.h"

namespace ballast {
namespace {

using In = const std::vector<Tensor>&;
using test::expect_golden;
using test::uniform;
using testing::error_of;

Tensor ints(const std::vector<int64_t>& values, const Shape& shape) {
  return Tensor::from(values, shape);
}

TEST(Index, MatchesPyTorch) {
  expect_golden("index_select", [](In in) { return index_select(in[0], 1, in[1]); });
  expect_golden("gather", [](In in) { return gather(in[0], 1, in[1]); });
  expect_golden("scatter_add", [](In in) {
    return scatter_add(in[0], 2, in[1], narrow(in[2].reshape({1, 3, 4}), 2, 0, 2));
  });
  expect_golden("one_hot", [](In in) { return one_hot(in[0], 4); });
}

TEST(Index, GradientsMatchFiniteDifferences) {
  const Tensor rows = ints({1, 1, 0, 2, 1}, {5}), each = ints({2, 0, 1, 1, 0, 2}, {3, 2, 1});
  EXPECT_LT(test::gradient_error([&](In in) { return index_select(in[0], 0, rows); },
                                 {uniform({3, 2, 4}, 1)}),
            test::kGradientTolerance);
  EXPECT_LT(
      test::gradient_error([&](In in) { return gather(in[0], 2, each); }, {uniform({3, 2, 4}, 1)}),
      test::kGradientTolerance);
  EXPECT_LT(test::gradient_error([&](In in) { return scatter_add(in[0], 2, each, in[1]); },
                                 {uniform({3, 2, 4}, 1), uniform({3, 2, 2}, 2)}),
            test::kGradientTolerance);
}

TEST(Index, OneHotCountsTheClasses) {
  EXPECT_EQ(one_hot(ints({0, 2}, {2})).shape(), (Shape{2, 3}));
}

TEST(Index, SaysWhatItExpects) {
  const Tensor x = uniform({2, 3}, 1);
  EXPECT_THROW(index_select(x, 0, ints({0, 2}, {2})).eval(), IndexError);
  // As PyTorch: IndexError for whole slices, RuntimeError for single elements.
  try {
    gather(x, 1, ints({-1}, {1, 1})).eval();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const IndexError&) {
    ADD_FAILURE() << "an IndexError";
  } catch (const Error&) {
  }
  EXPECT_EQ(error_of<IndexError>([&] {
              index_select(x, 0, ints({0}, {1, 1}));
            }),
            "index_select(): Index is supposed to be a vector, but got dim: 2");
  EXPECT_EQ(error_of<Error>([&] { gather(x, 0, ints({0}, {1})); }),
            "gather(): Index tensor must have the same number of dimensions as input tensor");
  EXPECT_EQ(error_of<Error>([&] { one_hot(ints({-1}, {1}), 3); }),
            "Class values must be non-negative.");
  EXPECT_EQ(error_of<Error>([&] { one_hot(ints({3}, {1}), 3); }),
            "Class values must be smaller than num_classes.");
}

}  // namespace
}  // namespace ballast
