#include <gtest/gtest.h>

#include "ballast/graph/eval.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"

namespace ballast {
namespace {

// u joins w's chain and reads g; if v then joined g's, each chain would wait for the other.
TEST(Groups, ChainsThatWouldWaitForEachOtherAreNotFused) {
  const Tensor a = Tensor::from({1.0f, 2.0f, 3.0f, 4.0f}),
               b = Tensor::from({1.0f, 1.0f, 2.0f, 2.0f});
  const Tensor w = relu(a), m = mean(w), g = relu(b), u = w + g, v = g * m;
  eval({m, u, v});
  EXPECT_EQ(v.values<float>(), (std::vector<float>{2.5f, 2.5f, 5, 5}));
  EXPECT_EQ(u.values<float>(), (std::vector<float>{2, 3, 5, 6}));
}

}  // namespace
}  // namespace ballast
