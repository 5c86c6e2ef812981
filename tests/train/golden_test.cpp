// Whole training steps against PyTorch's: see scripts/golden/training.py.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "ballast/base/random.h"
#include "ballast/base/threads.h"
#include "ballast/io/state.h"
#include "ballast/nn/nn.h"
#include "ballast/ops/create.h"
#include "ballast/ops/extremes.h"
#include "ballast/ops/loss.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/pool.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/train/optim.h"
#include "tests/support/files.h"

namespace ballast {
namespace {

struct Net : nn::Module {
  nn::Linear fc1 = add("fc1", nn::Linear(10, 20));
  nn::BatchNorm1d bn1 = add("bn1", nn::BatchNorm1d(20));
  nn::Linear fc2 = add("fc2", nn::Linear(20, 10));
  Tensor forward(const Tensor& x) override { return fc2(relu(bn1(fc1(x)))); }
};

struct CustomModel : nn::Module {
  nn::Linear fc1 = add("fc1", nn::Linear(64, 128));
  nn::BatchNorm1d bn1 = add("bn1", nn::BatchNorm1d(128));
  nn::Linear fc2 = add("fc2", nn::Linear(128, 10));
  nn::BatchNorm1d bn2 = add("bn2", nn::BatchNorm1d(10));
  Tensor forward(const Tensor& x) override { return bn2(fc2(relu(bn1(fc1(x))))); }
};

struct ConvNet : nn::Module {
  nn::Conv2d conv1 = add("conv1", nn::Conv2d(3, 8, 3, {.padding = 1}));
  nn::BatchNorm2d bn1 = add("bn1", nn::BatchNorm2d(8));
  nn::Conv2d conv2 = add("conv2", nn::Conv2d(8, 8, 3, {.stride = 2, .padding = 1}));
  nn::BatchNorm2d bn2 = add("bn2", nn::BatchNorm2d(8));
  nn::Linear fc = add("fc", nn::Linear(8, 10));
  nn::BatchNorm1d bn3 = add("bn3", nn::BatchNorm1d(10));
  Tensor forward(const Tensor& x) override {
    const Tensor h = relu(bn2(conv2(relu(bn1(conv1(x))))));
    return bn3(fc(flatten(adaptive_avg_pool2d(h, {1, 1}), 1)));
  }
};

constexpr int64_t kSteps = 50, kBatch = 64;

std::map<std::string, Tensor> golden() {
  std::map<std::string, Tensor> out;
  for (const auto& [name, t] : load(testing::golden("training.safetensors"))) out.emplace(name, t);
  return out;
}

/// Trains from manual_seed(0) and compares every loss.
template <class Model>
void expect_curve(const std::string& name, int64_t features) {
  manual_seed(0);
  Model model;
  const Tensor x = randn({kBatch * 5, features}), y = randint(0, 10, {kBatch * 5});
  optim::SGD opt(model.parameters(), {.lr = 0.05, .momentum = 0.9});
  const auto expected = golden().at(name).values<float>();
  for (int64_t step = 0; step < kSteps; ++step) {
    const int64_t at = step % 5 * kBatch;
    opt.zero_grad();
    const Tensor loss =
        cross_entropy(model(slice(x, 0, at, at + kBatch)), slice(y, 0, at, at + kBatch));
    loss.backward();
    opt.step();
    EXPECT_NEAR(loss.item(), expected[static_cast<size_t>(step)], 1e-3) << "step " << step;
  }
}

TEST(TrainingGolden, NetFollowsPyTorchFromTheSameSeed) { expect_curve<Net>("net.losses", 10); }

TEST(TrainingGolden, CustomModelFollowsPyTorchFromTheSameSeed) {
  expect_curve<CustomModel>("custom.losses", 64);
}

/// Largest difference relative to the largest expected value.
double difference(const Tensor& got, const Tensor& expected) {
  const auto a = got.to(DType::kFloat64).values<double>(),
             b = expected.to(DType::kFloat64).values<double>();
  EXPECT_EQ(got.shape(), expected.shape());
  double scale = 1e-6, error = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    scale = std::max(scale, std::abs(b[i]));
    error = std::max(error, std::isnan(a[i]) ? INFINITY : std::abs(a[i] - b[i]));
  }
  return error / scale;
}

TEST(TrainingGolden, EveryStepOfAConvolutionalNetworkIsPyTorchs) {
  const auto expected = golden();
  const auto losses = expected.at("conv.losses").values<float>();
  manual_seed(0);
  ConvNet model;
  for (int64_t step = 0; step < kSteps; ++step) {
    const Tensor x = randn({8, 3, 6, 6}), y = randint(0, 10, {8});
    const std::string prefix = "conv." + std::to_string(step) + ".";
    StateDict state;
    for (const auto& [name, t] : model.state_dict())
      state.emplace_back(name, expected.at(prefix + "state." + name));
    for (const auto& [name, t] :
         model.state_dict())  // the initial weights are drawn alike, bit for bit
      EXPECT_TRUE(step > 0 || difference(t, expected.at(prefix + "state." + name)) == 0) << name;
    model.load_state_dict(state);
    model.zero_grad();
    const Tensor loss = cross_entropy(model(x), y);
    loss.backward();
    EXPECT_NEAR(loss.item(), losses[static_cast<size_t>(step)], 2e-6);
    // A gradient is a sum of up to 288 products of sums; a bias before batch norm has none but
    // rounding.
    for (const auto& [name, p] : model.named_parameters()) {
      if (name == "conv1.bias" || name == "conv2.bias" || name == "fc.bias")
        EXPECT_LT(max(abs(p.grad())).item(), 1e-5) << name << " at " << step;
      else
        EXPECT_LT(difference(p.grad(), expected.at(prefix + "grad." + name)), 1e-4)
            << name << " at " << step;
    }
    for (const auto& [name, t] : model.named_buffers())
      EXPECT_LT(difference(t, expected.at(prefix + "after." + name)), 1e-5)
          << name << " at " << step;
  }
}

TEST(Training, BitsDoNotDependOnTheNumberOfThreads) {
  const int before = num_threads();
  std::vector<std::vector<float>> runs;
  for (int threads : {1, 2, 4}) {
    set_num_threads(threads);
    manual_seed(7);
    ConvNet model;
    optim::SGD opt(model.parameters(), {.lr = 0.1, .momentum = 0.9});
    for (int step = 0; step < 3; ++step) {  // large enough for every sweep to use the threads
      const Tensor x = randn({48, 3, 33, 31}), y = randint(0, 10, {48});
      opt.zero_grad();
      cross_entropy(model(x), y).backward();
      opt.step();
    }
    std::vector<float> bits;
    for (const auto& [name, t] : model.state_dict())
      for (float v : t.to(DType::kFloat32).values<float>()) bits.push_back(v);
    runs.push_back(bits);
  }
  set_num_threads(before);
  EXPECT_EQ(runs[0], runs[1]);
  EXPECT_EQ(runs[0], runs[2]);
}

}  // namespace
}  // namespace ballast
