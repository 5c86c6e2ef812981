#include "ballast/ops/pool.h"

#include <gtest/gtest.h>

#include "ballast/grad/grad.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"
#include "tests/support/gradcheck.h"

namespace ballast {
namespace {

using test::fast_error;
using test::uniform;

std::vector<Tensor> with_gradient(const Tensor& x, const Tensor& y) {
  return {y, grad(sum(square(y)), {x}, {}, true)[0]};
}

TEST(PoolSweep, MaximaAndTheirGradientsAgreeWithTheReference) {
  uint64_t seed = 1;
  for (const Shape& s :
       {Shape{2, 3, 8, 8}, Shape{1, 20, 7, 9}, Shape{3, 1, 5, 5}, Shape{2, 64, 4, 4}})
    for (const MaxPool2dOptions& o :
         {MaxPool2dOptions{}, MaxPool2dOptions{.stride = {{1, 1}}, .padding = {1, 1}},
          MaxPool2dOptions{.stride = {{2, 2}}, .padding = {1, 1}, .ceil_mode = true},
          MaxPool2dOptions{.stride = {{1, 2}}, .dilation = {2, 1}}}) {
      auto f = [&](const std::vector<Tensor>& in) {
        return with_gradient(in[0], max_pool2d(in[0], {2, 2}, o));
      };
      EXPECT_LT(fast_error(f, {uniform(s, ++seed)}), 1e-6) << s.str();
    }
}

TEST(PoolSweep, TheFirstOfEqualMaximaGetsTheGradient) {
  Tensor x = Tensor::from(std::vector<float>(4, 2.0f), {1, 1, 2, 2});
  x.set_requires_grad();
  sum(max_pool2d(x, {2, 2})).backward();
  EXPECT_EQ(x.grad().values<float>(), (std::vector<float>{1, 0, 0, 0}));
}

TEST(PoolSweep, GlobalAverageAgreesWithTheReference) {
  auto f = [](const std::vector<Tensor>& in) {
    return with_gradient(in[0], adaptive_avg_pool2d(relu(in[0]) + in[0], {1, 1}));
  };
  EXPECT_LT(fast_error(f, {uniform({3, 20, 6, 5}, 4)}), 1e-6);
}

}  // namespace
}  // namespace ballast
