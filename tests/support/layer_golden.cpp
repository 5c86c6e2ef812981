#include "tests/support/layer_golden.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>

#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"
#include "tests/support/files.h"
#include "tests/support/gradcheck.h"

namespace ballast::test {

using nlohmann::json;

const json& layer_cases(const std::string& operation, const std::string& file) {
  static std::map<std::string, json> files;
  json& all = files[file];
  if (all.is_null()) all = json::parse(std::ifstream(testing::golden(file)));
  const json& cases = all.at(operation);
  check(!cases.empty(), "no golden cases of {}", operation);
  return cases;
}

void expect_values(const Tensor& got, const json& want, const std::string& what) {
  const auto values = got.values<double>();
  ASSERT_EQ(values.size(), want.size()) << what;
  // Half a unit of the tenth digit, and the rounding of a few hundred float64 operations.
  for (size_t i = 0; i < values.size(); ++i) {
    if (want[i].is_null()) {
      EXPECT_TRUE(std::isnan(values[i])) << what << " at " << i << ": " << values[i];
      continue;
    }
    const double expected = want[i].get<double>();
    EXPECT_NEAR(values[i], expected, 1e-9 * std::abs(expected) + 1e-12) << what << " at " << i;
  }
}

void expect_case(const json& golden, const std::function<Tensor(const std::vector<Tensor>&)>& f) {
  SCOPED_TRACE(golden.at("shapes").dump() + " " + golden.at("options").dump());
  std::vector<Tensor> inputs;
  for (const json& dims : golden.at("shapes")) {
    Tensor t = uniform(Shape(dims.get<std::vector<int64_t>>()), inputs.size() + 1);
    if (golden.at("ties"))
      for (double& v : t.mutable_data<double>()) v = std::floor(v * 2) / 2;
    inputs.push_back(t.set_requires_grad());
  }
  const Tensor y = f(inputs);
  ASSERT_EQ(y.shape(), Shape(golden.at("shape").get<std::vector<int64_t>>()));
  expect_values(y, golden.at("values"), "value");
  sum(y * uniform(y.shape(), 99)).backward();
  for (size_t i = 0; i < inputs.size(); ++i)
    expect_values(inputs[i].grad(), golden.at("gradients").at(i), fmt::format("gradient {}", i));
}

std::array<int64_t, 2> pair_of(const json& options, const char* name,
                               std::array<int64_t, 2> otherwise) {
  if (!options.contains(name)) return otherwise;
  const json& v = options.at(name);
  return v.is_number() ? std::array{v.get<int64_t>(), v.get<int64_t>()}
                       : v.get<std::array<int64_t, 2>>();
}

}  // namespace ballast::test
