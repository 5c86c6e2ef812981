#include "tests/support/golden.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"
#include "tests/support/files.h"

namespace ballast::test {
namespace {

using nlohmann::json;

const json& goldens() {
  static const json values = json::parse(std::ifstream(testing::golden("ops_b.json")));
  return values;
}

std::vector<double> numbers(const json& data) {
  std::vector<double> out;
  for (const json& v : data) {
    if (v.is_boolean())
      out.push_back(v.get<bool>());
    else
      out.push_back(v.is_string() ? std::stod(v.get<std::string>()) : v.get<double>());
  }
  return out;
}

Tensor stored(const json& value) {
  const auto dims = value.at("shape").get<std::vector<int64_t>>();
  const Tensor t = Tensor::from(numbers(value.at("data")), Shape(std::span(dims)));
  for (DType d : kAllDTypes)
    if (value.at("dtype") == name_of(d)) return t.to(d);
  return t;
}

void expect_near(const std::vector<double>& got, const std::vector<double>& want, double tolerance,
                 const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::isfinite(want[i]))
      EXPECT_NEAR(got[i], want[i], tolerance * std::max(1.0, std::abs(want[i])))
          << what << " at " << i;
    else
      EXPECT_TRUE(got[i] == want[i] || (std::isnan(got[i]) && std::isnan(want[i])))
          << what << " at " << i << ": got " << got[i] << ", expected " << want[i];
  }
}

/// False where the shapes differ.
bool expect_same(const Tensor& got, const json& value, double tolerance) {
  const Tensor want = stored(value);
  EXPECT_EQ(got.shape().str(), want.shape().str());
  EXPECT_STREQ(name_of(got.dtype()), name_of(want.dtype()));
  if (!(got.shape() == want.shape())) return false;
  expect_near(got.to(DType::kFloat64).values<double>(), want.to(DType::kFloat64).values<double>(),
              tolerance, "value");
  return true;
}

}  // namespace

void expect_golden(const std::string& name,
                   const std::function<Tensor(const std::vector<Tensor>&)>& f, double tolerance) {
  SCOPED_TRACE(name);
  const json& golden = goldens().at("cases").at(name);
  std::vector<Tensor> inputs;
  for (const json& in : golden.at("in")) {
    inputs.push_back(stored(goldens().at("inputs").at(in.get<std::string>())));
    if (is_floating(inputs.back().dtype())) inputs.back().set_requires_grad();
  }
  const Tensor got = f(inputs);
  if (!expect_same(got, golden.at("out"), tolerance)) return;
  if (!got.requires_grad()) return;
  std::vector<double> weights(got.numel());
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<double>(i % 7) - 3;
  sum(got * Tensor::from(weights, got.shape())).backward();
  for (size_t i = 0; i < inputs.size(); ++i) {
    const json& gradient = golden.at("grad")[i];
    EXPECT_EQ(inputs[i].grad().defined(), !gradient.is_null());
    if (inputs[i].grad().defined() && !gradient.is_null())
      expect_near(inputs[i].grad().values<double>(), numbers(gradient), tolerance, "gradient");
  }
}

void expect_golden(const std::string& name, Tensor (*f)(const Tensor&)) {
  expect_golden(name, [f](const std::vector<Tensor>& in) { return f(in[0]); });
}

void expect_stored(const std::string& group, const std::string& key, const Tensor& got,
                   double tolerance) {
  SCOPED_TRACE(group + " " + key);
  const json& values = goldens().at(group);
  expect_same(got, values.is_array() ? values.at(std::stoul(key)) : values.at(key), tolerance);
}

std::vector<std::pair<Tensor, std::string>> printed() {
  std::vector<std::pair<Tensor, std::string>> out;
  for (const json& value : goldens().at("printed"))
    out.emplace_back(stored(value), value.at("text").get<std::string>());
  return out;
}

std::string summarized() { return goldens().at("summarized").get<std::string>(); }

}  // namespace ballast::test
