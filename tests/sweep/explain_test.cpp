#include "ballast/sweep/explain.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "ballast/graph/eval.h"
#include "ballast/models/factory.h"
#include "ballast/ops/conv.h"
#include "ballast/ops/create.h"
#include "ballast/ops/loss.h"
#include "ballast/train/optim.h"

namespace ballast {
namespace {

void step(nn::Module& model, const Tensor& x, const Tensor& y) {
  model.zero_grad();
  const Tensor loss = cross_entropy(model(x), y);
  loss.backward();
  std::vector<Tensor> grads{loss};
  for (const Tensor& p : model.parameters()) grads.push_back(p.grad());
  eval(std::span<const Tensor>(grads));
}

TEST(Explain, ATrainingStepIsAShortListOfFusedSweeps) {
  const auto model = models::make("cnn");
  const Tensor x = randn({4, 1, 8, 8}), y = randint(0, 10, {4});
  const Recorder recorder;
  for (int i = 0; i < 3; ++i) step(*model, x, y);
  const auto plans = recorder.plans();
  ASSERT_EQ(plans.size(), 1U);
  EXPECT_EQ(plans[0].runs, 3);
  int convolutions = 0;
  for (const SweepReport& s : plans[0].sweeps) {
    if (!s.name.starts_with("conv2d 3x3")) continue;
    ++convolutions;
    EXPECT_EQ(s.fused[0], "channel_moments") << s.name;
    EXPECT_GT(s.flops, 0);
  }
  EXPECT_EQ(convolutions, 3);
}

TEST(Explain, BytesAndOperationsAreThoseOfTheShapes) {
  const auto model = models::make("cnn");
  model->eval();
  const Recorder recorder;
  {
    const NoGrad off;
    (*model)(randn({2, 1, 8, 8})).eval();
  }
  const auto plans = recorder.plans();
  ASSERT_EQ(plans.size(), 1U);
  for (const SweepReport& s : plans[0].sweeps) {
    if (s.name != "conv2d 3x3 32->64") continue;
    // The first layer's activations, weights, bias, the normalization's coefficients, the result.
    EXPECT_EQ(s.bytes, 4 * (2 * 32 * 64 + 64 * 32 * 9 + 64 + 3 * 64 + 2 * 64 * 64));
    EXPECT_GE(s.flops, 2 * 2 * 64 * 64 * 32 * 9);
    return;
  }
  FAIL() << "no second convolution in " << to_json(plans, recorder.memory());
}

TEST(Explain, ReportsAreTablesAndJson) {
  const auto model = models::make("net");
  const Recorder recorder;
  step(*model, randn({8, 10}), randint(0, 10, {8}));
  const auto plans = recorder.plans();
  ASSERT_EQ(plans.size(), 1U);
  const auto json = nlohmann::json::parse(to_json(plans, recorder.memory()));
  EXPECT_EQ(json["plans"][0]["sweeps"].size(), plans[0].sweeps.size());
  EXPECT_NE(to_table(plans[0]).find("matmul"), std::string::npos);
}

TEST(Explain, UpdatesAreReportedAndMemoryHasOwners) {
  const auto model = models::make("cnn");
  const Tensor x = randn({16, 1, 8, 8}), y = randint(0, 10, {16});
  optim::Adam optimizer(model->parameters());
  int64_t weights = 0;
  for (const Tensor& p : model->parameters()) weights += 4 * p.numel();
  const auto run = [&] {
    optimizer.zero_grad();
    cross_entropy((*model)(x), y).backward();
    optimizer.step();
  };
  run();
  const Recorder recorder;
  run();
  run();
  const auto plans = recorder.plans();
  ASSERT_EQ(plans.size(), 2U);
  ASSERT_EQ(plans[1].sweeps.size(), 1U);
  EXPECT_EQ(plans[1].runs, 2);
  EXPECT_EQ(plans[1].sweeps[0].name, "Adam");
  EXPECT_EQ(plans[1].sweeps[0].kernel, "update");
  EXPECT_EQ(plans[1].sweeps[0].bytes, 7 * weights);  // p, m and v both ways, g
  const MemoryReport m = recorder.memory();
  EXPECT_EQ(m.optimizer, 2 * weights);
  EXPECT_EQ(m.inputs, plans[0].inputs);
  EXPECT_GE(m.inputs, weights + 4 * x.numel());
  EXPECT_GE(m.outputs, weights);
  EXPECT_EQ(m.peak, m.inputs + m.outputs + m.temporary + m.lent + m.optimizer + m.other);
  EXPECT_GE(m.other, 0);
  const auto json = nlohmann::json::parse(to_json(plans, m));
  EXPECT_EQ(json["memory"]["optimizer"], m.optimizer);
}

TEST(Explain, TheBoundCountsTheMultiplicationsOfTheKernel) {
  const Tensor x = randn({4, 64, 56, 56}), w = randn({64, 64, 3, 3});
  const Recorder recorder;
  conv2d(x, w, {}, {.padding = {1, 1}}).eval();
  const auto plans = recorder.plans();
  ASSERT_EQ(plans.size(), 1U);
  for (const SweepReport& s : plans[0].sweeps)
    if (s.kernel == "winograd 4x4") {
      EXPECT_EQ(s.flops, 4 * s.operations);
      return;
    }
  FAIL() << "no Winograd sweep in " << to_json(plans, recorder.memory());
}

TEST(Explain, RecordersDoNotNestAndSeeTheirThreadOnly) {
  const Recorder recorder;
  EXPECT_THROW(Recorder(), Error);
  std::thread([] {
    randn({100}).eval();
    (randn({100}) + 1).eval();
  }).join();
  EXPECT_TRUE(recorder.plans().empty());
}

}  // namespace
}  // namespace ballast
