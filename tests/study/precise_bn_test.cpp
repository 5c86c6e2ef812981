#include "ballast/study/precise_bn.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ballast/nn/nn.h"
#include "ballast/ops/create.h"
#include "ballast/ops/pointwise.h"
#include "tests/support/gradcheck.h"

namespace ballast::study {
namespace {

using test::uniform;

data::TensorDataset samples(const Tensor& x) { return {x, zeros({x.size(0)}, DType::kInt64)}; }

/// Mean and unbiased variance of column c of (N, C).
std::pair<double, double> column(const std::vector<double>& x, int64_t channels, int64_t c) {
  double mean = 0, squares = 0, n = 0;
  for (size_t i = c; i < x.size(); i += channels) mean += x[i], ++n;
  mean /= n;
  for (size_t i = c; i < x.size(); i += channels) squares += (x[i] - mean) * (x[i] - mean);
  return {mean, squares / (n - 1)};
}

TEST(PreciseBn, GivesTheStatisticsOfAllData) {
  const Tensor x = uniform({37, 3}, 1) * 2.0 + 5.0;
  nn::BatchNorm1d norm(3);
  norm.to(DType::kFloat64);
  data::Loader loader(samples(x), {.batch_size = 8});
  precise_bn(norm, loader);
  for (int64_t c = 0; c < 3; ++c) {
    const auto [mean, var] = column(x.values<double>(), 3, c);
    EXPECT_NEAR(norm.running_mean.values<double>()[c], mean, 1e-14);
    EXPECT_NEAR(norm.running_var.values<double>()[c], var, 1e-14);
  }
  EXPECT_EQ(norm.num_batches_tracked.item<int64_t>(), 5);
  EXPECT_TRUE(norm.training());
}

TEST(PreciseBn, KeepsDigitsOfDataFarFromZero) {
  const Tensor x = (uniform({64, 1}, 1) + 1e8);
  nn::BatchNorm1d norm(1);
  norm.to(DType::kFloat64);
  data::Loader loader(samples(x), {.batch_size = 5});
  precise_bn(norm, loader);
  const auto [mean, var] = column(x.values<double>(), 1, 0);
  EXPECT_NEAR(norm.running_mean.item(), mean, 1e-7);
  EXPECT_NEAR(norm.running_var.item(), var, 1e-7);
}

// A second layer sees the first one's output by the batch's statistics, as in training.
TEST(PreciseBn, NormalizesEveryBatchByItself) {
  nn::Sequential net(nn::BatchNorm1d(2), nn::Dropout(0.9), nn::BatchNorm1d(2));
  net.to(DType::kFloat64);
  data::Loader loader(samples(uniform({6, 2}, 1)), {.batch_size = 3});
  net[1].eval();
  precise_bn(net, loader);
  // Without dropout, what the second layer sees has mean 0 and variance var/(var + eps) in each
  // batch.
  for (double m : net[2].as<nn::BatchNorm1d>()->running_mean.values<double>())
    EXPECT_NEAR(m, 0, 1e-15);
  for (double v : net[2].as<nn::BatchNorm1d>()->running_var.values<double>())
    EXPECT_NEAR(v, 6.0 / 5, 1e-3);
  EXPECT_TRUE(net[0].training());
  EXPECT_FALSE(net[1].training());  // as it was
}

TEST(AdaptBn, MixesOldStatisticsAsPriorValues) {
  nn::BatchNorm1d norm(1);
  norm.to(DType::kFloat64);
  norm.running_mean.copy_(Tensor::from<double>({10}));
  norm.running_var.copy_(Tensor::from<double>({4}));
  data::Loader loader(samples(Tensor::from(std::vector<double>{1, 2, 3}, {3, 1})),
                      {.batch_size = 3});
  adapt_bn(norm, loader, 6);
  EXPECT_DOUBLE_EQ(norm.running_mean.item(), (3 * 2.0 + 6 * 10) / 9);
  EXPECT_DOUBLE_EQ(norm.running_var.item(), (3 * 1.0 + 6 * 4) / 9);
  EXPECT_THROW(adapt_bn(norm, loader, -1), ValueError);
}

TEST(AdaptBn, BringsAnotherDomainBackToWhatTheNetworkKnows) {
  nn::Sequential net(nn::BatchNorm1d(4), nn::Linear(4, 3));
  net.to(DType::kFloat64);
  const Tensor x = uniform({64, 4}, 1), moved = x * 7.0 + 3.0;
  data::Loader source(samples(x), {.batch_size = 16}), target(samples(moved), {.batch_size = 16});
  precise_bn(net, source);
  net.eval();
  const auto want = net(x).values<double>();
  adapt_bn(net, target);
  const auto got = net(moved).values<double>();
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-4);  // eps differs
  EXPECT_FALSE(net.training());
}

TEST(PreciseBn, SeesVirtualBatchesAndLayersUsedTwice) {
  nn::GhostBatchNorm1d norm(2, 2);
  norm.to(DType::kFloat64);
  const Tensor x = uniform({8, 2}, 1);
  data::Loader loader(samples(x), {.batch_size = 4});
  precise_bn(norm, loader);
  const auto [mean, var] = column(x.values<double>(), 2, 1);
  EXPECT_NEAR(norm.running_mean.values<double>()[1], mean, 1e-14);
  EXPECT_NEAR(norm.running_var.values<double>()[1], var, 1e-14);
  EXPECT_EQ(norm.num_batches_tracked.item<int64_t>(), 4);
}

}  // namespace
}  // namespace ballast::study
