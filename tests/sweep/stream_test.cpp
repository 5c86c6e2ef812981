// Values too large for the caches are written past them: nobody may see a difference.
#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

#include "ballast/base/random.h"
#include "ballast/base/threads.h"
#include "ballast/graph/eval.h"
#include "ballast/nn/batch_norm.h"
#include "ballast/ops/activation.h"
#include "ballast/ops/create.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/reduce.h"
#include "ballast/plan/plan.h"
#include "ballast/sweep/program.h"
#include "tests/support/options.h"

namespace ballast {
namespace {

using Values = std::vector<std::vector<float>>;

/// A value that is stored, summed and read again by the chain that makes it; its parts joined with
/// others; and the gradients of all this. 33 channels make rows end inside cache lines.
Values results(bool fast) {
  plan::Options options;
  options.fast = fast;
  const test::WithOptions scope(options);
  manual_seed(3);
  const Shape shape{8, 33, 96, 96};
  Tensor x = randn(shape), skip = randn(shape);
  x.set_requires_grad(true);
  nn::BatchNorm2d first(33), second(33), third(66);
  const Tensor y = relu(first(x)) + skip;
  const Tensor z = relu(second(y));
  const Tensor joined = third(cat({y, z}, 1));
  const Tensor loss = mean(joined * joined * joined);
  loss.backward();
  std::vector<Tensor> made{loss, x.grad(), y, z};
  for (const auto* layer : {&first, &second, &third})
    for (const auto& [name, p] : layer->named_parameters()) made.push_back(p.grad());
  eval(std::span<const Tensor>(made));
  Values values;
  for (const Tensor& t : made) values.push_back(t.values<float>());
  return values;
}

TEST(Streaming, ValuesAreThoseOfTheReferenceKernels) {
  plan::Value v;
  v.shape = Shape{8, 33, 96, 96};
  ASSERT_TRUE(sweep::streams(v));
  const Values expected = results(false), values = results(true);
  ASSERT_EQ(values.size(), expected.size());
  for (size_t i = 0; i < values.size(); ++i) {
    double difference = 0, size = 0;
    for (size_t k = 0; k < values[i].size(); ++k) {
      difference += std::pow(double{values[i][k]} - expected[i][k], 2);
      size += std::pow(double{expected[i][k]}, 2);
    }
    EXPECT_LE(std::sqrt(difference), 1e-5 * std::sqrt(size) + 1e-7) << "result " << i;
  }
}

TEST(Streaming, GivesTheSameBitsWithAnyNumberOfThreads) {
  const int before = num_threads();
  set_num_threads(1);
  const Values expected = results(true);
  for (int threads : {2, 4}) {
    set_num_threads(threads);
    EXPECT_EQ(results(true), expected) << threads << " threads";
  }
  set_num_threads(before);
}

}  // namespace
}  // namespace ballast
