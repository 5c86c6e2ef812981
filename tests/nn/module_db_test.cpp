// Every layer against PyTorch's on PyTorch's own test samples: output, gradients of inputs and
// parameters, buffers afterwards.
#include <gtest/gtest.h>

#include <cmath>

#include "ballast/base/random.h"
#include "tests/support/module_layers.h"

namespace ballast::test {
namespace {

using nlohmann::json;

/// Both sides compute in float32 and add up at most a few thousand products, in another order: the
/// difference grows with the square root of their number.
constexpr double kTolerance = 2e-5;

void expect_same(const Tensor& got, const json& stored, const std::string& what) {
  const Tensor want = stored_tensor(stored);
  if (!want.defined()) {
    const auto values =
        got.defined() ? got.to(DType::kFloat64).values<double>() : std::vector<double>{};
    for (double v : values) EXPECT_EQ(v, 0) << what;
    return;
  }
  ASSERT_TRUE(got.defined()) << what;
  ASSERT_EQ(got.shape(), want.shape()) << what;
  ASSERT_EQ(got.dtype(), want.dtype()) << what;
  const auto a = got.detach().to(DType::kFloat64).values<double>();
  const auto b = want.detach().to(DType::kFloat64).values<double>();
  double largest = 1;
  for (double v : b)
    if (std::isfinite(v)) largest = std::max(largest, std::abs(v));
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
    ASSERT_NEAR(a[i], b[i], kTolerance * (largest + std::abs(b[i]))) << what << " at " << i;
  }
}

/// The tensors of a call, in order.
std::vector<Tensor> inputs_of(const json& call) {
  std::vector<Tensor> out;
  const json& positional = call.at(0);
  for (const json& v : positional.is_object() ? positional.at("tuple") : positional)
    if (v.is_object() && v.contains("tuple"))
      for (const json& part : v.at("tuple")) out.push_back(stored_tensor(part));
    else
      out.push_back(stored_tensor(v));
  if (call.at(1).contains("input")) out.push_back(stored_tensor(call.at(1).at("input")));
  return out;
}

void run(const json& sample) {
  Arguments made(sample.at("made")), called(sample.at("called"));
  Layer layer = make_layer(sample.at("name"), made);
  EXPECT_EQ(made.unused(), std::vector<std::string>{});
  StateDict state;
  for (const auto& [name, t] : sample.at("state").items())
    state.emplace_back(name, stored_tensor(t));
  layer.module->load_state_dict(state);
  layer.module->train(sample.at("training"));
  manual_seed(1);
  const std::vector<Tensor> inputs = inputs_of(sample.at("called"));
  const std::vector<Tensor> results = layer.call(inputs, called);
  const json& wanted = sample.at("results");
  ASSERT_EQ(results.size(), wanted.size());
  for (size_t i = 0; i < results.size(); ++i) expect_same(results[i], wanted[i], "output");
  if (sample.contains("seeds"))
    for (const auto& [i, seed] : sample.at("seeds").items())
      results.at(std::stoul(i)).backward(stored_tensor(seed), true);
  size_t leaf = 0;
  for (const Tensor& x : inputs)
    if (x.defined())
      expect_same(x.grad(), sample.at("gradients").at(leaf++), "gradient of an input");
  for (const auto& [name, p] : layer.module->named_parameters())
    expect_same(p.grad(), sample.at("parameters").at(name), "gradient of " + name);
  for (const auto& [name, b] : layer.module->named_buffers())
    expect_same(b, sample.at("buffers").at(name), name);
}

class ModuleSamples : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, ModuleSamples, ::testing::ValuesIn(layer_names()),
                         [](const auto& name) { return name.param; });

TEST_P(ModuleSamples, GiveWhatPyTorchGives) {
  const std::vector<json>& samples = module_samples().at(GetParam());
  for (size_t i = 0; i < samples.size(); ++i) {
    SCOPED_TRACE(fmt::format("sample {}: {}", i, samples[i].at("made").dump().substr(0, 200)));
    run(samples[i]);
  }
}

TEST(ModuleSamplesList, HoldsEveryLayerButThoseThatTakeSizesFromTheirInput) {
  const std::vector<std::string> names = layer_names();
  ASSERT_GT(module_samples().size(), names.size());
  for (const auto& [name, samples] : module_samples())
    EXPECT_EQ(std::ranges::count(names, name), name.starts_with("Lazy") ? 0 : 1) << name;
}

}  // namespace
}  // namespace ballast::test
