#include "ballast/train/trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "ballast/base/file.h"
#include "ballast/io/state.h"
#include "ballast/nn/nn.h"
#include "ballast/ops/create.h"
#include "tests/support/files.h"

namespace ballast::test {
namespace {

using testing::error_of;
using testing::Folder;

std::string bytes_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Killed {};

/// A network with batch norm and dropout on part of the digits, made anew from seed 3: what a new
/// process does.
struct Session {
  explicit Session(bool own_generator = false) {
    manual_seed(3);
    model = nn::Sequential(nn::Flatten(), nn::Linear(64, 16), nn::BatchNorm1d(16), nn::ReLU(),
                           nn::Dropout(0.2), nn::Linear(16, 10));
    const data::TensorDataset all = data::digits(data::Split::kTest);
    train.emplace(
        all, data::LoaderOptions{
                 .batch_size = 50, .shuffle = true, .generator = own_generator ? &own : nullptr});
    test.emplace(all, data::LoaderOptions{.batch_size = 128});
    adam.emplace(model.parameters(), optim::AdamWOptions{.lr = 0.01});
    schedule.emplace(*adam, 2, 0.5);
    options.epochs = 3;
    options.scheduler = &*schedule;
  }
  train::FitResult fit() { return train::fit(model, *adam, *train, &*test, options); }

  Generator own{11};
  nn::Sequential model;
  std::optional<data::Loader> train, test;
  std::optional<optim::AdamW> adam;
  std::optional<optim::StepLR> schedule;
  train::FitOptions options;
};

std::string uninterrupted(const Folder& folder, bool own_generator) {
  Session s(own_generator);
  s.options.checkpoint = folder / "whole.safetensors";
  EXPECT_EQ(s.fit().steps, 24);
  return bytes_of_file(s.options.checkpoint);
}

// Steps 8, 16 and 24 are the last of an epoch.
TEST(Fit, StoppedAfterAnyStepItContinuesToTheSameBytes) {
  for (bool own_generator : {false, true}) {
    Folder folder;
    const std::string whole = uninterrupted(folder, own_generator);
    for (int64_t k : {1, 5, 8, 9, 16, 23, 24}) {
      const std::string path = folder / "stopped.safetensors";
      std::atomic<bool> stop = false;
      Session first(own_generator);
      first.options.checkpoint = path;
      first.options.stop = &stop;
      first.options.on_step = [&](const train::StepMetrics& m) { stop = m.step == k; };
      const train::FitResult part = first.fit();
      EXPECT_TRUE(part.stopped);
      EXPECT_EQ(part.steps, k);
      manual_seed(99);  // what a new process has drawn meanwhile is of no importance

      Session second(own_generator);
      second.options.checkpoint = path;
      const train::FitResult rest = second.fit();
      EXPECT_EQ(rest.steps, 24);
      EXPECT_EQ(rest.epochs.size(), 3u);
      EXPECT_EQ(bytes_of_file(path), whole) << "stopped after " << k;
      std::filesystem::remove(path);
    }
  }
}

TEST(Fit, KilledBetweenCheckpointsItContinuesToTheSameBytes) {
  Folder folder;
  const std::string whole = uninterrupted(folder, false);
  for (int64_t k : {4, 10, 17}) {
    const std::string path = folder / "killed.safetensors";
    Session first;
    first.options.checkpoint = path;
    first.options.checkpoint_every_steps = 3;
    first.options.on_step = [&](const train::StepMetrics& m) {
      if (m.step == k) throw Killed();
    };
    EXPECT_THROW(first.fit(), Killed);
    Session second;
    second.options.checkpoint = path;
    int64_t at = 0;
    second.options.on_step = [&](const train::StepMetrics& m) {
      if (at == 0) at = m.step;
    };
    second.fit();
    EXPECT_EQ(at, (k - 1) / 3 * 3 + 1);
    EXPECT_EQ(bytes_of_file(path), whole) << "killed in step " << k;
    std::filesystem::remove(path);
  }
}

TEST(Fit, CheckpointsByTheClockChangeNothing) {
  Folder folder;
  const std::string whole = uninterrupted(folder, false);
  Session s;
  s.options.checkpoint = folder / "often.safetensors";
  s.options.checkpoint_every_seconds = 1e-9;
  s.fit();
  EXPECT_EQ(bytes_of_file(s.options.checkpoint), whole);
}

TEST(Fit, AFinishedRunIsLeftAsItIs) {
  Folder folder;
  const std::string whole = uninterrupted(folder, false);
  Session s;
  s.options.checkpoint = folder / "whole.safetensors";
  s.options.on_step = [](const train::StepMetrics&) { ADD_FAILURE() << "trained on"; };
  EXPECT_EQ(s.fit().epochs.size(), 3u);
  EXPECT_EQ(bytes_of_file(s.options.checkpoint), whole);
}

TEST(Fit, RefusesTheCheckpointOfAnotherModel) {
  Folder folder;
  uninterrupted(folder, false);
  Session s;
  nn::Linear other(64, 10);
  optim::AdamW opt(other.parameters());
  s.options.checkpoint = folder / "whole.safetensors";
  EXPECT_THROW(train::fit(other, opt, *s.train, &*s.test, s.options), Error);
  save({{"x", zeros({1})}}, folder / "other.safetensors");
  s.options.checkpoint = folder / "other.safetensors";
  EXPECT_THROW(s.fit(), FileError);
}

TEST(Fit, RefusesACheckpointMadeWithOtherSettings) {
  Folder folder;
  uninterrupted(folder, false);
  const std::string path = folder / "whole.safetensors",
                    start = path + ": cannot be continued with another setting: ";
  const auto complaint = [&](const std::function<void(Session&)>& change) {
    Session s;
    s.options.checkpoint = path;
    change(s);
    return error_of<FileError>([&] { s.fit(); });
  };
  EXPECT_EQ(complaint([](Session& s) {
              s.options.settings = {{"seed", "4"}};
            }),
            start + "seed was nothing, now it is 4");
  EXPECT_EQ(complaint([](Session& s) { s.options.scheduler = nullptr; }),
            start + "scheduler was StepLR(step_size=2, gamma=0.5), now it is none");
  EXPECT_EQ(complaint([](Session& s) {
              s.adam.emplace(s.model.parameters(), optim::AdamWOptions{.lr = 0.02});
              s.schedule.emplace(*s.adam, 2, 0.5);
            }),
            start + "optimizer's param_groups.0.lr was 0.01, now it is 0.02");
  EXPECT_EQ(complaint([](Session& s) {
              s.train.emplace(data::digits(data::Split::kTest),
                              data::LoaderOptions{.batch_size = 40, .shuffle = true});
            }),
            start + "train batch_size was 50, now it is 40");
  EXPECT_EQ(complaint([](Session& s) { s.options.epochs = 2; }),
            path + ": 24 steps of 8 an epoch were made, more than 2 epochs have");
  Session longer;
  longer.options.checkpoint = path;
  longer.options.epochs = 4;
  EXPECT_EQ(longer.fit().steps, 32);
}

TEST(Fit, FindsADamagedCheckpoint) {
  Folder folder;
  const std::string whole = uninterrupted(folder, false), path = folder / "whole.safetensors";
  for (size_t at = whole.size() / 3; at < whole.size(); at += whole.size() / 7) {
    std::string damaged = whole;
    damaged[at] ^= 1;
    write_atomically(path, bytes_of(damaged));
    Session s;
    s.options.checkpoint = path;
    EXPECT_EQ(error_of<FileError>([&] { s.fit(); }),
              path + ": damaged: its checksum does not fit its content");
  }
}

/// Counts what it is told, as a record does.
struct Counter : train::Record {
  int64_t steps = 0, epochs = 0;
  void step(const train::StepMetrics&) override { ++steps; }
  void epoch(const train::EpochMetrics&) override { ++epochs; }
  StateDict state_dict() override { return {{"counts", Tensor::from({steps, epochs})}}; }
  void load_state_dict(const StateDict& state) override {
    const std::vector<int64_t> v = state.at(0).second.values<int64_t>();
    steps = v[0];
    epochs = v[1];
  }
};

TEST(Fit, ARecordIsContinuedWithTheCheckpoint) {
  for (int64_t k : {1, 8, 9, 16, 20, 24}) {
    Folder folder;
    Counter first, second;
    Session killed;
    killed.options.checkpoint = folder / "a.safetensors";
    killed.options.checkpoint_every_steps = 4;
    killed.options.record = &first;
    killed.options.on_step = [&](const train::StepMetrics& m) {
      if (m.step == k) throw Killed();
    };
    EXPECT_THROW(killed.fit(), Killed);
    Session rest;
    rest.options.checkpoint = killed.options.checkpoint;
    rest.options.record = &second;
    std::vector<int64_t> seen;
    rest.options.on_restore = [&](const std::vector<train::EpochMetrics>& before) {
      for (const auto& m : before) seen.push_back(m.epoch);
    };
    rest.options.on_epoch = [&](const train::EpochMetrics& m) { seen.push_back(m.epoch); };
    rest.fit();
    EXPECT_EQ(second.steps, 24) << k;
    EXPECT_EQ(second.epochs, 3) << k;
    EXPECT_EQ(seen, (std::vector<int64_t>{1, 2, 3})) << k;
  }
}

TEST(Fit, LearnsTheDigitsAndReportsIt) {
  Session s;
  s.options.epochs = 20;
  std::vector<double> losses;
  s.options.on_epoch = [&](const train::EpochMetrics& m) { losses.push_back(m.train_loss); };
  const train::FitResult result = s.fit();
  EXPECT_EQ(losses.size(), 20u);
  EXPECT_LT(losses.back(), 0.5 * losses.front());
  EXPECT_GT(result.epochs.back().test_accuracy, 0.9);  // of the samples it was trained on
  EXPECT_EQ(result.epochs.back().test_accuracy, train::evaluate(s.model, *s.test).accuracy);
  EXPECT_TRUE(s.model.training());
}

TEST(StopOnSignal, TurnsTheFirstSignalIntoAFlag) {
  train::StopOnSignal stop;
  EXPECT_FALSE(stop.flag());
  std::raise(SIGINT);
  EXPECT_TRUE(stop.flag());
}

TEST(Metrics, AccuracyCountsTheLargestLogit) {
  const Tensor logits = Tensor::from(std::vector<float>{1, 3, 2, 5, 5, 0}, {2, 3});
  EXPECT_EQ(train::correct_count(logits, Tensor::from({int64_t{1}, int64_t{0}})), 2);
  EXPECT_EQ(train::accuracy(logits, Tensor::from({int64_t{1}, int64_t{1}})), 0.5);
  EXPECT_THROW(train::accuracy(logits, Tensor::from({int64_t{1}})), ValueError);
}

TEST(Metrics, RunningMeanWeighsItsValues) {
  train::RunningMean mean;
  EXPECT_TRUE(std::isnan(mean.value()));
  mean.add(1.0, 3);
  mean.add(5.0);
  EXPECT_EQ(mean.value(), 2.0);
}

TEST(Progress, WritesPlainLinesToAFile) {
  Folder folder;
  const std::string path = folder / "log";
  std::FILE* file = std::fopen(path.c_str(), "w");
  train::Progress progress("epoch 1", 20, file);
  for (int i = 1; i <= 20; ++i) progress.update(i, i == 20 ? "loss 0.5" : "");
  progress.finish();
  std::fclose(file);
  const std::string text = bytes_of_file(path);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 10);
  EXPECT_TRUE(text.ends_with("epoch 1 20/20  loss 0.5\n")) << text;
  EXPECT_EQ(text.find('\r'), std::string::npos);
}

}  // namespace
}  // namespace ballast::test
