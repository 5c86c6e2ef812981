#include "ballast/study/convert_norm.h"

#include <gtest/gtest.h>

#include "ballast/models/factory.h"
#include "ballast/nn/nn.h"
#include "ballast/ops/create.h"
#include "ballast/ops/reduce.h"
#include "tests/support/gradcheck.h"

namespace ballast::study {
namespace {

using test::uniform;

Tensor floats(const Shape& shape, uint64_t seed) {
  return uniform(shape, seed).to(DType::kFloat32);
}

template <class M>
int64_t count(nn::Module& model) {
  int64_t n = 0;
  for (const auto& [name, m] : model.named_modules()) n += m->template as<M>() != nullptr;
  return n;
}

struct Small : nn::Module {
  nn::Conv2d conv = add("conv", nn::Conv2d(3, 6, 3));
  nn::BatchNorm2d norm = add("norm", nn::BatchNorm2d(6, {.eps = 1e-3, .momentum = 0.25}));
  nn::Linear fc = add("fc", nn::Linear(6, 4));
  nn::BatchNorm1d last = add("last", nn::BatchNorm1d(4));
  Tensor forward(const Tensor& x) override { return last(fc(relu(norm(conv(x))).mean({2, 3}))); }
};

TEST(ConvertNorm, KeepsWeightsAndRunningStatistics) {
  Small net;
  net(floats({8, 3, 5, 5}, 1)).eval();  // moves the running statistics
  net.norm.weight.copy_(floats({6}, 2));
  const StateDict before = nn::clone(net).state_dict();
  for (NormKind kind : {NormKind::kGhost, NormKind::kRenorm, NormKind::kBatch}) {
    EXPECT_EQ(convert_norm(net, kind), 2);
    const StateDict after = net.state_dict();
    ASSERT_EQ(after.size(), before.size());
    for (size_t i = 0; i < after.size(); ++i) {
      EXPECT_EQ(after[i].first, before[i].first);
      EXPECT_EQ(after[i].second.to(DType::kFloat64).values<double>(),
                before[i].second.to(DType::kFloat64).values<double>());
    }
  }
  EXPECT_EQ(net.str(), Small().str());
}

TEST(ConvertNorm, EveryFormWithRunningStatisticsEvaluatesAlike) {
  Small net;
  const Tensor x = floats({8, 3, 5, 5}, 1);
  net(x).eval();
  net.eval();
  const auto want = net(x).values<float>();
  for (NormKind kind : {NormKind::kGhost, NormKind::kRenorm, NormKind::kBatch}) {
    convert_norm(net, kind);
    EXPECT_EQ(net(x).values<float>(), want);
    EXPECT_FALSE(net.training());
  }
}

TEST(ConvertNorm, FreezesImagesOnlyAndElseChangesNothing) {
  Small net;
  const std::string before = net.str();
  EXPECT_THROW(convert_norm(net, NormKind::kFrozen), ValueError);
  EXPECT_EQ(net.str(), before);
  nn::Sequential images(nn::Conv2d(3, 4, 1), nn::BatchNorm2d(4), nn::ReLU());
  const Tensor x = floats({4, 3, 2, 2}, 1);
  images(x).eval();
  images.eval();
  const auto want = images(x).values<float>();
  EXPECT_EQ(convert_norm(images, NormKind::kFrozen), 1);
  images.train();
  EXPECT_EQ(images(x).values<float>(), want);
  EXPECT_EQ(images.parameters().size(), 2u);
}

TEST(ConvertNorm, PutsGroupsWhereBatchesWere) {
  nn::Sequential net(nn::Conv2d(3, 12, 1), nn::BatchNorm2d(12), nn::Conv2d(12, 7, 1),
                     nn::BatchNorm2d(7));
  EXPECT_EQ(convert_norm(net, NormKind::kGroup, {.groups = 8}), 2);
  EXPECT_EQ(net[1].str(), "GroupNorm(4, 12, eps=1e-05, affine=True, bias=True)");
  EXPECT_EQ(net[3].str(), "GroupNorm(1, 7, eps=1e-05, affine=True, bias=True)");
  EXPECT_EQ(convert_norm(net, NormKind::kLayer), 2);
  EXPECT_EQ(net[1].str(), "GroupNorm(1, 12, eps=1e-05, affine=True, bias=True)");
  EXPECT_EQ(convert_norm(net, NormKind::kInstance), 2);
  EXPECT_EQ(net[3].str(), nn::InstanceNorm2d(7, {.affine = true}).str());
  EXPECT_EQ(convert_norm(net, NormKind::kBatch), 2);
  EXPECT_EQ(net[3].str(), nn::BatchNorm2d(7).str());
  EXPECT_EQ(convert_norm(net, NormKind::kNone), 2);
  EXPECT_EQ(convert_norm(net, NormKind::kBatch), 0);
}

TEST(ConvertNorm, WorksOnWholeNetworksThatThenTrain) {
  auto net = models::make("resnet20", {3, 8, 8});
  const int64_t norms = count<nn::BatchNorm2d>(*net);
  EXPECT_EQ(norms, 21);
  EXPECT_EQ(convert_norm(*net, NormKind::kGhost, {.virtual_batch = 2}), norms);
  EXPECT_EQ(count<nn::GhostBatchNorm2d>(*net), norms);
  mean((*net)(floats({4, 3, 8, 8}, 1))).backward();
  for (const auto& [name, p] : net->named_parameters()) EXPECT_TRUE(p.grad().defined()) << name;
}

TEST(NormKind, HasNames) {
  EXPECT_EQ(norm_kind("ghost"), NormKind::kGhost);
  EXPECT_EQ(norm_kind("none"), NormKind::kNone);
  EXPECT_THROW(norm_kind("spectral"), ValueError);
}

TEST(PlaceNorm, ExchangesNormalizationAndActivation) {
  nn::Sequential net(nn::Conv2d(3, 4, 1), nn::BatchNorm2d(4), nn::ReLU(), nn::Conv2d(4, 5, 1),
                     nn::BatchNorm2d(5), nn::Dropout(0.5), nn::ReLU());
  const std::string before = net.str();
  EXPECT_EQ(place_norm(net, NormPlace::kBeforeActivation), 0);
  EXPECT_EQ(place_norm(net, NormPlace::kAfterActivation), 1);
  EXPECT_NE(net[1].as<nn::ReLU>(), nullptr);
  EXPECT_NE(net[2].as<nn::BatchNorm2d>(), nullptr);
  net.eval();
  const Tensor x = floats({2, 3, 2, 2}, 1);
  nn::Sequential want(net[0].as<nn::Conv2d>() ? *net[0].as<nn::Conv2d>() : nn::Conv2d(1, 1, 1),
                      nn::ReLU(), *net[2].as<nn::BatchNorm2d>(), *net[3].as<nn::Conv2d>(),
                      *net[4].as<nn::BatchNorm2d>(), nn::ReLU());
  want.eval();
  EXPECT_EQ(net(x).values<float>(), want(x).values<float>());
  EXPECT_EQ(place_norm(net, NormPlace::kBeforeActivation), 1);
  EXPECT_EQ(net.str(), before);
}

}  // namespace
}  // namespace ballast::study
