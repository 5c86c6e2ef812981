// Layers are written as PyTorch writes them.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "ballast/nn/nn.h"
#include "tests/support/files.h"

namespace ballast::nn {
namespace {

/// What PyTorch writes of the layers in python/tests/same/printing.py.
std::set<std::string> pytorchs_texts() {
  std::ifstream file(testing::golden("../../python/tests/same/printing.json"));
  const auto texts = nlohmann::json::parse(file).at("modules").get<std::vector<std::string>>();
  return {texts.begin(), texts.end()};
}

template <class... M>
std::vector<std::string> texts_of(const M&... modules) {
  return {modules.str()...};
}

void expect_among_pytorchs(const std::vector<std::string>& texts) {
  const std::set<std::string> known = pytorchs_texts();
  for (const std::string& text : texts) EXPECT_TRUE(known.contains(text)) << text;
}

TEST(LayerText, OfLayersWithWeightsIsPyTorchs) {
  expect_among_pytorchs(texts_of(
      Conv1d(1, 2, 3),
      Conv2d(4, 8, {3, 1}, {.stride = 2, .padding = 1, .dilation = 2, .groups = 2, .bias = false}),
      Conv2d(1, 1, 1, {.padding = kSame, .padding_mode = PadMode::kReflect}),
      ConvTranspose2d(1, 2, 3, {.stride = 2, .output_padding = 1}), Linear(1, 2, {.bias = false}),
      Bilinear(1, 2, 3), BatchNorm1d(3), BatchNorm2d(3, {.momentum = {}, .affine = false}),
      SyncBatchNorm(2), GroupNorm(2, 4), LayerNorm({2, 3}),
      LayerNorm({3}, {.elementwise_affine = false}), InstanceNorm2d(3), LocalResponseNorm(2),
      RMSNorm({4}), Embedding(3, 4, {.padding_idx = 0}), EmbeddingBag(3, 4), PReLU()));
}

TEST(LayerText, OfPoolsAndPaddingIsPyTorchs) {
  expect_among_pytorchs(
      texts_of(MaxPool2d(2), MaxPool2d(3, {.stride = 2, .padding = 1, .ceil_mode = true}),
               AvgPool1d(2), AvgPool2d(2), AdaptiveMaxPool1d(2), LPPool2d(2, 3), MaxUnpool2d(2),
               ZeroPad2d(1), ConstantPad1d(2, 3.5), ReflectionPad2d({1, 2, 3, 4}), Unfold(3),
               PixelShuffle(2), PixelUnshuffle(2), ChannelShuffle(2),
               Upsample({.scale_factor = {2}}), Upsample({.size = {3, 4}, .mode = "bilinear"})));
}

TEST(LayerText, OfFunctionsAndLossesIsPyTorchs) {
  expect_among_pytorchs(texts_of(
      ReLU(), ReLU6(), LeakyReLU(0.2), ELU(), CELU(), SELU(), GELU(), SiLU(), Mish(), Hardtanh(),
      Hardswish(), Hardsigmoid(), Hardshrink(), Softshrink(), Softplus(), Softmax(1),
      LogSoftmax(-1), Softmin(0), RReLU(), GLU(), Tanh(), Sigmoid(), Dropout(0.3), Dropout2d(),
      AlphaDropout(), Flatten(), Unflatten(1, {2, 3}), Identity(), CosineSimilarity(),
      PairwiseDistance(), CrossEntropyLoss(), MSELoss(), TripletMarginLoss()));
}

}  // namespace
}  // namespace ballast::nn
