#include "ballast/ops/conv.h"

#include <gtest/gtest.h>

#include "ballast/grad/grad.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"
#include "tests/support/gradcheck.h"

namespace ballast {
namespace {

using test::fast_error;
using test::uniform;

struct Case {
  Shape x, w;
  Conv2dOptions options;
};

TEST(ConvSweep, ForwardAndBothGradientsAgreeWithTheReference) {
  const Case cases[] = {
      {{2, 3, 8, 8}, {16, 3, 3, 3}, {.padding = {1, 1}}},
      {{3, 5, 9, 7}, {7, 5, 3, 3}, {}},
      {{1, 1, 1, 1}, {1, 1, 1, 1}, {}},
      {{2, 16, 10, 10}, {33, 16, 1, 1}, {}},
      {{2, 8, 11, 10}, {6, 8, 1, 1}, {.stride = {2, 2}}},
      {{2, 4, 15, 13}, {8, 4, 3, 3}, {.stride = {2, 2}, .padding = {1, 1}}},
      {{1, 3, 23, 21}, {8, 3, 7, 7}, {.stride = {2, 2}, .padding = {3, 3}}},
      {{2, 4, 12, 9}, {5, 4, 5, 5}, {.stride = {3, 1}, .padding = {2, 0}}},
      {{2, 4, 12, 12}, {6, 4, 3, 3}, {.padding = {2, 2}, .dilation = {2, 2}}},
      {{2, 4, 9, 14}, {6, 4, 3, 2}, {.stride = {2, 3}, .padding = {1, 2}, .dilation = {2, 1}}},
      {{2, 12, 6, 6}, {18, 4, 3, 3}, {.padding = {1, 1}, .groups = 3}},
      {{2, 6, 6, 7}, {6, 1, 3, 3}, {.stride = {2, 2}, .padding = {1, 1}, .groups = 6}},
      {{4, 40, 33, 33}, {48, 40, 3, 3}, {.padding = {1, 1}}},
      {{2, 300, 5, 5}, {70, 300, 3, 3}, {.padding = {1, 1}}},
      {{1, 2, 3, 4}, {3, 2, 3, 4}, {.stride = {4, 5}}},
  };
  uint64_t seed = 1;
  for (const Case& c : cases)
    for (bool with_bias : {false, true}) {
      auto f = [&](const std::vector<Tensor>& in) {
        const Tensor y = conv2d(in[0], in[1], with_bias ? in[2] : Tensor(), c.options);
        std::vector<Tensor> leaves{in[0], in[1]};
        if (with_bias) leaves.push_back(in[2]);
        auto out = grad(sum(square(y)), leaves, {}, true);
        out.push_back(y);
        return out;
      };
      // Up to 4356 pixels or 2700 products in one sum, twice over: about sqrt(n) roundings of 6e-8.
      EXPECT_LT(
          fast_error(f, {uniform(c.x, ++seed), uniform(c.w, ++seed), uniform({c.w[0]}, ++seed)}),
          4e-6)
          << c.x.str() << c.w.str();
    }
}

}  // namespace
}  // namespace ballast
