#include <gtest/gtest.h>

#include <map>

#include "ballast/models/convolutional.h"
#include "ballast/models/factory.h"
#include "ballast/models/perceptrons.h"
#include "ballast/ops/activation.h"
#include "ballast/ops/create.h"
#include "ballast/ops/loss.h"
#include "tests/support/files.h"

namespace ballast::models {
namespace {

using ballast::testing::error_of;

/// Of images that are as small as the network allows.
Tensor batch_for(const Entry& e, int64_t samples) {
  Shape shape{samples};
  for (int64_t d : e.sample) shape.push_back(std::min<int64_t>(d, 64));
  if (shape.rank() == 4) shape[2] = shape[3] = std::min<int64_t>(shape[3], 32);
  return rand(shape);
}

/// All but VGGs, whose 130 million weights take seconds to draw; tests/models/golden_test.cpp has
/// one of them, and the convolutions of all.
std::vector<Entry> tested_entries() {
  std::vector<Entry> out;
  for (const Entry& e : entries())
    if (!std::string(e.name).starts_with("vgg")) out.push_back(e);
  return out;
}

std::vector<std::string> keys_of(const nn::Module& m) {
  std::vector<std::string> out;
  for (const auto& [name, t] : m.state_dict()) out.push_back(name);
  return out;
}

TEST(Models, HaveAsManyParametersAsPyTorchs) {
  const std::map<std::string, int64_t> expected = {
      {"net", 470},
      {"custom", 9886},
      {"my", 2590},
      {"cnn", 56714},
      {"mlp", 830474},
      {"resnet20", 272186},
      // torchvision's, with ten classes instead of a thousand
      {"resnet18", 11689512 - 990 * 513},
      {"resnet34", 21797672 - 990 * 513},
      {"resnet50", 25557032 - 990 * 2049},
      {"resnet101", 44549160 - 990 * 2049},
      {"mobilenet_v2", 3504872 - 990 * 1281},
      {"densenet121", 7978856 - 990 * 1025},
      {"densenet121_cifar", 7978856 - 990 * 1025 - 64 * 3 * (49 - 9)},
  };
  for (const auto& [name, count] : expected) EXPECT_EQ(make(name)->num_parameters(), count) << name;
  // The paper's 0.27 million; option B's two 1x1 convolutions with batch norm are 2,752 of them.
  EXPECT_EQ(make("resnet20", {3, 32, 32})->num_parameters(), 272474);
}

TEST(Models, GiveOneLogitPerClassWithAndWithoutBatchNorm) {
  for (const Entry& e : tested_entries())
    for (bool on : {true, false}) {
      const auto m = make(e.name, {}, {.batch_norm = on, .classes = 7});
      const Tensor y = (*m)(batch_for(e, 5));
      EXPECT_EQ(y.shape(), (Shape{5, 7})) << e.name << on;
      cross_entropy(y, zeros({5}, DType::kInt64)).backward();
      for (const auto& [name, p] : m->named_parameters())
        EXPECT_TRUE(p.grad().defined()) << e.name << " " << name;
    }
}

TEST(Models, WithoutBatchNormKeepTheOtherNamesAndInitialValues) {
  for (const Entry& e : tested_entries()) {
    manual_seed(3);
    const auto with = make(e.name);
    manual_seed(3);
    const auto without = make(e.name, {}, {.batch_norm = false});
    std::map<std::string, Tensor> expected;
    for (const auto& [name, t] : with->state_dict()) expected[name] = t;
    EXPECT_LT(without->state_dict().size(), expected.size());
    for (const auto& [name, t] : without->state_dict()) {
      ASSERT_TRUE(expected.contains(name)) << e.name << " " << name;
      EXPECT_EQ(t.values<float>(), expected[name].values<float>()) << e.name << " " << name;
    }
  }
}

TEST(Models, NameTheirLayersAsTheGuideDoes) {
  EXPECT_EQ(keys_of(Net({.batch_norm = false})),
            (std::vector<std::string>{"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"}));
  EXPECT_EQ(keys_of(MyModel()),
            (std::vector<std::string>{
                "conv1.weight", "conv1.bias", "bn1.weight", "bn1.bias", "bn1.running_mean",
                "bn1.running_var", "bn1.num_batches_tracked", "fc.weight", "fc.bias", "bn2.weight",
                "bn2.bias", "bn2.running_mean", "bn2.running_var", "bn2.num_batches_tracked"}));
  const auto resnet = keys_of(*make("resnet20"));
  for (const char* key : {"layer1.2.conv2.weight", "layer2.0.downsample.0.weight",
                          "layer3.0.downsample.1.running_var"})
    EXPECT_EQ(std::count(resnet.begin(), resnet.end(), key), 1) << key;
}

TEST(Models, UnknownNamesAndSamplesThatDoNotFitAreErrors) {
  EXPECT_EQ(error_of<KeyError>([] { make("nett"); }),
            "there is no model \"nett\"; there are " + names());
  EXPECT_EQ(error_of<ValueError>([] { make("custom", {30}); }),
            "model custom takes samples of shape [64], got [30]");
  EXPECT_EQ(error_of<ValueError>([] {
              make("my", {1, 8, 8});
            }),
            "model my takes samples of shape [3, H, W], got [1, 8, 8]");
}

TEST(Models, RefuseABatchOfOneInTraining) {
  for (const char* name : {"net", "custom", "my", "mlp"}) {
    const auto m = make(name);
    EXPECT_TRUE(error_of<ValueError>([&] {
                  (*m)(batch_for(entry(name), 1));
                }).starts_with("Expected more than 1 value per channel when training"))
        << name;
    m->eval();
    EXPECT_EQ((*m)(batch_for(entry(name), 1)).shape(), (Shape{1, 10})) << name;
  }
}

/// The guide's MyModel as printed: its forward goes from the convolution to the linear layer.
struct AsPrinted : nn::Module {
  nn::Conv2d conv1 = add("conv1", nn::Conv2d(3, 64, 3));
  nn::BatchNorm2d bn1 = add("bn1", nn::BatchNorm2d(64));
  nn::Linear fc = add("fc", nn::Linear(64, 10));
  nn::BatchNorm1d bn2 = add("bn2", nn::BatchNorm1d(10));
  Tensor forward(const Tensor& x) override { return bn2(fc(relu(bn1(conv1(x))))); }
};

TEST(Models, MyModelWithoutPoolingFailsAsInPyTorch) {
  AsPrinted model;
  EXPECT_EQ(error_of<Error>([&] {
              model(rand({2, 3, 8, 8}));
            }),
            "mat1 and mat2 shapes cannot be multiplied (768x6 and 64x10)");
}

}  // namespace
}  // namespace ballast::models
