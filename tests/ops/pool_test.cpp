#include "ballast/ops/pool.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"
#include "tests/support/files.h"
#include "tests/support/gradcheck.h"
#include "tests/support/layer_golden.h"

namespace ballast {
namespace {

using test::gradient_error;
using test::kGradientTolerance;
using test::pair_of;
using test::uniform;
using testing::error_of;
using Tensors = std::vector<Tensor>;

TEST(MaxPool2d, AgreesWithPyTorch) {
  for (const auto& golden : test::layer_cases("max_pool2d")) {
    const auto& o = golden.at("options");
    const auto kernel = pair_of(o, "kernel_size", {});
    const MaxPool2dOptions options{.stride = pair_of(o, "stride", kernel),
                                   .padding = pair_of(o, "padding", {0, 0}),
                                   .dilation = pair_of(o, "dilation", {1, 1}),
                                   .ceil_mode = o.value("ceil_mode", false)};
    test::expect_case(golden,
                      [&](const Tensors& in) { return max_pool2d(in[0], kernel, options); });
  }
}

TEST(MaxPool2d, GradientsMatchFiniteDifferences) {
  const std::vector<Shape> shapes{{2, 3, 4, 5}, {1, 1, 1, 1}, {3, 2, 7, 3}, {2, 5, 6}};
  const std::vector<MaxPool2dOptions> all{{},
                                          {.stride = {{1, 2}}, .padding = {1, 1}},
                                          {.padding = {1, 1}, .ceil_mode = true},
                                          {.padding = {1, 1}, .dilation = {1, 2}}};
  for (const Shape& shape : shapes)
    for (const MaxPool2dOptions& o : all) {
      if (shape.back() == 1 && o.padding[0] == 0) continue;
      const std::array<int64_t, 2> kernel =
          shape.back() == 1 ? std::array<int64_t, 2>{3, 2} : std::array<int64_t, 2>{2, 2};
      auto f = [&](const Tensors& in) { return max_pool2d(in[0], kernel, o); };
      EXPECT_LT(gradient_error(f, {uniform(shape, 1)}), kGradientTolerance) << shape.str();
    }
}

TEST(MaxPool2d, SecondDerivativesMatchFiniteDifferences) {
  const Tensor x = uniform({2, 3, 5, 6}, 1);
  const Tensor y = max_pool2d(x, {3, 2}, {.stride = {{1, 2}}, .padding = {1, 1}});
  const auto at = y.node().attributes.as<MaxPool2dAttributes>();
  auto spread = [&](const Tensors& in) {
    return record(max_pool2d_grad_op(), x.shape(), x.dtype(), {in[0], x}, at);
  };
  auto gather = [&](const Tensors& in) {
    return record(max_pool2d_gather_op(), y.shape(), x.dtype(), {in[0], x}, at);
  };
  EXPECT_LT(gradient_error(spread, {uniform(y.shape(), 2)}), kGradientTolerance);
  EXPECT_LT(gradient_error(gather, {uniform(x.shape(), 3)}), kGradientTolerance);
}

TEST(MaxPool2d, NanPropagates) {
  const Tensor x = Tensor::from(std::vector<float>{1, NAN, 3, 4, 5, 6, 7, 8}, {1, 1, 2, 4});
  const auto y = max_pool2d(x, {2, 2}).values<float>();
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_EQ(y[1], 8);
}

TEST(MaxPool2d, FirstOfEqualMaximaGetsTheGradient) {
  Tensor x = Tensor::from(std::vector<float>{2, 5, 5, 5}, {1, 1, 2, 2}).set_requires_grad();
  sum(max_pool2d(x, {2, 2})).backward();
  EXPECT_EQ(x.grad().values<float>(), (std::vector<float>{0, 1, 0, 0}));
  x = Tensor::from(std::vector<float>(4, -INFINITY), {1, 1, 2, 2}).set_requires_grad();
  sum(max_pool2d(x, {2, 2})).backward();
  EXPECT_EQ(x.grad().values<float>(), (std::vector<float>{1, 0, 0, 0}));
}

TEST(MaxPool2d, AWindowOfPaddingAloneGivesMinusInfinityAndNoGradient) {
  Tensor x = Tensor::from(std::vector<float>{3}, {1, 1, 1}).set_requires_grad();
  const Tensor y = max_pool2d(x, {2, 2}, {.padding = {2, 2}, .dilation = {4, 4}});
  EXPECT_EQ(y.values<float>(), (std::vector<float>{-INFINITY}));
  sum(y).backward();
  EXPECT_EQ(x.grad().item(), 0);
}

TEST(AvgPool2d, AgreesWithPyTorch) {
  for (const auto& golden : test::layer_cases("avg_pool2d")) {
    const auto& o = golden.at("options");
    const auto kernel = pair_of(o, "kernel_size", {});
    const AvgPool2dOptions options{.stride = pair_of(o, "stride", kernel),
                                   .padding = pair_of(o, "padding", {0, 0}),
                                   .ceil_mode = o.value("ceil_mode", false),
                                   .count_include_pad = o.value("count_include_pad", true)};
    test::expect_case(golden,
                      [&](const Tensors& in) { return avg_pool2d(in[0], kernel, options); });
  }
}

TEST(AvgPool2d, GradientsMatchFiniteDifferences) {
  const AvgPool2dOptions o{.stride = {{1, 2}}, .padding = {1, 1}, .count_include_pad = false};
  for (const Shape& shape : {Shape{2, 3, 4, 5}, Shape{1, 1, 1, 1}, Shape{3, 2, 7, 3}}) {
    auto f = [&](const Tensors& in) { return avg_pool2d(in[0], {3, 2}, o); };
    EXPECT_LT(gradient_error(f, {uniform(shape, 1)}), kGradientTolerance) << shape.str();
    const Tensor y = f({uniform(shape, 1)});
    auto spread = [&](const Tensors& in) {
      return record(avg_pool2d_grad_op(), shape, y.dtype(), {in[0]}, y.node().attributes);
    };
    EXPECT_LT(gradient_error(spread, {uniform(y.shape(), 2)}), kGradientTolerance) << shape.str();
  }
}

TEST(AdaptiveAvgPool2d, AgreesWithPyTorch) {
  for (const auto& golden : test::layer_cases("adaptive_avg_pool2d")) {
    const auto size = pair_of(golden.at("options"), "output_size", {});
    test::expect_case(golden, [&](const Tensors& in) { return adaptive_avg_pool2d(in[0], size); });
  }
}

TEST(AdaptiveAvgPool2d, GradientsMatchFiniteDifferences) {
  for (const Shape& shape : {Shape{2, 3, 4, 5}, Shape{1, 1, 1, 1}, Shape{2, 7, 3}})
    for (const std::array<int64_t, 2> size : {std::array<int64_t, 2>{1, 1}, {2, 3}, {5, 1}}) {
      auto f = [&](const Tensors& in) { return adaptive_avg_pool2d(in[0], size); };
      EXPECT_LT(gradient_error(f, {uniform(shape, 1)}), kGradientTolerance) << shape.str();
    }
}

TEST(AdaptiveAvgPool2d, OfOnePixelIsThePlainMean) {
  const Tensor x = uniform({2, 3, 4, 5}, 1);
  EXPECT_EQ(adaptive_avg_pool2d(x, {1, 1}).values<double>(),
            mean(x, {2, 3}, true).values<double>());
  EXPECT_EQ(adaptive_avg_pool2d(x, {0, 2}).shape(), (Shape{2, 3, 0, 2}));
}

// float32 runs channels-last where the planner wants it, float64 row-major throughout.
TEST(Pooling, Float32AgreesWithFloat64) {
  auto run = [](DType t) {
    Tensor x = uniform({2, 3, 6, 5}, 1).to(t).detach().set_requires_grad();
    const Tensor y = max_pool2d(relu(x), {2, 2}, {.stride = {{1, 1}}});
    const Tensor z = adaptive_avg_pool2d(avg_pool2d(y, {2, 2}), {1, 3});
    sum(z * uniform(z.shape(), 2).to(t)).backward();
    auto all = z.to(DType::kFloat64).values<double>();
    for (double v : x.grad().to(DType::kFloat64).values<double>()) all.push_back(v);
    return all;
  };
  const auto exact = run(DType::kFloat64), fast = run(DType::kFloat32);
  for (size_t i = 0; i < exact.size(); ++i) EXPECT_NEAR(fast[i], exact[i], 1e-6);
}

TEST(Pooling, OneDimensionalKindsMatchHandValues) {
  const Tensor x = Tensor::from(std::vector<float>{1, 4, 2, 8, 5}, {1, 5});
  EXPECT_EQ(max_pool1d(x, 2).values<float>(), (std::vector<float>{4, 8}));
  EXPECT_EQ(max_pool1d(x, 2, {.stride = 1, .padding = 1}).values<float>(),
            (std::vector<float>{1, 4, 4, 8, 8, 5}));
  EXPECT_EQ(avg_pool1d(x, 2, {.ceil_mode = true}).values<float>(), (std::vector<float>{2.5, 5, 5}));
  EXPECT_EQ(avg_pool1d(x, 2, {.padding = 1}).values<float>(), (std::vector<float>{0.5, 3, 6.5}));
  EXPECT_EQ(adaptive_avg_pool1d(x, 2).values<float>(), (std::vector<float>{7.0f / 3, 5}));
  EXPECT_EQ(max_pool1d(uniform({2, 3, 5}, 1), 5).shape(), (Shape{2, 3, 1}));
}

TEST(Pooling, EmptyBatchIsAllowedEmptyChannelsAreNot) {
  EXPECT_EQ(max_pool2d(uniform({0, 1, 2, 2}, 1), {2, 2}).shape(), (Shape{0, 1, 1, 1}));
  EXPECT_EQ(error_of<Error>([] {
              max_pool2d(uniform({1, 0, 2, 2}, 1), {2, 2});
            }),
            "max_pool2d: Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for "
            "input, but got: [1, 0, 2, 2]");
}

TEST(Pooling, WrongOptionsThrowPyTorchsErrors) {
  const Tensor x = uniform({1, 1, 2, 2}, 1);
  auto error = [&](std::array<int64_t, 2> kernel, const MaxPool2dOptions& o) {
    return error_of<Error>([&] { max_pool2d(x, kernel, o); });
  };
  EXPECT_EQ(error({3, 3}, {}),
            "Given input size: (1x2x2). Calculated output size: (1x0x0). Output size is too small");
  EXPECT_EQ(error({2, 2}, {.padding = {2, 2}}),
            "pad should be at most half of effective kernel size, but got pad=2, kernel_size=2 and "
            "dilation=1");
  EXPECT_EQ(error({2, 2}, {.padding = {-1, 0}}), "pad must be non-negative, but got pad: -1");
  EXPECT_EQ(error({2, 2}, {.stride = {{0, 0}}}), "stride should not be zero");
  EXPECT_EQ(error({2, 2}, {.stride = {{-1, -1}}}),
            "stride should be greater than zero, but got dH: -1 dW: -1");
  EXPECT_EQ(error({2, 2}, {.dilation = {0, 0}}),
            "dilation should be greater than zero, but got dilationH: 0 dilationW: 0");
  EXPECT_EQ(error({0, 2}, {}), "kernel size should be greater than zero, but got kH: 0 kW: 2");
}

TEST(Pooling, WrongInputsThrowPyTorchsErrors) {
  EXPECT_EQ(error_of<Error>([] {
              adaptive_avg_pool2d(uniform({2, 2}, 1), {2, 2});
            }),
            "adaptive_avg_pool2d(): Expected 3D or 4D tensor, but got [2, 2]");
  EXPECT_EQ(error_of<Error>([] {
              adaptive_avg_pool2d(uniform({1, 2, 0, 2}, 1), {2, 2});
            }),
            "adaptive_avg_pool2d(): Expected input to have non-zero size for non-batch dimensions, "
            "but input has sizes [1, 2, 0, 2] with dimension 2 being empty");
  EXPECT_EQ(error_of<Error>([] {
              adaptive_avg_pool2d(uniform({1, 2, 3, 2}, 1), {-1, -1});
            }),
            "adaptive_avg_pool2d: elements of output_size must be greater than or equal to 0 but "
            "received {-1, -1}");
  EXPECT_EQ(error_of<NotImplementedError>([] {
              adaptive_avg_pool2d(uniform({1, 1, 2, 2}, 1).to(DType::kInt64), {2, 2});
            }),
            "\"adaptive_avg_pool2d\" not implemented for 'Long'");
  EXPECT_EQ(error_of<Error>([] { max_pool1d(uniform({2}, 1), 2); }),
            "max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for "
            "input, but got:[2]");
}

}  // namespace
}  // namespace ballast
