// Whole networks: with fused plans the same numbers as without, and the same bits with any number
// of threads.
#include "ballast/plan/plan.h"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "ballast/base/random.h"
#include "ballast/base/threads.h"
#include "ballast/graph/eval.h"
#include "ballast/models/factory.h"
#include "ballast/ops/create.h"
#include "ballast/ops/loss.h"

namespace ballast {
namespace {

constexpr int64_t kBatch = 8;

using Values = std::vector<std::pair<std::string, std::vector<float>>>;

/// Loss, gradients and running statistics of one training step, from the same seed. Inputs are
/// off by up to `noise`.
Values step(const std::string& network, const Shape& sample, double noise = 0) {
  manual_seed(5);
  const auto model = models::make(network, sample);
  Shape shape{kBatch};
  for (int64_t d : sample) shape.push_back(d);
  const Tensor x = randn(shape), y = randint(0, 10, {kBatch});
  const Tensor loss = cross_entropy((*model)(x + rand(shape) * noise), y);
  loss.backward();
  std::vector<std::pair<std::string, Tensor>> results{{"loss", loss}};
  for (const auto& [name, p] : model->named_parameters()) results.emplace_back(name, p.grad());
  for (const auto& [name, b] : model->named_buffers())
    if (b.dtype() == DType::kFloat32) results.emplace_back(name, b);
  std::vector<Tensor> tensors;
  for (const auto& r : results) tensors.push_back(r.second);
  eval(std::span<const Tensor>(tensors));
  Values values;
  for (const auto& [name, t] : results) values.emplace_back(name, t.values<float>());
  return values;
}

/// Relative to the size, or to 1e-2 where that is smaller: the gradient of a bias before a
/// normalization is zero but for rounding.
double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - b[i], 2);
    size += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(difference / std::max(size, 1e-4));
}

struct Network {
  const char* name;
  Shape sample;
};
class Networks : public testing::TestWithParam<Network> {};

TEST_P(Networks, AreTheSameWithAndWithoutFusion) {
  const auto [name, sample] = GetParam();
  plan::Options plain;
  plain.fuse_prologue = plain.fuse_epilogue = plain.fuse_pointwise = false;
  plain.normal_form = plain.accumulate = plain.pair_gradients = false;
  const plan::Options before = std::exchange(plan::options(), plain);
  const Values expected = step(name, sample);
  // Both are float32 computations of the same numbers that add in different orders. Through some
  // dozens of normalizations a rounding of 1e-7 grows by about a hundred, and decides for a few of
  // some thousand elements on which side of zero a ReLU's input falls. By how much results move
  // then, noise of the size of roundings in the input shows.
  double moved = 0;
  for (double noise : {-1e-6, -5e-7, 5e-7, 1e-6}) {
    const Values other = step(name, sample, noise);
    for (size_t i = 0; i < expected.size(); ++i)
      moved = std::max(moved, distance(other[i].second, expected[i].second));
  }
  plan::options() = before;
  const Values values = step(name, sample);
  ASSERT_EQ(values.size(), expected.size());
  ASSERT_LT(moved, 0.1);
  for (size_t i = 0; i < values.size(); ++i)
    EXPECT_LE(distance(values[i].second, expected[i].second), std::max(3 * moved, 1e-3))
        << values[i].first;
}

TEST_P(Networks, HaveTheSameBitsWithAnyNumberOfThreads) {
  const auto [name, sample] = GetParam();
  const int before = num_threads();
  set_num_threads(1);
  const Values expected = step(name, sample);
  for (int threads : {2, 4}) {
    set_num_threads(threads);
    EXPECT_EQ(step(name, sample), expected) << threads << " threads";
  }
  set_num_threads(before);
}

INSTANTIATE_TEST_SUITE_P(Small, Networks,
                         testing::Values(Network{"my", {3, 32, 32}}, Network{"cnn", {1, 8, 8}},
                                         Network{"mlp", {20}}, Network{"resnet20", {3, 32, 32}},
                                         Network{"resnet18", {3, 64, 64}},
                                         Network{"mobilenet_v2", {3, 64, 64}},
                                         Network{"densenet121", {3, 64, 64}}),
                         [](const auto& at) { return std::string(at.param.name); });

}  // namespace
}  // namespace ballast
