// A number that the planner puts in the place of an expanded tensor: every operation computes with
// it what it computes with the tensor.
#include <gtest/gtest.h>

#include <cmath>

#include "ballast/ops/activation.h"
#include "ballast/ops/compare.h"
#include "ballast/ops/create.h"
#include "ballast/ops/math.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/plan/plan.h"
#include "tests/support/gradcheck.h"
#include "tests/support/options.h"

namespace ballast {
namespace {

using Function = Tensor (*)(const Tensor&);

// Every pointwise function that has a vector instruction, or whose gradient has.
const std::pair<const char*, Function> kFunctions[] = {
    {"relu", [](const Tensor& x) { return relu(x); }},
    {"relu6", [](const Tensor& x) { return relu6(x * 8); }},
    {"hardtanh", [](const Tensor& x) { return hardtanh(x, -0.5, 0.25); }},
    {"clamp", [](const Tensor& x) { return clamp(x, -0.5, {}); }},
    {"leaky_relu", [](const Tensor& x) { return leaky_relu(x, 0.01); }},
    {"elu", [](const Tensor& x) { return elu(x); }},
    {"hardswish", [](const Tensor& x) { return hardswish(x * 4); }},
    {"hardsigmoid", [](const Tensor& x) { return hardsigmoid(x * 4); }},
    {"softplus", [](const Tensor& x) { return softplus(x); }},
    {"silu", [](const Tensor& x) { return silu(x); }},
    {"gelu", [](const Tensor& x) { return gelu(x); }},
    {"abs", [](const Tensor& x) { return abs(x); }},
    {"square", [](const Tensor& x) { return square(x); }},
    {"sqrt", [](const Tensor& x) { return sqrt(x + 2); }},
    {"rsqrt", [](const Tensor& x) { return rsqrt(x + 2); }},
    {"reciprocal", [](const Tensor& x) { return reciprocal(x + 2); }},
    {"exp", [](const Tensor& x) { return exp(x); }},
    {"log", [](const Tensor& x) { return log(x + 2); }},
    {"tanh", [](const Tensor& x) { return tanh(x); }},
    {"sigmoid", [](const Tensor& x) { return sigmoid(x); }},
    {"sin", [](const Tensor& x) { return sin(x); }},
    {"neg", [](const Tensor& x) { return neg(x); }},
    {"mul", [](const Tensor& x) { return x * x; }},
    {"div", [](const Tensor& x) { return x / (x + 3); }},
    {"sub", [](const Tensor& x) { return 2 - x; }},
    {"maximum", [](const Tensor& x) { return maximum(x, neg(x)); }},
    {"minimum", [](const Tensor& x) { return minimum(x, x * 0.5); }},
    {"pow", [](const Tensor& x) { return pow(x, 3.0); }},
    {"hypot", [](const Tensor& x) { return hypot(x, x + 1); }},
    {"number left",
     [](const Tensor& x) { return expand(full({}, 2.0, x.dtype()), x.shape()) / (x + 3); }},
    {"number right",
     [](const Tensor& x) { return maximum(x, expand(full({}, 0.25, x.dtype()), x.shape())); }},
};

std::vector<double> gradient(Function f, const Tensor& values, bool mean_of) {
  Tensor x = values.detach();
  x.set_requires_grad();
  const Tensor y = f(x);
  (mean_of ? mean(y) : sum(y)).backward();
  return x.grad().to(DType::kFloat64).values<double>();
}

TEST(Numbers, GradientsOfSumsAndMeansAreThoseOfTheTensor) {
  for (const Shape& shape : {Shape{1, 4}, Shape{7}, Shape{2, 3, 5, 5}, Shape{0, 3}, Shape{}})
    for (const DType t : {DType::kFloat32, DType::kFloat64}) {
      const Tensor values = test::uniform(shape, 1).to(t);
      for (const auto& [name, f] : kFunctions)
        for (const bool mean_of : {false, true}) {
          const test::WithOptions plain({.fast = false, .normal_form = false});
          const std::vector<double> expected = gradient(f, values, mean_of);
          for (const bool fast : {false, true}) {
            plan::options() = {.fast = fast};
            const std::vector<double> got = gradient(f, values, mean_of);
            ASSERT_EQ(got.size(), expected.size());
            for (size_t i = 0; i < got.size(); ++i)
              EXPECT_NEAR(got[i], expected[i], 1e-5) << name << ' ' << shape.str() << ' ' << i;
          }
        }
    }
}

}  // namespace
}  // namespace ballast
