#include "ballast/ops/extremes.h"

#include <gtest/gtest.h>

#include "ballast/ops/create.h"
#include "tests/support/files.h"
#include "tests/support/golden.h"
#include "tests/support/gradcheck.h"

namespace ballast {
namespace {

using In = const std::vector<Tensor>&;
using test::expect_golden;
using testing::error_of;

TEST(Extremes, MatchPyTorchAlsoWhereElementsAreEqual) {
  expect_golden("max", [](In in) { return max(in[0]); });
  expect_golden("min_1", [](In in) { return min(in[0], 1).values; });
  expect_golden("max_1", [](In in) { return max(in[0], 1).values; });
  expect_golden("max_1_indices", [](In in) { return max(in[0], 1).indices; });
  expect_golden("amax_1", [](In in) { return amax(in[0], {1}); });
  expect_golden("amin_02", [](In in) { return amin(in[0], {0, 2}, true); });
  expect_golden("argmax", [](In in) { return argmax(in[0]); });
}

TEST(Extremes, NaNWins) {
  expect_golden("max_odd", [](In in) { return max(in[0]).detach(); });
  expect_golden("argmin_odd", [](In in) { return argmin(in[0], 0, true); });
}

TEST(Sort, MatchesPyTorch) {
  expect_golden("sort", [](In in) { return sort(in[0], 1).values; });
  expect_golden("argsort_odd", [](In in) { return argsort(in[0], -1, true); });
  expect_golden("argsort_ties", [](In in) { return argsort(in[0]); });
  expect_golden("topk", [](In in) { return topk(in[0], 2).values; });
  expect_golden("topk_smallest", [](In in) { return topk(in[0], 2, 1, false).indices; });
}

TEST(Extremes, GradientsMatchFiniteDifferences) {
  const std::vector<std::function<Tensor(In)>> functions = {
      [](In in) { return max(in[0]); },
      [](In in) {
        return amin(in[0], {0, 2});
      },
      [](In in) { return max(in[0], 1).values; },
      [](In in) { return min(in[0], -1, true).values; },
      [](In in) { return sort(in[0], 2, true).values; },
  };
  for (size_t i = 0; i < functions.size(); ++i)
    for (const Shape& shape : {Shape{3, 4, 2}, Shape{1, 1, 1}, Shape{2, 5, 7}})
      EXPECT_LT(test::gradient_error(functions[i], {test::uniform(shape, i)}),
                test::kGradientTolerance)
          << "function " << i << ", shape " << shape.str();
}

TEST(Extremes, SayWhatTheyExpect) {
  EXPECT_EQ(error_of<IndexError>([] {
              amax(zeros({2, 0}), {1});
            }),
            "amax(): Expected reduction dim 1 to have non-zero size.");
  EXPECT_EQ(error_of<Error>([] { max(zeros({0})); }),
            "max(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
            "reduction dim with the 'dim' argument.");
  EXPECT_THROW(argmax(zeros({0})), IndexError);
  EXPECT_THROW(topk(zeros({2}), 3), Error);
}

}  // namespace
}  // namespace ballast
