// Every rule of diagnosis on measurements made up for it; and the measurements' statistics.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ballast/nn/nn.h"
#include "ballast/nn/observe.h"
#include "ballast/ops/batch_norm.h"
#include "ballast/ops/create.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/study/diagnose_pass.h"

namespace ballast::study {
namespace {

/// A layer of four channels whose record is that of the data.
LayerMeasurement layer(const std::string& name) {
  LayerMeasurement l;
  l.name = name;
  l.momentum = 0.1;
  l.batches_tracked = 500;
  l.weight = {1, 1, 1, 1};
  l.bias = {0, 0, 0, 0};
  l.running = l.batch = l.evaluation = {{0.1, -0.2, 0.3, 0.4}, {1.1, 0.9, 1.2, 1.3}};
  l.error = {{0.1, 0.1, 0.1, 0.1}, {0.1, 0.1, 0.1, 0.1}};
  l.within = {0.8, 0.7, 0.9, 1.0};
  l.between = {0.3, 0.2, 0.3, 0.3};
  l.values_per_sample = 16;
  l.highest = {2, 2, 2, 2};
  l.nearest_sample = 1;
  l.samples_apart = 0.1;
  l.gradient = 1;
  return l;
}

Measurements healthy() {
  Measurements m;
  m.samples = 320;
  m.batch_size = m.loader_batch = m.last_batch = 32;
  m.num_batches = 10;
  m.layers = {layer("bn1"), layer("bn2")};
  m.loss_evaluation = 1.0;
  m.loss_batch = m.loss_recalibrated = 0.9;
  return m;
}

void shift(LayerMeasurement& l, double by) {
  for (double& mean : l.running.mean) mean += by;
}

std::vector<std::string> kinds(const Measurements& m) {
  std::vector<std::string> out;
  for (const Fault& f : judge(m)) out.push_back(name_of(f.kind));
  return out;
}
using Kinds = std::vector<std::string>;

TEST(DiagnoseRules, MeasurementsThatAgreeGiveNoFindings) { EXPECT_EQ(kinds(healthy()), Kinds{}); }

TEST(DiagnoseRules, ADistanceThatChanceExplainsIsNone) {
  Measurements m = healthy();
  shift(m.layers[1], 0.1);
  EXPECT_EQ(kinds(m), Kinds{});
}

TEST(DiagnoseRules, NonFiniteValuesAreTheOnlyFinding) {
  using Where = NonFinite::Where;
  Measurements m = healthy();
  shift(m.layers[0], 5);
  for (Where where : {Where::kInput, Where::kParameter, Where::kActivation, Where::kGradient}) {
    m.non_finite = {where, "conv2", 3, "arrive"};
    ASSERT_EQ(kinds(m), Kinds{"non_finite"});
    EXPECT_NE(judge(m)[0].what.find("conv2"), std::string::npos) << judge(m)[0].what;
    EXPECT_EQ(judge(m)[0].number, 3);
  }
}

TEST(DiagnoseRules, TrainingModeIsAForgottenEval) {
  Measurements m = healthy();
  m.layers[1].training = true;
  m.batch_dependence = 0.3;
  EXPECT_EQ(kinds(m), Kinds{"forgotten_eval"});
  EXPECT_EQ(judge(m)[0].number, 0.3);
}

TEST(DiagnoseRules, TrainingModeOnBatchesOfOneSampleIsThat) {
  Measurements m = healthy();
  m.layers[1].training = true;
  m.loader_batch = 1;
  EXPECT_EQ(kinds(m), Kinds{"single_sample"});
  m = healthy();
  m.layers[1].training = true;
  m.layers[1].values_per_sample = 1;
  m.last_batch = 1;
  EXPECT_EQ(kinds(m), Kinds{"single_sample"});
}

TEST(DiagnoseRules, MoreBatchesThanStepsAreCounted) {
  Measurements m = healthy();
  m.steps = 480;
  EXPECT_EQ(kinds(m), Kinds{"forgotten_eval"});
  EXPECT_EQ(judge(m)[0].number, 20);
  m.steps = 500;
  EXPECT_EQ(kinds(m), Kinds{});
}

TEST(DiagnoseRules, InitialStatisticsWereNeverUpdated) {
  Measurements m = healthy();
  m.layers[0].running = {{0, 0, 0, 0}, {1, 1, 1, 1}};
  EXPECT_EQ(kinds(m), Kinds{"never_updated"});
  EXPECT_EQ(judge(m)[0].layers, std::vector<std::string>{"bn1"});
}

TEST(DiagnoseRules, LayersWithoutStatisticsAreNamed) {
  Measurements m = healthy();
  m.layers[0].tracks = false;
  m.layers[0].running = {};
  EXPECT_EQ(kinds(m), Kinds{"no_running_statistics"});
}

TEST(DiagnoseRules, TheRepetitionThatBringsTheRecordBackIsTheCause) {
  using Suspicion = Replay::Kind;
  for (const auto& [kind, name] : {std::pair{Suspicion::kEps, "wrong_eps"},
                                   {Suspicion::kInput, "changed_input"},
                                   {Suspicion::kSingleSample, "single_sample"}}) {
    Measurements m = healthy();
    for (LayerMeasurement& l : m.layers) shift(l, 1);
    Replay wrong;
    wrong.kind = Suspicion::kEps;
    wrong.value = 1e-4;
    wrong.distance = {0.9, 0.9};
    Replay right;
    right.kind = kind;
    right.value = 1e-3;
    right.distance = {0.05, 0.05};
    right.loss = 0.5;
    m.replays = {wrong, right};
    EXPECT_EQ(kinds(m), Kinds{name});
    m.replays[1].loss = 2;
    if (kind == Suspicion::kSingleSample) continue;
    EXPECT_EQ(kinds(m), Kinds{"stale_statistics"}) << "what makes the loss worse is no cause";
  }
}

TEST(DiagnoseRules, DistancesInAllLayersAreStale) {
  Measurements m = healthy();
  for (LayerMeasurement& l : m.layers) {
    shift(l, 1);
    l.running.var[0] *= 3;
  }
  EXPECT_EQ(kinds(m), Kinds{"stale_statistics"});
  m.loss_recalibrated = 1.1;
  EXPECT_EQ(kinds(m), Kinds{}) << "a network trained with frozen statistics wants them";
}

TEST(DiagnoseRules, FewBatchesForTheMomentumAreTheCauseOfStaleness) {
  Measurements m = healthy();
  shift(m.layers[1], 1);
  m.layers[1].momentum = 0.001;
  ASSERT_EQ(kinds(m), Kinds{"stale_statistics"});
  EXPECT_NE(judge(m)[0].cause.find("61 % of them are still the initial values"), std::string::npos)
      << judge(m)[0].cause;  // 0.999^500 = 0.606
}

TEST(DiagnoseRules, ADistanceOfTheFirstLayerAloneIsTheInputs) {
  Measurements m = healthy();
  shift(m.layers[0], 1);
  EXPECT_EQ(kinds(m), Kinds{"changed_input"});
}

TEST(DiagnoseRules, OneFactorInAllChannelsOfAnOnlyLayerIsTheInputs) {
  Measurements m = healthy();
  m.layers.pop_back();
  for (double& v : m.layers[0].batch.var) v *= 9;
  ASSERT_EQ(kinds(m), Kinds{"changed_input"});
  EXPECT_NEAR(judge(m)[0].number, 3, 1e-3);
  m.layers[0].batch.var[0] *= 9;
  EXPECT_EQ(kinds(m), Kinds{"stale_statistics"});
}

TEST(DiagnoseRules, AnAverageOfFewNoisyBatchesIsUncertain) {
  Measurements m = healthy();
  for (LayerMeasurement& l : m.layers) {
    l.momentum = 0.9;
    l.error = {{0.5, 0.5, 0.5, 0.5}, {0.8, 0.8, 0.8, 0.8}};
    shift(l, 0.5);
  }
  ASSERT_EQ(kinds(m), Kinds{"noisy_statistics"});
  m = healthy();
  for (LayerMeasurement& l : m.layers) {
    l.momentum = 0.9;
    shift(l, 0.5);
  }
  ASSERT_EQ(kinds(m), Kinds{"noisy_statistics"}) << "batches of two samples would explain it";
}

TEST(DiagnoseRules, TheStatisticsOfOneSampleAreRecognized) {
  Measurements m = healthy();
  for (LayerMeasurement& l : m.layers) {
    shift(l, 0.5);
    l.nearest_sample = 0.05;
  }
  EXPECT_EQ(kinds(m), Kinds{"single_sample"});
  m = healthy();
  m.layers[1].values_per_sample = 1;
  m.layers[1].running.var = {0.005, 0.005, 0.005, 0.005};
  EXPECT_EQ(kinds(m), Kinds{"single_sample"});
  m = healthy();
  m.batch_size_known = true;
  m.batch_size = 1;
  EXPECT_EQ(kinds(m), Kinds{"single_sample"});
}

TEST(DiagnoseRules, DeadChannelsAreCounted) {
  Measurements m = healthy();
  m.layers[0].highest = {-1, 2, 2, 2};
  EXPECT_EQ(kinds(m), Kinds{}) << "no ReLU reads it";
  m.layers[0].rectified = true;
  ASSERT_EQ(kinds(m), Kinds{"dead_channels"});
  EXPECT_EQ(judge(m)[0].number, 0.25);
  m = healthy();
  m.layers[1].weight[3] = 1e-5;
  EXPECT_EQ(kinds(m), Kinds{"dead_channels"});
}

TEST(DiagnoseRules, ChannelsThatDiedAfterTheRecordExplainWhatFollows) {
  Measurements m = healthy();
  m.layers[0].rectified = true;
  m.layers[0].highest[2] = -1;
  shift(m.layers[1], 1);
  ASSERT_EQ(kinds(m), Kinds{"dead_channels"});
  EXPECT_EQ(judge(m)[0].severity, Fault::Severity::kError);
}

TEST(DiagnoseRules, TheLossTellsOfAnEpsNobodyRecorded) {
  Measurements m = healthy();
  Replay r;
  r.kind = Replay::Kind::kEps;
  r.value = 1e-3;
  r.distance = {0.02, 0.02};
  r.loss = 0.4;
  m.replays = {r};
  EXPECT_EQ(kinds(m), Kinds{"wrong_eps"});
  m.replays[0].loss = 0.6;
  EXPECT_EQ(kinds(m), Kinds{});
}

TEST(DiagnoseRules, VariancesBelowEpsAreNoted) {
  Measurements m = healthy();
  m.layers[1].running.var[1] = m.layers[1].batch.var[1] = 4e-6;
  ASSERT_EQ(kinds(m), Kinds{"small_variance"});
  EXPECT_NEAR(judge(m)[0].number, 0.4, 1e-9);
}

TEST(DiagnoseRules, GradientsThatGrowOrShrinkAThousandfoldAreWarnedOf) {
  for (double first : {2e3, 5e-4}) {
    Measurements m = healthy();
    m.layers[0].gradient = first;
    ASSERT_EQ(kinds(m), Kinds{"gradient_scale"});
    EXPECT_EQ(judge(m)[0].number, first);
  }
}

TEST(DiagnoseRules, TheGravestComesFirst) {
  Measurements m = healthy();
  m.layers[1].running.var[1] = m.layers[1].batch.var[1] = 4e-6;
  m.layers[0].running = {{0, 0, 0, 0}, {1, 1, 1, 1}};
  m.layers[0].rectified = true;
  m.layers[0].highest = {-1, -1, 2, 2};
  EXPECT_EQ(kinds(m), (Kinds{"never_updated", "dead_channels", "small_variance"}));
}

// Measurements.

TEST(DiagnoseMeasurements, StandardErrorsAreThoseOfManyBatches) {
  manual_seed(3);
  // Pixels of a sample are correlated: a sample's own level, and noise.
  const int64_t size = 8, batches = 4000;
  const Tensor level = randn({size * batches, 1, 1}), noise = randn({size * batches, 1, 5});
  const Tensor x = (level + noise * 0.7).eval();
  InputSums sums(1);
  std::vector<double> means, vars;
  for (int64_t k = 0; k < batches; ++k) {
    const Tensor batch = narrow(x, 0, k * size, size).eval();
    sums.add(batch, {1.0}, {0.0}, 1e-5);
    InputSums one(1);
    one.add(batch, {1.0}, {0.0}, 1e-5);
    means.push_back(one.of_batches().mean[0]);
    vars.push_back(one.of_batches().var[0]);
  }
  auto deviation = [](const std::vector<double>& v) {
    double sum = 0, squares = 0;
    for (double a : v) sum += a;
    for (double a : v) squares += (a - sum / v.size()) * (a - sum / v.size());
    return std::sqrt(squares / (v.size() - 1));
  };
  // A deviation of 4000 values is certain to 1/sqrt(8000), 1.1 %; those of a variance have heavier
  // tails.
  EXPECT_NEAR(sums.errors(size).mean[0] / deviation(means), 1, 0.04);
  EXPECT_NEAR(sums.errors(size).var[0] / deviation(vars), 1, 0.12);
  EXPECT_NEAR(sums.between()[0], 1 + 0.49 / 5, 0.05);
  EXPECT_NEAR(sums.within()[0], 0.49 * 4 / 5, 0.02);
}

TEST(DiagnoseMeasurements, TheBatchsStatisticsAreWhatARunningAverageTakesIn) {
  manual_seed(1);
  nn::BatchNorm2d bn(3, {.momentum = 1.0});
  const Tensor x = (randn({4, 3, 2, 5}) * 3.0 + 2.0).eval();
  bn(x).eval();
  InputSums sums(3);
  sums.add(x, {1, 1, 1}, {0, 0, 0}, 1e-5);
  for (int c = 0; c < 3; ++c) {
    EXPECT_NEAR(sums.of_batches().mean[c], bn.running_mean.data<float>()[c], 1e-6);
    EXPECT_NEAR(sums.of_batches().var[c], bn.running_var.data<float>()[c], 1e-5);
  }
}

TEST(DiagnoseMeasurements, TheHighestOutputIsThatOfTheNormalizedBatch) {
  manual_seed(2);
  const Tensor x = randn({6, 2, 3});
  const Tensor y =
      batch_norm(x, nullptr, Tensor::from({2.0F, -1.5F}), Tensor::from({0.5F, -0.25F}), true);
  InputSums sums(2);
  sums.add(x, {2.0, -1.5}, {0.5, -0.25}, 1e-5);
  const auto v = y.values<float>();
  for (int c = 0; c < 2; ++c) {
    float highest = -INFINITY;
    for (int i = 0; i < 6; ++i)
      for (int j = 0; j < 3; ++j) highest = std::max(highest, v[(i * 2 + c) * 3 + j]);
    EXPECT_NEAR(sums.highest()[c], highest, 1e-5);
  }
}

/// x/(x - 1), which no input of 1 survives.
struct Quotient : nn::Module {
  Tensor forward(const Tensor& x) override { return x / (x - 1.0); }
};

data::Batch ones_and_labels() { return {ones({4, 3}), zeros({4}, DType::kInt64)}; }

TEST(DiagnoseMeasurements, NonFiniteValuesAreFollowedToWhereTheyBegin) {
  manual_seed(0);
  nn::Sequential model(Quotient(), nn::Linear(3, 3), nn::BatchNorm1d(3), nn::Linear(3, 3));
  model.eval();
  const std::vector<data::Batch> batches{ones_and_labels()};
  Measurements m = measure(subject_of(model), batches);
  EXPECT_EQ(m.non_finite.where, NonFinite::Where::kActivation);
  EXPECT_EQ(m.non_finite.name, "0");
  EXPECT_EQ(m.non_finite.count, 12);
  EXPECT_EQ(m.non_finite.detail, "are made");

  const std::vector<data::Batch> broken{{full({4, 3}, NAN), zeros({4}, DType::kInt64)}};
  EXPECT_EQ(measure(subject_of(model), broken).non_finite.where, NonFinite::Where::kInput);
}

TEST(DiagnoseMeasurements, AGradientWithoutEndIsFound) {
  manual_seed(0);
  nn::Sequential model(nn::Linear(3, 3), nn::BatchNorm1d(3));
  model.eval();
  DiagnoseOptions options;
  options.loss = [](const Tensor& y, const Tensor&) { return (sqrt(y * 0.0) * 1.0).sum(); };
  manual_seed(4);
  const std::vector<data::Batch> batches{{randn({8, 3}), Tensor()}};
  const Measurements m = measure(subject_of(model), batches, options);
  EXPECT_EQ(m.non_finite.where, NonFinite::Where::kGradient);
  EXPECT_EQ(m.non_finite.name, "1.bias") << "the last parameter is the first that backward meets";
}

TEST(DiagnoseMeasurements, NothingOfTheModelOrTheGeneratorChanges) {
  manual_seed(0);
  nn::Dropout dropout(0.5);
  nn::Sequential model(nn::Linear(4, 6), nn::BatchNorm1d(6), nn::ReLU(), dropout, nn::Linear(6, 2));
  dropout.eval();
  manual_seed(7);
  const data::TensorDataset d(randn({40, 4}), randint(0, 2, {40}));
  std::vector<std::vector<double>> before;
  for (const auto& [name, t] : model.state_dict()) before.push_back(doubles(t));
  data::Loader loader(d, {.batch_size = 8, .shuffle = true});
  manual_seed(9);
  const auto generator = default_generator().get_state();
  diagnose(model, loader);
  EXPECT_EQ(default_generator().get_state(), generator);
  EXPECT_TRUE(model.training());
  EXPECT_FALSE(dropout.training());
  size_t i = 0;
  for (const auto& [name, t] : model.state_dict()) EXPECT_EQ(doubles(t), before[i++]) << name;
  for (const Tensor& p : model.parameters()) EXPECT_FALSE(p.grad().defined());
}

TEST(DiagnoseMeasurements, ANetworkWithoutBatchNormHasNothingToJudge) {
  manual_seed(0);
  nn::Sequential model(nn::Linear(4, 2));
  const std::vector<data::Batch> batches{{randn({4, 4}), zeros({4}, DType::kInt64)}};
  const Diagnosis d = diagnose(subject_of(model), batches);
  EXPECT_TRUE(d.findings.empty());
  EXPECT_TRUE(d.measurements.layers.empty());
  EXPECT_EQ(d.str(), "No findings.\n");
}

TEST(DiagnoseMeasurements, NoSamplesAreAnError) {
  nn::Sequential model(nn::Linear(4, 2));
  EXPECT_THROW(diagnose(subject_of(model), std::vector<data::Batch>{}), ValueError);
}

TEST(CallObserver, SeesCallsOfHandlesByTheirNames) {
  nn::BatchNorm1d bn(3);
  nn::Sequential model(nn::Linear(3, 3), bn);
  struct Count : nn::CallObserver {
    Tensor call(nn::Module& m, const Tensor& x) override {
      seen.push_back(nn::identity(m));
      return m.forward(x);
    }
    std::vector<const nn::ModuleState*> seen;
  };
  const Tensor x = ones({2, 3});
  {
    Count count;
    model(x);
    EXPECT_EQ(count.seen, (std::vector<const nn::ModuleState*>{
                              nn::identity(model), nn::identity(model[0]), nn::identity(bn)}));
    {
      Count inner;
      bn(x);
      EXPECT_EQ(inner.seen.size(), 1u);
    }
    EXPECT_EQ(count.seen.size(), 3u);
  }
  model(x);
}

}  // namespace
}  // namespace ballast::study
