// Faults planted into weights: `ballast inspect` names each of them first.
#include <cmath>

#include "ballast/data/prepare.h"
#include "ballast/io/npy.h"
#include "ballast/io/state.h"
#include "ballast/models/factory.h"
#include "ballast/nn/batch_norm.h"
#include "ballast/ops/pointwise.h"
#include "ballast/train/trainer.h"
#include "tests/cli/tool.h"

namespace ballast::cli {
namespace {

class InspectFaults : public ToolTest {
 protected:
  /// A run of `model` that ends with a small learning rate.
  std::string run_of(const std::string& name, const std::string& model,
                     std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"--model", model, "--epochs", "8", "--schedule", "cosine"};
    words.insert(words.end(), more.begin(), more.end());
    return trained(name, words);
  }
  /// Changes the weights that a run left.
  template <class F>
  static void change(const std::string& run, const F& f) {
    StateDict state = load(run + "/model.safetensors");
    for (auto& [name, t] : state) f(name, t);
    replace_weights(run, state);
  }
  /// The digits with inputs multiplied by `scale`, as a file.
  std::string digits(const std::string& name, double scale) {
    const data::ArrayDataset d = data::digits_arrays();
    std::vector<float> values(d.inputs.as<float>().begin(), d.inputs.as<float>().end());
    for (float& v : values) v *= static_cast<float>(scale);
    io::write_npz(folder_ / name, {{"x", io::Array::of(d.inputs.shape, values)}, {"y", d.labels}});
    return folder_ / name;
  }
  /// What is found first; "none" where nothing is.
  static std::string first(std::vector<std::string> words) {
    words.insert(words.begin(), "inspect");
    const auto findings = json_of(words)["findings"];
    return findings.empty() ? "none" : findings[0]["kind"].get<std::string>();
  }
};

TEST_F(InspectFaults, NoneInHealthyRuns) {
  EXPECT_EQ(first({run_of("custom", "custom")}), "none");
  EXPECT_EQ(first({run_of("cnn", "cnn")}), "none");
}

TEST_F(InspectFaults, StaleStatistics) {
  const std::string early = trained("early", {"--model", "custom", "--epochs", "1"});
  const std::string run = run_of("run", "custom");
  const StateDict old = load(early + "/model.safetensors");
  change(run, [&](const std::string& name, Tensor& t) {
    for (const auto& [key, value] : old)
      if (key == name && name.find("running_") != name.npos) t = value;
  });
  EXPECT_EQ(first({run}), "stale_statistics");
}

TEST_F(InspectFaults, LargeMomentumWithTinyBatches) {
  manual_seed(0);
  const nn::ModulePtr model = models::make("custom");
  for (const auto& [name, m] : model->named_modules())
    if (auto* norm = m->as<nn::BatchNorm1d>())
      norm->replace(nn::BatchNorm1d(norm->num_features(), {.momentum = 0.9}));
  const data::SplitArrays d = data::prepared("digits", "custom");
  optim::SGD sgd(model->parameters(), {.lr = 0.01, .momentum = 0.9});
  data::Loader loader(data::TensorDataset(d.train), {.batch_size = 3, .shuffle = true});
  train::FitOptions two_epochs;
  two_epochs.epochs = 2;
  train::fit(*model, sgd, loader, nullptr, two_epochs);
  const std::string path = folder_ / "w.safetensors";
  save(model->state_dict(), path);
  EXPECT_EQ(first({path, "--model", "custom", "--data", "digits", "--batch-size", "3",
                   "--bn-momentum", "0.9"}),
            "noisy_statistics");
}

TEST_F(InspectFaults, ChangedScaleOfTheInputs) {
  const std::string run = run_of("run", "custom");
  EXPECT_EQ(first({run, "--data", digits("bright.npz", 16)}), "changed_input");
  EXPECT_EQ(first({run, "--data", digits("same.npz", 1)}), "none");
}

TEST_F(InspectFaults, TrainedWithOneSample) {
  const std::string run =
      trained("run", {"--model", "cnn", "--epochs", "1", "--batch-size", "1", "--lr", "0.002"});
  EXPECT_EQ(first({run}), "single_sample");
}

TEST_F(InspectFaults, DeadChannels) {
  const std::string run = run_of("run", "cnn");
  change(run, [](const std::string& name, Tensor& t) {
    if (name != "bn1.bias") return;
    auto values = t.values<float>();
    for (size_t c = 0; c < 4; ++c) values[c] = -30;
    t = Tensor::from(values, t.shape());
  });
  EXPECT_EQ(first({run}), "dead_channels");
}

TEST_F(InspectFaults, StatisticsNeverUpdated) {
  const std::string run = run_of("run", "custom");
  change(run, [](const std::string& name, Tensor& t) {
    if (name.ends_with("running_mean")) t = (t * 0.0).eval();
    if (name.ends_with("running_var")) t = (t * 0.0 + 1.0).eval();
  });
  EXPECT_EQ(first({run}), "never_updated");
}

TEST_F(InspectFaults, WrongEpsAfterConversion) {
  // Inputs this small leave the first convolution with variances about as large as Keras' eps.
  const std::string small = digits("small.npz", 0.05);
  manual_seed(0);
  const nn::ModulePtr model = models::make("cnn", {1, 8, 8});
  for (const auto& [name, m] : model->named_modules())
    if (auto* norm = m->as<nn::BatchNorm2d>())
      norm->replace(nn::BatchNorm2d(norm->num_features(), {.eps = 1e-3}));
  const data::SplitArrays d = data::prepared(small, "cnn");
  optim::SGD sgd(model->parameters(), {.lr = 0.1, .momentum = 0.9});
  optim::CosineAnnealingLR cosine(sgd, 8);
  data::Loader loader(data::TensorDataset(d.train), {.batch_size = 64, .shuffle = true});
  train::FitOptions options;
  options.epochs = 8;
  options.scheduler = &cosine;
  train::fit(*model, sgd, loader, nullptr, options);
  const std::string path = folder_ / "keras.safetensors";
  save(model->state_dict(), path);
  EXPECT_EQ(first({path, "--model", "cnn", "--data", small, "--batch-size", "64"}), "wrong_eps");
}

}  // namespace
}  // namespace ballast::cli
