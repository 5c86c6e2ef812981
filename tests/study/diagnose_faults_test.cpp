// Faults planted into trained networks are found first; networks without fault have no findings.
#include <gtest/gtest.h>

#include <cmath>

#include "ballast/data/prepare.h"
#include "ballast/models/factory.h"
#include "ballast/nn/nn.h"
#include "ballast/ops/create.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/pool.h"
#include "ballast/ops/rearrange.h"
#include "ballast/study/diagnose.h"
#include "ballast/train/trainer.h"

namespace ballast::study {
namespace {

/// Two convolutions and a Linear layer with batch norms of all kinds of options.
struct Small : nn::Module {
  explicit Small(nn::BatchNormOptions o = {})
      : conv1(add("conv1", nn::Conv2d(1, 8, 3))),
        bn1(add("bn1", nn::BatchNorm2d(8, o))),
        conv2(add("conv2", nn::Conv2d(8, 16, 3))),
        bn2(add("bn2", nn::BatchNorm2d(16, o))),
        fc(add("fc", nn::Linear(16, 10))) {}
  Tensor forward(const Tensor& x) override {
    const Tensor y = relu(bn2(conv2(relu(bn1(conv1(x))))));
    return fc(adaptive_avg_pool2d(y, {1, 1}).flatten(1));
  }
  nn::Conv2d conv1;
  nn::BatchNorm2d bn1;
  nn::Conv2d conv2;
  nn::BatchNorm2d bn2;
  nn::Linear fc;
};

data::TensorDataset samples(data::Split split, double scale = 1.0) {
  const data::TensorDataset d = data::digits(split);
  return {(d.x() * scale).eval(), d.y()};
}

struct Training {
  int64_t batch = 32, epochs = 6;
  double lr = 0.1;
  double input_scale = 1.0;
  uint64_t seed = 0;
  bool cosine = true;
};

void train_on_digits(nn::Module& model, const data::TensorDataset& d, const Training& t) {
  manual_seed(t.seed + 100);
  optim::SGD sgd(model.parameters(), {.lr = t.lr, .momentum = 0.9});
  optim::CosineAnnealingLR cosine(sgd, t.epochs);
  data::Loader loader(d, {.batch_size = t.batch, .shuffle = true});
  train::FitOptions options;
  options.epochs = t.epochs;
  if (t.cosine) options.scheduler = &cosine;
  train::fit(model, sgd, loader, nullptr, options);
}

Small trained(const Training& t = {}, nn::BatchNormOptions o = {}) {
  manual_seed(t.seed);
  Small model(o);
  train_on_digits(model, samples(data::Split::kTrain, t.input_scale), t);
  model.eval();
  return model;
}

Diagnosis on_test(nn::Module& model, int64_t batch = 32, double scale = 1.0) {
  data::Loader loader(samples(data::Split::kTest, scale), {.batch_size = batch});
  return diagnose(model, loader);
}

/// The first finding's name, or "none"; everything is told where a test fails.
std::string first_of(const Diagnosis& d) {
  SCOPED_TRACE(d.str());
  return d.findings.empty() ? "none" : name_of(d.findings[0].kind);
}

#define EXPECT_FIRST(diagnosis, kind) EXPECT_EQ(first_of(diagnosis), kind) << (diagnosis).str()

TEST(DiagnoseHealthy, NetworksTrainedOnTheDigitsHaveNoFindings) {
  for (const std::string name : {"net", "custom", "my", "cnn"})
    for (uint64_t seed : {0, 1, 2}) {
      manual_seed(seed);
      const nn::ModulePtr model = models::make(name);
      const data::SplitArrays d = data::prepared("digits", name);
      train_on_digits(*model, data::TensorDataset(d.train),
                      {.batch = 64, .epochs = 8, .seed = seed});
      model->eval();
      data::Loader test(data::TensorDataset(d.test), {.batch_size = 64});
      const Diagnosis diagnosis = diagnose(*model, test);
      EXPECT_TRUE(diagnosis.findings.empty()) << name << " " << seed << "\n" << diagnosis.str();
    }
}

TEST(DiagnoseHealthy, ANetworkTrainedInSmallBatchesHasNoFindings) {
  Small model = trained({.batch = 8});
  EXPECT_FIRST(on_test(model, 8), "none");
}

TEST(DiagnoseFaults, ForgottenEval) {
  Small model = trained();
  model.train();
  const Diagnosis d = on_test(model);
  EXPECT_FIRST(d, "forgotten_eval");
  EXPECT_GT(d.findings[0].number, 0.01);
  EXPECT_TRUE(model.training()) << "its mode is as it was";
}

TEST(DiagnoseFaults, ForgottenEvalOfOneLayer) {
  Small model = trained();
  model.bn2.train();
  const Diagnosis d = on_test(model);
  EXPECT_FIRST(d, "forgotten_eval");
  EXPECT_EQ(d.findings[0].layers, std::vector<std::string>{"bn2"});
}

TEST(DiagnoseFaults, StaleStatisticsOfWeightsThatMovedOn) {
  Small model = trained({.epochs = 1, .cosine = false});
  const Tensor mean = clone(model.bn2.running_mean).eval(),
               var = clone(model.bn2.running_var).eval(),
               mean1 = clone(model.bn1.running_mean).eval(),
               var1 = clone(model.bn1.running_var).eval();
  model.train();
  train_on_digits(model, samples(data::Split::kTrain), {});
  model.eval();
  model.bn1.running_mean.copy_(mean1);
  model.bn1.running_var.copy_(var1);
  model.bn2.running_mean.copy_(mean);
  model.bn2.running_var.copy_(var);
  EXPECT_FIRST(on_test(model), "stale_statistics");
}

TEST(DiagnoseFaults, StaleStatisticsOfAMomentumTooSmall) {
  Small model = trained({}, {.momentum = 0.002});
  const Diagnosis d = on_test(model);
  EXPECT_FIRST(d, "stale_statistics");
  EXPECT_NE(d.findings[0].cause.find("initial"), std::string::npos) << d.findings[0].cause;
}

TEST(DiagnoseFaults, LargeMomentumWithTinyBatches) {
  for (double momentum : {0.9, 0.7}) {
    manual_seed(0);
    nn::Sequential model(nn::Flatten(), nn::Linear(64, 32),
                         nn::BatchNorm1d(32, {.momentum = momentum}), nn::ReLU(),
                         nn::Linear(32, 10));
    train_on_digits(model, samples(data::Split::kTrain), {.batch = 3, .epochs = 2, .lr = 0.01});
    model.eval();
    EXPECT_FIRST(on_test(model, 3), "noisy_statistics");
    EXPECT_FIRST(on_test(model, 64), "noisy_statistics");
  }
}

TEST(DiagnoseFaults, LargeMomentumWithTinyBatchesOfImages) {
  Small model = trained({.batch = 2, .epochs = 2, .lr = 0.01}, {.momentum = 0.9});
  EXPECT_FIRST(on_test(model, 2), "noisy_statistics");
}

TEST(DiagnoseFaults, ChangedScaleOfTheInputs) {
  for (double scale : {16.0, 255.0, 1.0 / 16, 0.5}) {
    Small model = trained();
    const Diagnosis d = on_test(model, 32, scale);
    EXPECT_FIRST(d, "changed_input") << scale;
    EXPECT_NEAR(d.findings[0].number / scale, 1, 0.1);
  }
}

TEST(DiagnoseFaults, ChangedScaleInNetworksWithOneBatchNorm) {
  manual_seed(0);
  const nn::ModulePtr model = models::make("net");
  const data::SplitArrays d = data::prepared("digits", "net");
  train_on_digits(*model, data::TensorDataset(d.train), {.batch = 64, .epochs = 8});
  model->eval();
  const data::TensorDataset test(d.test);
  data::Loader loader({(test.x() * 16.0).eval(), test.y()}, {.batch_size = 64});
  EXPECT_FIRST(diagnose(*model, loader), "changed_input");
}

TEST(DiagnoseFaults, InputsThatWereNormalizedInTrainingOnly) {
  manual_seed(0);
  Small model;
  const data::TensorDataset d = samples(data::Split::kTrain);
  train_on_digits(model, {((d.x() - 0.3) / 0.4).eval(), d.y()}, {});
  model.eval();
  EXPECT_FIRST(on_test(model), "changed_input");
}

/// Digits of uneven brightness, 0.25 to 1.75 times what it was: samples differ from each other.
data::TensorDataset uneven(data::Split split) {
  const data::TensorDataset d = samples(split);
  manual_seed(5);
  return {(d.x() * (rand({d.size(), 1, 1, 1}) * 1.5 + 0.25)).eval(), d.y()};
}

TEST(DiagnoseFaults, TrainedInBatchesOfOneSample) {
  manual_seed(0);
  Small model({.momentum = 0.01});  // with 0.1 the average of 19 samples would be chance
  train_on_digits(model, uneven(data::Split::kTrain), {.batch = 1, .epochs = 2, .lr = 0.002});
  model.eval();
  for (int64_t batch : {1, 32}) {
    data::Loader test(uneven(data::Split::kTest), {.batch_size = batch});
    EXPECT_FIRST(diagnose(model, test), "single_sample");
  }
}

TEST(DiagnoseFaults, TrainedInBatchesOfOneSampleAsTheCallerKnows) {
  Small model = trained({.batch = 1, .epochs = 1, .lr = 0.002});
  data::Loader test(samples(data::Split::kTest), {.batch_size = 32});
  DiagnoseOptions known;
  known.batch_size = 1;
  EXPECT_FIRST(diagnose(model, test, known), "single_sample");
  EXPECT_FIRST(diagnose(model, test), "none") << "all samples have nearly the same statistics";
}

TEST(DiagnoseFaults, StatisticsOfOneSampleAgainAndAgain) {
  for (int64_t i : {0, 3, 11}) {
    Small model = trained();
    model.train();
    const Tensor x = narrow(samples(data::Split::kTest).x(), 0, i, 1);
    const NoGrad off;
    for (int k = 0; k < 100; ++k) model(x).eval();
    model.eval();
    EXPECT_FIRST(on_test(model), "single_sample") << i;
  }
}

TEST(DiagnoseFaults, OneValuePerChannelLeavesNoVariance) {
  manual_seed(0);
  nn::BatchNorm1d bn(32);
  nn::Sequential model(nn::Flatten(), nn::Linear(64, 32), bn, nn::ReLU(), nn::Linear(32, 10));
  train_on_digits(model, samples(data::Split::kTrain), {});
  model.eval();
  // What a library that does not refuse such batches makes of 50 of them.
  bn.running_var.copy_(full({32}, std::pow(0.9, 50)));
  EXPECT_FIRST(on_test(model), "single_sample");
}

TEST(DiagnoseFaults, TrainingOnBatchesOfOneSample) {
  manual_seed(0);
  nn::Sequential model(nn::Flatten(), nn::Linear(64, 32), nn::BatchNorm1d(32), nn::ReLU(),
                       nn::Linear(32, 10));
  train_on_digits(model, samples(data::Split::kTrain), {});
  model.train();
  EXPECT_FIRST(on_test(model, 1), "single_sample");
}

TEST(DiagnoseFaults, DeadChannelsFromTheStart) {
  manual_seed(0);
  Small model;
  for (int64_t c = 0; c < 4; ++c) model.bn1.bias.mutable_data<float>()[c] = -30;
  train_on_digits(model, samples(data::Split::kTrain), {});
  model.eval();
  const Diagnosis d = on_test(model);
  EXPECT_FIRST(d, "dead_channels");
  EXPECT_EQ(d.findings[0].number, 0.5);
}

TEST(DiagnoseFaults, DeadChannelsOfATrainedNetwork) {
  for (bool by_weight : {false, true}) {
    Small model = trained();
    for (int64_t c = 0; c < 4; ++c) {
      model.bn1.bias.mutable_data<float>()[c] = by_weight ? 0.1F : -30.0F;
      if (by_weight) model.bn1.weight.mutable_data<float>()[c] = 1e-6F;
    }
    const Diagnosis d = on_test(model);
    EXPECT_FIRST(d, "dead_channels");
    EXPECT_EQ(d.findings[0].layers[0], "bn1");
  }
}

TEST(DiagnoseFaults, StatisticsNeverUpdated) {
  Small model = trained();
  for (nn::BatchNorm2d* bn : {&model.bn1, &model.bn2}) bn->reset_running_stats();
  EXPECT_FIRST(on_test(model), "never_updated");
  Small one = trained();
  one.bn2.reset_running_stats();
  const Diagnosis d = on_test(one);
  EXPECT_FIRST(d, "never_updated");
  EXPECT_EQ(d.findings[0].layers, std::vector<std::string>{"bn2"});
}

TEST(DiagnoseFaults, StatisticsNeverUpdatedInTraining) {
  Small model = trained({}, {.momentum = 0.0});
  EXPECT_FIRST(on_test(model), "never_updated");
}

TEST(DiagnoseFaults, WrongEpsAfterConversion) {
  // Inputs this small leave the convolution with variances around 0.003.
  const Training t{.input_scale = 0.1};
  Small keras = trained(t, {.eps = 1e-3});
  EXPECT_FIRST(on_test(keras, 32, 0.1), "none");
  Small converted;
  converted.load_state_dict(keras.state_dict());
  converted.eval();
  const Diagnosis d = on_test(converted, 32, 0.1);
  EXPECT_FIRST(d, "wrong_eps");
  EXPECT_EQ(d.findings[0].number, 1e-3);
}

TEST(DiagnoseFaults, NotANumberInAWeight) {
  Small model = trained();
  model.conv2.weight.mutable_data<float>()[7] = NAN;
  const Diagnosis d = on_test(model);
  EXPECT_FIRST(d, "non_finite");
  EXPECT_EQ(d.findings[0].layers[0], "conv2.weight");
}

}  // namespace
}  // namespace ballast::study
