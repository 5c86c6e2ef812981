// Networks against PyTorch's and torchvision's (scripts/golden/models.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "ballast/graph/eval.h"
#include "ballast/models/densenet.h"
#include "ballast/models/factory.h"
#include "ballast/models/vgg.h"
#include "ballast/ops/create.h"
#include "ballast/ops/loss.h"
#include "ballast/ops/pointwise.h"
#include "tests/support/files.h"

namespace ballast::models {
namespace {

using nlohmann::json;

const json& goldens() {
  static const json values = json::parse(std::ifstream(testing::golden("models.json")));
  return values;
}

/// CRC-32 (ISO 3309), going on from `crc`.
uint32_t crc32(const void* data, size_t bytes, uint32_t crc = 0) {
  static const auto table = [] {
    std::array<uint32_t, 256> t{};
    for (uint32_t i = 0; i < 256; ++i) {
      t[i] = i;
      for (int bit = 0; bit < 8; ++bit) t[i] = t[i] & 1 ? t[i] >> 1 ^ 0xEDB88320u : t[i] >> 1;
    }
    return t;
  }();
  crc = ~crc;
  const auto* p = static_cast<const unsigned char*>(data);
  for (size_t i = 0; i < bytes; ++i) crc = crc >> 8 ^ table[(crc ^ p[i]) & 0xFF];
  return ~crc;
}

/// Of names and shapes, and of the values.
std::array<uint32_t, 2> checksums(const StateDict& state) {
  std::string lines;
  uint32_t crc = 0;
  for (const auto& [name, t] : state) {
    lines += name + " ";
    for (int64_t d = 0; d < t.dim(); ++d) lines += (d > 0 ? "x" : "") + std::to_string(t.size(d));
    lines += "\n";
    if (t.dtype() == DType::kInt64) {
      const auto values = t.values<int64_t>();
      crc = crc32(values.data(), values.size() * sizeof(int64_t), crc);
    } else {
      const auto values = t.values<float>();
      crc = crc32(values.data(), values.size() * sizeof(float), crc);
    }
  }
  return {crc32(lines.data(), lines.size()), crc};
}

double pattern(int64_t i) { return static_cast<double>(i * 7919 % 2003) / 1001 - 1; }

/// The norm, and the product with `pattern`.
std::array<double, 2> digest(const Tensor& t) {
  double squares = 0, product = 0;
  const auto values = t.detach().to(DType::kFloat64).values<double>();
  for (size_t i = 0; i < values.size(); ++i) {
    squares += values[i] * values[i];
    product += values[i] * pattern(static_cast<int64_t>(i));
  }
  return {std::sqrt(squares), product};
}

/// The network as PyTorch's program builds it, with torchvision's number of classes.
nn::ModulePtr golden_model(const std::string& name) {
  manual_seed(0);
  if (name == "densenet_small")
    return std::make_shared<DenseNet>(DenseNetOptions{
        .growth_rate = 8, .block_config = {2, 3}, .num_init_features = 12, .small_images = true});
  const bool large = entry(name).sample[1] == 224;
  return make(name, large ? Shape{} : Shape{3, 32, 32}, {.classes = large ? 1000 : 10});
}

/// The loss and what else a forward pass computes.
std::map<std::string, Tensor> forward(nn::Module& model, int64_t size, DType dtype) {
  std::vector<double> pixels(9 * size * size);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = pattern(static_cast<int64_t>(i));
  const Tensor x = Tensor::from(pixels, {3, 3, size, size}).to(dtype);
  manual_seed(1);  // for dropout
  const Tensor logits = model(x);
  const Tensor loss = cross_entropy(logits, Tensor::from(std::vector<int64_t>{1, 3, 5}, {3}));
  std::map<std::string, Tensor> out{{"loss", loss}, {"logits", logits}};
  for (const auto& [name, b] : model.named_buffers()) out[name] = b;
  return out;
}

/// PyTorch's float32 deviates from float64 by a quarter of that; another order of summation may,
/// too.
double allowance(const json& values) {
  const auto [norm, product, deviation] = values.get<std::array<double, 3>>();
  return (16 * deviation + 1e-6) * norm;
}

TEST(GoldenModels, NamesAndInitialValuesArePyTorchs) {
  for (const auto& [name, want] : goldens().at("initial").items()) {
    if (name == "vgg11_bn") continue;  // large: below, once
    EXPECT_EQ(checksums(golden_model(name)->state_dict()), (want.get<std::array<uint32_t, 2>>()))
        << name;
  }
}

TEST(GoldenModels, VggsConvolutionsAreTorchvisions) {
  const std::map<std::string, VggDepths> depths = {
      {"vgg11", kVgg11}, {"vgg13", kVgg13}, {"vgg16", kVgg16}, {"vgg19", kVgg19}};
  for (const auto& [name, want] : goldens().at("features").items()) {
    manual_seed(0);
    const auto features = vgg_features(depths.at(name.substr(0, 5)), name.ends_with("_bn"));
    EXPECT_EQ(checksums(features.state_dict()), (want.get<std::array<uint32_t, 2>>())) << name;
  }
}

TEST(GoldenModels, ForwardPassesArePyTorchs) {
  for (const auto& [name, golden] : goldens().at("steps").items()) {
    SCOPED_TRACE(name);
    const auto model = golden_model(name);
    if (name == "vgg11_bn") {
      EXPECT_EQ(checksums(model->state_dict()),
                (goldens().at("initial").at(name).get<std::array<uint32_t, 2>>()));
    }
    const auto ours = forward(*model, golden.at("size"), DType::kFloat32);
    for (const auto& [key, values] : golden.at("forward").items()) {
      const auto want = values.get<std::array<double, 3>>();
      const auto got = digest(ours.at(key));
      // A single number may be close by luck: cross-entropy moves by at most twice the largest
      // logit.
      const double allowed =
          key == "loss" ? 2 * allowance(golden.at("forward").at("logits")) : allowance(values);
      EXPECT_NEAR(got[0], want[0], allowed) << key;
      EXPECT_NEAR(got[1], want[1], allowed) << key;
    }
  }
}

/// Gradients by name.
std::map<std::string, Tensor> gradients(const nn::Module& model, const Tensor& loss) {
  loss.backward();
  std::map<std::string, Tensor> out;
  std::vector<Tensor> all;
  for (const auto& [key, p] : model.named_parameters()) all.push_back(out[key] = p.grad());
  eval(std::span<const Tensor>(all));
  return out;
}

// In float64, where no rounding error moves a ReLU's input past zero.
TEST(GoldenModels, GradientsArePyTorchs) {
  for (const auto& [name, golden] : goldens().at("steps").items()) {
    if (name == "vgg11_bn") continue;  // gigabytes
    SCOPED_TRACE(name);
    const auto model = golden_model(name);
    model->to(DType::kFloat64);
    const auto ours =
        gradients(*model, forward(*model, golden.at("size"), DType::kFloat64).at("loss"));
    for (const auto& [key, values] : golden.at("gradients").items()) {
      const auto want = values.get<std::array<double, 2>>();
      const auto got = digest(ours.at(key));
      EXPECT_NEAR(got[0], want[0], 1e-8 * want[0]) << key;
      EXPECT_NEAR(got[1], want[1], 1e-8 * want[0]) << key;
    }
  }
}

// In float32 (docs/design.md, Tolerances), where three small images leave digits: ResNet-50,
// MobileNetV2 and DenseNet-121 normalize three numbers per channel in their last layers, and one
// rounding there changes all gradients by a third or more.
TEST(GoldenModels, Float32GradientsArePyTorchs) {
  const std::map<std::string, double> tolerances = {
      {"resnet18", 1e-2}, {"resnet20", 1e-4}, {"densenet_small", 1e-4}};
  for (const auto& [name, tolerance] : tolerances) {
    SCOPED_TRACE(name);
    const json& golden = goldens().at("steps").at(name);
    const auto model = golden_model(name);
    const auto ours =
        gradients(*model, forward(*model, golden.at("size"), DType::kFloat32).at("loss"));
    double largest = 0;
    for (const auto& [key, values] : golden.at("gradients").items())
      largest = std::max(largest, values.at(0).get<double>());
    for (const auto& [key, values] : golden.at("gradients").items()) {
      const auto want = values.get<std::array<double, 2>>();
      const auto got = digest(ours.at(key));
      // The second term is for what is zero but for the eps of a normalization that follows.
      const double allowed = tolerance * want[0] + 1e-6 * largest;
      EXPECT_NEAR(got[0], want[0], allowed) << key;
      EXPECT_NEAR(got[1], want[1], allowed) << key;
    }
  }
}

// The others, on more images: against float64, whose gradients are PyTorch's (above).
TEST(GoldenModels, Float32GradientsAreThoseOfFloat64) {
  for (const char* name : {"resnet50", "mobilenet_v2", "densenet121"}) {
    SCOPED_TRACE(name);
    std::map<std::string, Tensor> by_type[2];
    for (const DType dtype : {DType::kFloat64, DType::kFloat32}) {
      const auto model = golden_model(name);
      model->to(dtype);
      manual_seed(1);
      const Tensor x = randn({8, 3, 32, 32}).to(dtype), y = randint(0, 1000, {8});
      by_type[dtype == DType::kFloat32] = gradients(*model, cross_entropy((*model)(x), y));
    }
    const auto& [exact, ours] = by_type;
    double largest = 0;
    for (const auto& [key, g] : exact) largest = std::max(largest, digest(g)[0]);
    for (const auto& [key, g] : exact)
      EXPECT_LE(digest(ours.at(key).to(DType::kFloat64) - g)[0],
                0.1 * digest(g)[0] + 1e-6 * largest)
          << key;
  }
}

}  // namespace
}  // namespace ballast::models
