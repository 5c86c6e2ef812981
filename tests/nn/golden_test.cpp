// Layers against PyTorch's: initial values bit for bit, outputs, printed form.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "ballast/base/random.h"
#include "ballast/io/safetensors.h"
#include "tests/support/files.h"
#include "tests/support/nets.h"

namespace ballast::test {
namespace {

const io::SafeTensors& values() {
  static const auto file = io::read_safetensors(testing::golden("nn.safetensors"));
  return file;
}

std::vector<float> floats(const std::string& name) {
  const io::Array* a = io::find(values().tensors, name);
  if (!a) throw std::runtime_error("no golden values " + name);
  const auto s = a->as<float>();
  return {s.begin(), s.end()};
}

nlohmann::json text() {
  std::ifstream file(testing::golden("nn.json"));
  return nlohmann::json::parse(file);
}

Tensor rand(const Shape& shape) {
  Tensor x = Tensor::from(std::vector<float>(shape.numel()), shape);
  return nn::init::uniform_(x);
}

void expect_close(const std::vector<float>& got, const std::vector<float>& want) {
  ASSERT_EQ(got.size(), want.size());
  // Two correct programs differ by the rounding of sums of up to 64 products of order one.
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 2e-5) << "at " << i;
}

template <class M>
M made_from_seed_zero(const std::string& name) {
  manual_seed(0);
  M net;
  std::vector<std::string> keys;
  for (const auto& [key, t] : net.state_dict()) keys.push_back(key);
  EXPECT_EQ(keys, text()["keys"][name].get<std::vector<std::string>>());
  return net;
}

template <class M>
void expect_outputs(M& net, const std::string& name, const Shape& inputs) {
  const Tensor x = rand(inputs);
  expect_close(net(x).template values<float>(), floats(name + "/train"));
  net.eval();
  expect_close(net(x).template values<float>(), floats(name + "/eval"));
}

template <class M>
void expect_state(const M& net, const std::string& name) {
  for (const auto& [key, t] : net.state_dict())
    if (t.dtype() == DType::kFloat32) {
      EXPECT_EQ(t.template values<float>(), floats(name + "/" + key)) << key;
    }
}

TEST(NetGolden, StartsAndComputesAsInPyTorch) {
  Net net = made_from_seed_zero<Net>("Net");
  expect_state(net, "Net");
  expect_outputs(net, "Net", {16, 10});
}

TEST(CustomModelGolden, StartsAndComputesAsInPyTorch) {
  CustomModel net = made_from_seed_zero<CustomModel>("CustomModel");
  expect_state(net, "CustomModel");
  expect_outputs(net, "CustomModel", {16, 64});
}

TEST(MyModelGolden, StartsAndComputesAsInPyTorch) {
  MyModel net = made_from_seed_zero<MyModel>("MyModel");
  std::vector<float> all, every_seventh;
  for (const auto& [key, t] : net.state_dict()) {
    const auto v = t.to(DType::kFloat32).values<float>();
    all.insert(all.end(), v.begin(), v.end());
  }
  for (size_t i = 0; i < all.size(); i += 7) every_seventh.push_back(all[i]);
  EXPECT_EQ(every_seventh, floats("MyModel/every_seventh"));
  expect_outputs(net, "MyModel", {4, 3, 8, 8});
}

TEST(Init, DrawsPyTorchsNumbers) {
  manual_seed(0);
  Tensor w = Tensor::from(std::vector<float>(540), {12, 5, 3, 3});
  auto every_ninth = [&] {
    std::vector<float> out;
    const auto v = w.data<float>();
    for (size_t i = 0; i < v.size(); i += 9) out.push_back(v[i]);
    return out;
  };
  nn::init::kaiming_uniform_(w, {.nonlinearity = nn::init::Nonlinearity::kRelu});
  EXPECT_EQ(every_ninth(), floats("kaiming_uniform"));
  nn::init::kaiming_normal_(w, {.mode = nn::init::FanMode::kFanOut});
  EXPECT_EQ(every_ninth(), floats("kaiming_normal"));
  nn::init::xavier_uniform_(w, 2.0);
  EXPECT_EQ(every_ninth(), floats("xavier_uniform"));
  nn::init::xavier_normal_(w);
  EXPECT_EQ(every_ninth(), floats("xavier_normal"));
}

struct Zoo : nn::Module {
  nn::Conv2d conv =
      add("conv",
          nn::Conv2d(4, 8, {3, 2},
                     {.stride = {2, 1}, .padding = 1, .dilation = 2, .groups = 2, .bias = false}));
  nn::Sequential body = add(
      "body",
      nn::Sequential(nn::Conv2d(3, 8, 3),
                     nn::BatchNorm2d(8, {.eps = 1e-3, .momentum = std::nullopt, .affine = false}),
                     nn::ReLU(), nn::ReLU6(), nn::LeakyReLU(), nn::Sigmoid(), nn::Tanh(),
                     nn::GELU(), nn::SiLU(), nn::Softplus(), nn::Hardswish(), nn::ELU(),
                     nn::Dropout(0.25), nn::MaxPool2d(3, {.stride = 2, .padding = 1}),
                     nn::AvgPool2d({3, 2}), nn::AdaptiveAvgPool2d(1), nn::Flatten(), nn::Identity(),
                     nn::Softmax(1), nn::LogSoftmax(-1), nn::Linear(3, 4, {.bias = false}),
                     nn::CrossEntropyLoss(), nn::BatchNorm3d(2, {.track_running_stats = false})));
};

TEST(ModuleGolden, PrintsAsInPyTorch) { EXPECT_EQ(Zoo().str(), text()["zoo"]); }

}  // namespace
}  // namespace ballast::test
