#include "ballast/ops/conv.h"

#include <gtest/gtest.h>

#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"
#include "tests/support/files.h"
#include "tests/support/gradcheck.h"
#include "tests/support/layer_golden.h"

namespace ballast {
namespace {

using test::gradient_error;
using test::kGradientTolerance;
using test::uniform;
using testing::error_of;
using Tensors = std::vector<Tensor>;

struct Geometry {
  Shape x, weight;
  Conv2dOptions options;
};

std::vector<Geometry> geometries() {
  return {
      {{2, 3, 4, 5}, {2, 3, 3, 2}, {}},
      {{1, 1, 1, 1}, {1, 1, 1, 1}, {}},
      {{3, 2, 5, 3}, {4, 2, 1, 1}, {.stride = {2, 2}}},
      {{1, 4, 6, 5}, {4, 2, 3, 3}, {.stride = {2, 1}, .padding = {1, 2}, .groups = 2}},
      {{2, 3, 7, 6}, {6, 1, 2, 3}, {.stride = {1, 2}, .dilation = {3, 2}, .groups = 3}},
      {{2, 2, 2, 3}, {1, 2, 4, 5}, {.stride = {3, 2}, .padding = {3, 4}}},
      {{1, 2, 1, 1}, {2, 2, 1, 1}, {.stride = {2, 3}, .padding = {2, 2}}},
  };
}

TEST(Conv2d, AgreesWithPyTorch) {
  for (const auto& golden : test::layer_cases("conv2d")) {
    const auto& o = golden.at("options");
    const Conv2dOptions options{.stride = test::pair_of(o, "stride", {1, 1}),
                                .padding = test::pair_of(o, "padding", {0, 0}),
                                .dilation = test::pair_of(o, "dilation", {1, 1}),
                                .groups = o.value("groups", int64_t{1})};
    test::expect_case(golden, [&](const Tensors& in) {
      return conv2d(in[0], in[1], in.size() > 2 ? in[2] : Tensor(), options);
    });
  }
}

TEST(Conv2d, GradientsMatchFiniteDifferences) {
  for (const Geometry& g : geometries()) {
    auto f = [&](const Tensors& in) { return conv2d(in[0], in[1], in[2], g.options); };
    EXPECT_LT(
        gradient_error(f, {uniform(g.x, 1), uniform(g.weight, 2), uniform(Shape{g.weight[0]}, 3)}),
        kGradientTolerance)
        << g.x.str() << g.weight.str();
  }
}

TEST(Conv2d, SecondDerivativesMatchFiniteDifferences) {
  for (const Geometry& g : geometries()) {
    auto x = [&] { return uniform(g.x, 1); };
    auto w = [&] { return uniform(g.weight, 2); };
    const Tensor y = conv2d(x(), w(), {}, g.options);
    const auto at = y.node().attributes.as<Conv2dAttributes>();
    auto input_grad = [&](const Tensors& in) {
      return record(conv2d_input_grad_op(), g.x, DType::kFloat64, {in[0], in[1]}, at);
    };
    auto weight_grad = [&](const Tensors& in) {
      return record(conv2d_weight_grad_op(), g.weight, DType::kFloat64, {in[0], in[1]}, at);
    };
    auto dy = [&] { return uniform(y.shape(), 3); };
    EXPECT_LT(gradient_error(input_grad, {dy(), w()}), kGradientTolerance) << g.x.str();
    EXPECT_LT(gradient_error(weight_grad, {dy(), x()}), kGradientTolerance) << g.x.str();
  }
}

// float32 runs channels-last where the planner wants it, float64 row-major throughout.
TEST(Conv2d, Float32AgreesWithFloat64) {
  for (const Geometry& g : geometries()) {
    auto run = [&](DType t) {
      Tensors in{uniform(g.x, 1), uniform(g.weight, 2), uniform(Shape{g.weight[0]}, 3)};
      for (Tensor& p : in) p = p.to(t).detach().set_requires_grad();
      const Tensor y = relu(conv2d(in[0], in[1], in[2], g.options));
      sum(y * uniform(y.shape(), 4).to(t)).backward();
      std::vector<std::vector<double>> all{y.to(DType::kFloat64).values<double>()};
      for (Tensor& p : in) all.push_back(p.grad().to(DType::kFloat64).values<double>());
      return all;
    };
    const auto exact = run(DType::kFloat64), fast = run(DType::kFloat32);
    // At most some hundred products of numbers up to one: 100 * 2^-24.
    for (size_t k = 0; k < exact.size(); ++k)
      for (size_t i = 0; i < exact[k].size(); ++i) EXPECT_NEAR(fast[k][i], exact[k][i], 6e-6);
  }
}

TEST(Conv2d, EmptyBatchGivesAnEmptyResultAndZeroGradients) {
  Tensor x = uniform({0, 3, 5, 5}, 1), w = uniform({4, 3, 3, 3}, 2), b = uniform({4}, 3);
  w.set_requires_grad();
  b.set_requires_grad();
  const Tensor y = conv2d(x, w, b);
  EXPECT_EQ(y.shape(), (Shape{0, 4, 3, 3}));
  sum(y).backward();
  EXPECT_EQ(w.grad().values<double>(), std::vector<double>(108));
  EXPECT_EQ(b.grad().values<double>(), std::vector<double>(4));
}

std::string error(const Shape& x, const Shape& w, const Conv2dOptions& options = {},
                  const Tensor& bias = {}) {
  return error_of<Error>([&] { conv2d(uniform(x, 1), uniform(w, 2), bias, options); });
}

TEST(Conv2d, WrongSizesThrowPyTorchsErrors) {
  EXPECT_EQ(error({8, 1, 28, 28}, {64, 3, 3, 3}),
            "Given groups=1, weight of size [64, 3, 3, 3], expected input[8, 1, 28, 28] to have 3 "
            "channels, but got 1 channels instead");
  EXPECT_EQ(error({1, 28, 28}, {64, 3, 3, 3}),
            "Given groups=1, weight of size [64, 3, 3, 3], expected input[1, 1, 28, 28] to have 3 "
            "channels, but got 1 channels instead");
  EXPECT_EQ(error({1, 3, 2, 2}, {4, 3, 3, 3}, {.dilation = {2, 2}}),
            "Calculated padded input size per channel: (2 x 2). Kernel size: (5 x 5). Kernel size "
            "can't be greater than actual input size");
  EXPECT_EQ(error({3, 2}, {4, 3, 3, 3}),
            "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: [3, "
            "2]");
  EXPECT_EQ(error({1, 3, 5, 5}, {4, 3, 3}),
            "conv2d: expected a weight (O, C/groups, kH, kW), got shape [4, 3, 3]");
  EXPECT_EQ(error({1, 3, 5, 5}, {4, 3, 3, 3}, {}, uniform({5}, 3)),
            "Given weight of size [4, 3, 3, 3], expected bias to be 1-dimensional with 4 elements, "
            "but got bias of size [5] instead");
  EXPECT_EQ(error({1, 3, 5, 5}, {4, 3, 0, 3}),
            "conv2d: the kernel must not be empty, got a weight of shape [4, 3, 0, 3]");
}

TEST(Conv2d, WrongGroupsThrowPyTorchsErrors) {
  EXPECT_EQ(
      error({1, 4, 5, 5}, {3, 2, 3, 3}, {.groups = 2}),
      "Given groups=2, expected weight to be divisible by 2 at dimension 0, but got weight of "
      "size [[3, 2, 3, 3]] instead");
  EXPECT_EQ(error({1, 4, 5, 5}, {1, 2, 3, 3}, {.groups = 2}),
            "Given groups=2, expected weight to be at least 2 at dimension 0, but got weight of "
            "size [1, 2, 3, 3] instead");
  EXPECT_EQ(error({1, 4, 5, 5}, {4, 2, 3, 3}, {.groups = 0}),
            "non-positive groups is not supported");
}

TEST(Conv2d, WrongOptionsThrowPyTorchsErrors) {
  const Shape x{1, 3, 5, 5}, w{4, 3, 3, 3};
  EXPECT_EQ(error(x, w, {.stride = {0, 1}}), "non-positive stride is not supported");
  EXPECT_EQ(error(x, w, {.padding = {0, -1}}), "negative padding is not supported");
  EXPECT_EQ(error(x, w, {.dilation = {0, 1}}),
            "dilation should be greater than zero, but got [0, 1]");
}

TEST(Conv2d, MixedTypesThrowPyTorchsErrors) {
  const Tensor x = uniform({1, 3, 5, 5}, 1), w = uniform({4, 3, 3, 3}, 2);
  EXPECT_EQ(error_of<Error>([&] { conv2d(x, w.to(DType::kFloat32)); }),
            "expected scalar type Double but found Float");
  EXPECT_EQ(error_of<Error>([&] { conv2d(x, w, uniform({4}, 3).to(DType::kFloat32)); }),
            "Input type (double) and bias type (float) should be the same");
  EXPECT_EQ(error_of<NotImplementedError>([&] { conv2d(x.to(DType::kBool), w.to(DType::kBool)); }),
            "\"conv2d\" not implemented for 'Bool'");
}

}  // namespace
}  // namespace ballast
