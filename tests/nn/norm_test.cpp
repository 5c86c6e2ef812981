// Normalization layers against PyTorch, step by step.
#include "ballast/nn/norm.h"

#include <gtest/gtest.h>

#include "ballast/graph/eval.h"
#include "ballast/nn/batch_norm_variants.h"
#include "ballast/nn/init.h"
#include "ballast/nn/sequential.h"
#include "ballast/ops/batch_norm.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"
#include "tests/support/gradcheck.h"
#include "tests/support/layer_golden.h"

namespace ballast::test {
namespace {

using nlohmann::json;
using Tensors = std::vector<Tensor>;

const json& cases(const std::string& name) { return layer_cases(name, "norms.json"); }

Shape shape_of(const json& golden) { return Shape(golden.at("shape").get<std::vector<int64_t>>()); }

std::optional<double> momentum_of(const json& options) {
  const json& m = options.at("momentum");
  return m.is_null() ? std::nullopt : std::optional(m.get<double>());
}

/// Five training steps and one in evaluation, as scripts/golden/norms.py makes them.
template <class M>
void expect_steps(M layer, const json& golden) {
  SCOPED_TRACE(layer.str() + " " + golden.at("options").dump());
  layer.to(DType::kFloat64);
  for (auto [name, t] : layer.state_dict()) {
    if (name == "weight") t.copy_(uniform(t.shape(), 1));
    if (name == "bias") t.copy_(uniform(t.shape(), 2));
    if (!std::is_same_v<M, nn::FrozenBatchNorm2d>) continue;
    if (name == "running_mean") t.copy_(uniform(t.shape(), 3));
    if (name == "running_var") t.copy_(uniform(t.shape(), 4) + 2.0);
  }
  const Shape shape = shape_of(golden);
  for (size_t i = 0; i < golden.at("steps").size(); ++i) {
    const json& step = golden.at("steps")[i];
    SCOPED_TRACE(i);
    layer.train(i < 5);
    layer.zero_grad();
    const double wide = static_cast<double>(i) / 2;
    Tensor x = uniform(shape, 10 + i) * (1 + wide) + wide;
    x.eval();
    x.set_requires_grad();
    const Tensor y = layer(x);
    sum(y * uniform(shape, 99)).backward();
    expect_values(y, step.at("y"), "y");
    expect_values(x.grad(), step.at("x_grad"), "gradient of x");
    for (const auto& [name, p] : layer.named_parameters())
      expect_values(p.grad(), step.at("grads").at(name), "gradient of " + name);
    for (const auto& [name, b] : layer.named_buffers())
      if (step.at("buffers").contains(name))
        expect_values(b.to(DType::kFloat64), step.at("buffers").at(name), name);
  }
}

TEST(GroupNorm, AgreesWithPyTorchStepByStep) {
  for (const json& golden : cases("group")) {
    const nn::GroupNorm layer(golden.at("options").at("groups"), shape_of(golden)[1]);
    EXPECT_EQ(layer.str(), golden.at("print"));
    expect_steps(layer, golden);
  }
}

TEST(LayerNorm, AgreesWithPyTorchStepByStep) {
  for (const json& golden : cases("layer")) {
    const nn::LayerNorm layer(
        golden.at("options").at("normalized_shape").get<std::vector<int64_t>>());
    EXPECT_EQ(layer.str(), golden.at("print"));
    expect_steps(layer, golden);
  }
}

template <class M>
void expect_instance_norm(const json& golden) {
  const json& o = golden.at("options");
  const M layer(shape_of(golden)[1], {.momentum = 0.3,
                                      .affine = o.at("affine").get<bool>(),
                                      .track_running_stats = o.at("track").get<bool>()});
  EXPECT_EQ(layer.str(), golden.at("print"));
  expect_steps(layer, golden);
}

TEST(InstanceNorm, AgreesWithPyTorchStepByStep) {
  for (const json& golden : cases("instance")) {
    const int rank = shape_of(golden).rank();
    if (rank == 3) expect_instance_norm<nn::InstanceNorm1d>(golden);
    if (rank == 4) expect_instance_norm<nn::InstanceNorm2d>(golden);
    if (rank == 5) expect_instance_norm<nn::InstanceNorm3d>(golden);
  }
}

TEST(InstanceNorm, TakesASampleWithoutTheBatch) {
  nn::InstanceNorm2d layer(3);
  const Tensor x = uniform({3, 4, 5}, 1);
  EXPECT_EQ(layer(x).shape(), x.shape());
  EXPECT_EQ(layer(x).values<double>(), layer(x.unsqueeze(0)).values<double>());
  EXPECT_THROW(layer(uniform({4, 5}, 1)), ValueError);
}

TEST(FrozenBatchNorm, AgreesWithTorchvisionStepByStep) {
  for (const json& golden : cases("frozen")) {
    nn::FrozenBatchNorm2d layer(shape_of(golden)[1]);
    EXPECT_EQ(layer.str(), golden.at("print"));
    EXPECT_TRUE(layer.parameters().empty());
    expect_steps(layer, golden);
  }
}

TEST(GhostBatchNorm, AgreesWithBatchNormCalledOnOnePartAfterTheOther) {
  for (const json& golden : cases("ghost")) {
    const json& o = golden.at("options");
    const Shape shape = shape_of(golden);
    const int64_t part = o.at("virtual_batch");
    const nn::BatchNormOptions options{.momentum = momentum_of(o)};
    if (shape.rank() == 4)
      expect_steps(nn::GhostBatchNorm2d(shape[1], part, options), golden);
    else
      expect_steps(nn::GhostBatchNorm1d(shape[1], part, options), golden);
  }
}

TEST(BatchRenorm, AgreesWithThePapersFormulaStepByStep) {
  for (const json& golden : cases("renorm")) {
    const json& o = golden.at("options");
    const json& l = o.at("limits");
    const nn::BatchRenormOptions options{
        .momentum = momentum_of(o),
        .limits = {l.at("r_max"), l.at("d_max"), l.at("start"), l.at("r_end"), l.at("d_end")}};
    const Shape shape = shape_of(golden);
    if (shape.rank() == 4)
      expect_steps(nn::BatchRenorm2d(shape[1], options), golden);
    else
      expect_steps(nn::BatchRenorm1d(shape[1], options), golden);
  }
}

TEST(BatchRenorm, WithoutLimitsTrainsWithWhatEvaluationComputes) {
  nn::BatchRenorm1d layer(3, {.limits = {1e9, 1e9, -1, 0, 0}});
  layer.to(DType::kFloat64);
  layer.running_mean.copy_(uniform({3}, 1));
  layer.running_var.copy_(uniform({3}, 2) + 2.0);
  const Tensor x = uniform({8, 3}, 3);
  layer.eval();
  const auto evaluated = layer(x).values<double>();
  layer.train();
  const auto trained = layer(x).values<double>();
  for (size_t i = 0; i < trained.size(); ++i) EXPECT_NEAR(trained[i], evaluated[i], 1e-14);
}

TEST(BatchRenorm, IsBatchNormUntilTheScheduleStarts) {
  nn::BatchRenorm1d renorm(3);
  nn::BatchNorm1d plain(3);
  const Tensor x = uniform({8, 3}, 3).to(DType::kFloat32);
  EXPECT_EQ(renorm(x).values<float>(), plain(x).values<float>());
  EXPECT_EQ(renorm.running_var.values<float>(), plain.running_var.values<float>());
}

TEST(RenormLimits, GrowLinearlyBetweenTheirBatches) {
  const RenormLimits limits;
  EXPECT_EQ(limits.r_at(0), 1);
  EXPECT_EQ(limits.r_at(5000), 1);
  EXPECT_EQ(limits.r_at(22500), 2);
  EXPECT_EQ(limits.r_at(40000), 3);
  EXPECT_EQ(limits.d_at(5000), 0);
  EXPECT_EQ(limits.d_at(15000), 2.5);
  EXPECT_EQ(limits.d_at(1000000), 5);
}

TEST(GhostBatchNorm, GradientsMatchFiniteDifferences) {
  for (const Shape& shape : {Shape{6, 3}, Shape{4, 2, 3}, Shape{3, 2, 1, 2}}) {
    const Shape c{shape[1]};
    const auto f = [](const Tensors& in) {
      return ghost_batch_norm(in[0], 2, nullptr, in[1], in[2], true);
    };
    EXPECT_LT(gradient_error(f, {uniform(shape, 1), uniform(c, 2), uniform(c, 3)}),
              kGradientTolerance)
        << shape.str();
  }
}

// r and d are constants: finite differences would see them move. Where they sit at their limits
// they do not.
TEST(BatchRenorm, GradientsMatchFiniteDifferencesAtTheLimits) {
  for (const Shape& shape : {Shape{5, 3}, Shape{4, 2, 3}, Shape{3, 2, 1, 2}}) {
    const Shape c{shape[1]};
    const auto f = [&](const Tensors& in) {
      const auto count = Tensor::from(std::vector<int64_t>{7}, {});
      const BatchNormState state{uniform(c, 4) + 20.0, uniform(c, 5) + 30.0, count};
      return batch_renorm(in[0], state, in[1], in[2], true, 0.1, 1e-5, {1.5, 0.5, 0, 5, 5});
    };
    EXPECT_LT(gradient_error(f, {uniform(shape, 1), uniform(c, 2), uniform(c, 3)}),
              kGradientTolerance)
        << shape.str();
  }
}

TEST(NormalizationLayers, SurviveCloningAndLoading) {
  const auto net = [] {
    return nn::Sequential(nn::GhostBatchNorm2d(4, 2), nn::BatchRenorm2d(4),
                          nn::FrozenBatchNorm2d(4), nn::GroupNorm(2, 4), nn::InstanceNorm2d(4),
                          nn::LayerNorm({4, 2, 3}));
  };
  nn::Sequential first = net(), second = net();
  const Tensor x = uniform({4, 4, 2, 3}, 1).to(DType::kFloat32);
  first(x).eval();
  nn::Sequential copy = nn::clone(first);
  second.load_state_dict(first.state_dict());
  first(x).eval();  // moves the statistics of the first alone
  for (nn::Sequential* net_ : {&first, &copy, &second}) net_->eval();
  EXPECT_EQ(copy(x).values<float>(), second(x).values<float>());
  EXPECT_NE(copy(x).values<float>(), first(x).values<float>());
}

TEST(NormalizationLayers, RefuseWhatDoesNotFit) {
  EXPECT_THROW(nn::GhostBatchNorm2d(4, 0), ValueError);
  EXPECT_THROW(nn::BatchRenorm1d(4, {.limits = {.r_max = 0.5}}), ValueError);
  EXPECT_THROW(nn::GroupNorm(3, 4), ValueError);
  EXPECT_THROW(nn::GhostBatchNorm1d(4, 2)(uniform({4, 4, 1, 1}, 1)), ValueError);
  EXPECT_THROW(nn::FrozenBatchNorm2d(4)(uniform({4, 4}, 1)), ValueError);
  // Parts of one sample with one pixel have no variance.
  EXPECT_THROW(nn::GhostBatchNorm1d(4, 1)(uniform({4, 4}, 1).to(DType::kFloat32)), ValueError);
}

}  // namespace
}  // namespace ballast::test
