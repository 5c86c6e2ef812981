// Whole networks: the same numbers with each pass and without, and from the reference kernels; the
// same bits with any number of threads.
#include "ballast/plan/plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "ballast/base/random.h"
#include "ballast/base/threads.h"
#include "ballast/graph/eval.h"
#include "ballast/models/factory.h"
#include "ballast/ops/create.h"
#include "ballast/ops/loss.h"
#include "tests/support/options.h"

namespace ballast {
namespace {

using test::bare;
using test::norm_of;
using test::WithOptions;

constexpr int64_t kBatch = 8;

using Values = std::vector<std::pair<std::string, std::vector<float>>>;

/// Loss, gradients and running statistics of one training step, from `seed`. Inputs are off by up
/// to `noise`.
Values step(const std::string& network, const Shape& sample, uint64_t seed, double noise) {
  manual_seed(seed);
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

/// How far two steps' results are from each other: the median and the largest.
struct Distance {
  double median = 0, largest = 0;
};

/// Relative to the size, or to a thousandth of the largest gradient where that is smaller: the
/// gradient of a bias before a normalization is zero but for rounding.
Distance distance(const Values& a, const Values& b) {
  double floor = 1e-2;
  for (const auto& [name, v] : b) floor = std::max(floor, 1e-3 * norm_of(v));
  std::vector<double> all;
  for (size_t i = 0; i < a.size(); ++i)
    all.push_back(norm_of(a[i].second, &b[i].second) / std::max(norm_of(b[i].second), floor));
  std::sort(all.begin(), all.end());
  return {all[all.size() / 2], all.back()};
}

struct Network {
  const char* name;
  Shape sample;
  uint64_t seed;
};

Values step(const Network& network, const plan::Options& options, double noise = 0) {
  const WithOptions scope(options);
  return step(network.name, network.sample, network.seed, noise);
}

class Networks : public testing::TestWithParam<Network> {};

// But for Winograd's algorithm, passes hardly change in which order numbers are added: half of the
// gradients have the same bits or all but the last of them. The largest distance, up to 5e-3, is
// that of a bias whose gradient is zero but for rounding.
TEST_P(Networks, AreTheSameWithAndWithoutEachPass) {
  const Network& network = GetParam();
  plan::Options direct;
  direct.winograd = false;
  std::vector<std::pair<std::string, plan::Options>> all{{"all", direct}};
  const std::string name = network.name;
  if (name == "resnet20" || name == "mobilenet_v2" || name == "densenet121")
    for (const plan::Pass& p : plan::kPasses) {
      if (p.option == &plan::Options::fast) continue;
      all.emplace_back("all but " + std::string(p.name), direct);
      all.back().second.*p.option = false;
    }
  const Values expected = step(network, bare());
  for (const auto& [passes, options] : all) {
    const Distance d = distance(step(network, options), expected);
    EXPECT_LE(d.largest, 1e-2) << passes;
    EXPECT_LE(d.median, 1e-4) << passes;
  }
}

// All are float32 computations of the same numbers that add in different orders. Through some
// dozens of normalizations a rounding of 1e-7 grows by about a hundred, and decides for a few of
// some ten thousand elements on which side of zero a ReLU's input falls. By how much results move
// then, noise of the size of roundings in the input shows.
TEST_P(Networks, AgreeWithTheReferenceKernels) {
  const Network& network = GetParam();
  const Values plain = step(network, bare());
  Distance moved;
  for (double noise : {-1e-6, -5e-7, 5e-7, 1e-6}) {
    const Distance d = distance(step(network, bare(), noise), plain);
    moved = {std::max(moved.median, d.median), std::max(moved.largest, d.largest)};
  }
  ASSERT_LT(moved.largest, 0.03) << "another seed is wanted";
  const Values expected = step(network, bare(false));
  for (const plan::Options& options : {plan::Options(), bare()}) {
    const Distance d = distance(step(network, options), expected);
    EXPECT_LE(d.largest, std::max(3 * moved.largest, 1e-4));
    EXPECT_LE(d.median, std::max(3 * moved.median, 1e-5));
  }
}

TEST_P(Networks, HaveTheSameBitsWithAnyNumberOfThreads) {
  const Network& network = GetParam();
  const int before = num_threads();
  set_num_threads(1);
  const Values expected = step(network, {});
  for (int threads : {2, 4}) {
    set_num_threads(threads);
    EXPECT_EQ(step(network, {}), expected) << threads << " threads";
  }
  set_num_threads(before);
}

INSTANTIATE_TEST_SUITE_P(
    Small, Networks,
    testing::Values(Network{"net", {10}, 1}, Network{"custom", {64}, 1}, Network{"mlp", {20}, 1},
                    Network{"my", {3, 32, 32}, 1}, Network{"cnn", {1, 8, 8}, 1},
                    Network{"resnet20", {3, 32, 32}, 6}, Network{"resnet18", {3, 32, 32}, 4},
                    Network{"resnet50", {3, 32, 32}, 7}, Network{"mobilenet_v2", {3, 32, 32}, 4},
                    Network{"densenet121", {3, 32, 32}, 12}),
    [](const auto& at) { return std::string(at.param.name); });

}  // namespace
}  // namespace ballast
