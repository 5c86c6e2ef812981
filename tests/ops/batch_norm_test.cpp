#include "ballast/ops/batch_norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "ballast/ops/extremes.h"
#include "ballast/ops/index.h"
#include "ballast/ops/norm.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"
#include "tests/support/files.h"
#include "tests/support/gradcheck.h"
#include "tests/support/layer_golden.h"

namespace ballast {
namespace {

using nlohmann::json;
using test::expect_values;
using test::gradient_error;
using test::kGradientTolerance;
using test::uniform;
using testing::error_of;
using Tensors = std::vector<Tensor>;

BatchNormState fresh_state(int64_t channels, DType t = DType::kFloat64) {
  const size_t n = channels;
  return {Tensor::from(std::vector<double>(n, 0.0), {channels}).to(t),
          Tensor::from(std::vector<double>(n, 1.0), {channels}).to(t),
          Tensor::from(std::vector<int64_t>{0}, {})};
}

/// Three training steps and one in evaluation, as scripts/golden/layers.py makes them.
void expect_batch_norm(const json& golden) {
  SCOPED_TRACE(golden.at("shape").dump() + " momentum " + golden.at("momentum").dump());
  const Shape shape(golden.at("shape").get<std::vector<int64_t>>());
  const json& m = golden.at("momentum");
  const double momentum = m.is_null() ? std::nan("") : m.get<double>();
  const int64_t channels = shape[1];
  const BatchNormState state = fresh_state(channels);
  for (uint64_t step = 0; step < 4; ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    Tensor w = uniform({channels}, 1), b = uniform({channels}, 2), x = uniform(shape, 10 + step);
    for (Tensor* t : {&w, &b, &x}) t->set_requires_grad();
    const Tensor y = batch_norm(x, &state, w, b, step < 3, momentum);
    sum(y * uniform(shape, 99)).backward();
    const json& want = golden.at("steps").at(step);
    expect_values(y, want.at("y"), "y");
    expect_values(x.grad(), want.at("x_grad"), "x_grad");
    expect_values(w.grad(), want.at("weight_grad"), "weight_grad");
    expect_values(b.grad(), want.at("bias_grad"), "bias_grad");
    expect_values(state.mean, want.at("running_mean"), "running_mean");
    expect_values(state.var, want.at("running_var"), "running_var");
    EXPECT_EQ(state.num_batches_tracked.item<int64_t>(), want.at("num_batches_tracked"));
  }
}

TEST(BatchNorm, AgreesWithPyTorchStepByStep) {
  for (const json& golden : test::layer_cases("batch_norm")) expect_batch_norm(golden);
}

TEST(BatchNorm, GradientsMatchFiniteDifferences) {
  for (const Shape& shape : {Shape{5, 3}, Shape{2, 1}, Shape{3, 2, 5}, Shape{1, 4, 3, 2},
                             Shape{2, 3, 1, 1}, Shape{2, 2, 2, 1, 3}}) {
    const Shape c{shape[1]};
    auto train = [](const Tensors& in) { return batch_norm(in[0], nullptr, in[1], in[2], true); };
    EXPECT_LT(gradient_error(train, {uniform(shape, 1), uniform(c, 2), uniform(c, 3)}),
              kGradientTolerance)
        << shape.str();
    const BatchNormState state = fresh_state(shape[1]);
    auto eval = [&](const Tensors& in) { return batch_norm(in[0], &state, in[1], in[2]); };
    EXPECT_LT(gradient_error(eval, {uniform(shape, 1), uniform(c, 2), uniform(c, 3)}),
              kGradientTolerance)
        << shape.str();
  }
}

TEST(BatchNorm, RunningVarianceIsUnbiased) {
  const BatchNormState state = fresh_state(1);
  const Tensor x = Tensor::from(std::vector<double>{1, 2, 3, 6}, {4, 1});
  batch_norm(x, &state, {}, {}, true, 1.0).eval();
  EXPECT_DOUBLE_EQ(state.mean.item(), 3);
  EXPECT_DOUBLE_EQ(state.var.item(), 14.0 / 3);
}

TEST(BatchNorm, ANegativeMomentumIsANumber) {
  const BatchNormState state = fresh_state(1);
  const Tensor x = Tensor::from(std::vector<double>{1, 2, 3, 6}, {4, 1});
  batch_norm(x, &state, {}, {}, true, -0.5).eval();
  EXPECT_DOUBLE_EQ(state.mean.item(), -1.5);
  EXPECT_DOUBLE_EQ(state.var.item(), 1.5 - 0.5 * 14.0 / 3);
}

TEST(BatchNorm, WithoutStateNormalizesByTheBatchAndRemembersNothing) {
  const Tensor x = uniform({4, 3, 5}, 1);
  const BatchNormState state = fresh_state(3);
  EXPECT_EQ(batch_norm(x, nullptr, {}, {}, true).values<double>(),
            batch_norm(x, &state, {}, {}, true).values<double>());
  const auto y = batch_norm(x, nullptr, {}, {}, true);
  for (double m : mean(y, {0, 2}).values<double>()) EXPECT_NEAR(m, 0, 1e-15);
  for (double v : mean(square(y), {0, 2}).values<double>()) EXPECT_NEAR(v, 1, 1e-4);
}

TEST(BatchNorm, ZeroMomentumKeepsTheStatisticsOfWhichEvaluationMakesUse) {
  const BatchNormState state = fresh_state(2);
  const Tensor x = uniform({4, 2}, 1);
  batch_norm(x, &state, {}, {}, true, 0.0).eval();
  EXPECT_EQ(state.mean.values<double>(), (std::vector<double>{0, 0}));
  EXPECT_EQ(state.var.values<double>(), (std::vector<double>{1, 1}));
  EXPECT_EQ(state.num_batches_tracked.item<int64_t>(), 1);
  const auto y = batch_norm(x, &state, {}, {}, false, 0.1, 0.0).values<double>();
  EXPECT_EQ(y, x.values<double>());
}

// Mean 1e4 and standard deviation 1 in float32: E[x^2] - E[x]^2 would lose all of the variance.
TEST(BatchNorm, StatisticsOfShiftedDataAreRightToAMillionth) {
  for (const Shape& shape : {Shape{4096, 2}, Shape{16, 2, 16, 17}}) {
    const Tensor wide = uniform(shape, 1) * std::sqrt(3.0) + 1e4;
    const auto x = wide.to(DType::kFloat32).values<float>();
    const BatchNormState state = fresh_state(2, DType::kFloat32);
    const Tensor input = Tensor::from(x, shape);
    const auto y = batch_norm(input, &state, {}, {}, true, 1.0, 1e-12).values<float>();
    const int64_t inner = shape.span_numel(2, shape.rank()), n = shape[0] * inner;
    for (int64_t c = 0; c < 2; ++c) {
      auto at = [&](int64_t i) { return (i / inner * 2 + c) * inner + i % inner; };
      double m = 0, squares = 0;
      for (int64_t i = 0; i < n; ++i) m += x[at(i)];
      m /= static_cast<double>(n);
      for (int64_t i = 0; i < n; ++i) squares += (x[at(i)] - m) * (x[at(i)] - m);
      const double var = squares / static_cast<double>(n - 1);
      EXPECT_NEAR(state.mean.values<float>()[c], m, 1e-6 * m) << shape.str();
      EXPECT_NEAR(state.var.values<float>()[c], var, 1e-6 * var) << shape.str();
      EXPECT_NEAR(std::sqrt(state.var.values<float>()[c]), std::sqrt(var), 1e-6) << shape.str();
      // The mean is kept as float32, half a unit of which is 2^-11 at 1e4.
      const double std = std::sqrt(squares / static_cast<double>(n));
      for (int64_t i = 0; i < n; ++i) ASSERT_NEAR(y[at(i)], (x[at(i)] - m) / std, 5e-4);
    }
  }
}

TEST(ExactMoments, AsFloatDoNotDependOnTheOrderOfTheSamples) {
  const int64_t n = 200;
  const Tensor x = (uniform({n, 3, 9, 7}, 1) * 5.0 + 3.0).to(DType::kFloat32);
  std::vector<int64_t> order;
  for (int64_t i = 0; i < n; ++i) order.push_back(i * 77 % n);
  const Tensor other = index_select(x, 0, Tensor::from(order, {n}));
  const auto rounded = [](const Tensor& t) {
    return exact_moments(t).to(DType::kFloat32).values<float>();
  };
  EXPECT_EQ(rounded(x), rounded(other));
  const auto usual = channel_moments(x).values<float>(), exact = rounded(x);
  for (size_t i = 0; i < usual.size(); ++i) EXPECT_NEAR(usual[i], exact[i], 1e-6 * exact[i]);
}

TEST(ExactMoments, GradientsMatchFiniteDifferences) {
  for (const Shape& shape : {Shape{5, 3}, Shape{2, 3, 3, 3}, Shape{1, 2, 11}}) {
    const auto f = [](const Tensors& in) { return exact_moments(in[0]); };
    EXPECT_LT(gradient_error(f, {uniform(shape, 1)}), kGradientTolerance) << shape.str();
  }
  // Of float32 the gradient is float32, that of the usual moments.
  const auto gradient = [](Tensor (*moments)(const Tensor&)) {
    Tensor x = uniform({4, 3, 5, 5}, 1).to(DType::kFloat32).eval();
    x.set_requires_grad();
    sum(square(moments(x).to(DType::kFloat32))).backward();
    return x.grad().values<float>();
  };
  const auto exact = gradient(exact_moments), usual = gradient(channel_moments);
  for (size_t i = 0; i < exact.size(); ++i) EXPECT_NEAR(exact[i], usual[i], 1e-7);
}

// float32 holds no squares of such numbers.
TEST(BatchNorm, NormalizesNumbersBeyondTheRootOfTheLargest) {
  const auto away = [](const Tensor& x, const Tensor& exact) {
    return amax(abs(x.to(DType::kFloat64) - exact)).item();
  };
  for (const Shape& shape : {Shape{64, 3}, Shape{2, 3, 7, 5}, Shape{70, 20, 9, 9}})
    for (double size : {1.0, 1e10, 1e19, 1e30, 1e36}) {
      const Tensor unit = uniform(shape, 1), x = (unit * size).to(DType::kFloat32).eval();
      const Tensor y = batch_norm(x, nullptr, {}, {}, true);
      const Tensor exact = batch_norm(x.to(DType::kFloat64), nullptr, {}, {}, true);
      EXPECT_LT(away(y, exact), 1e-5) << shape.str() << " " << size;
      const Tensor rows = layer_norm(x, {shape[shape.rank() - 1]});
      const Tensor exact_rows = layer_norm(x.to(DType::kFloat64), {shape[shape.rank() - 1]});
      EXPECT_LT(away(rows, exact_rows), 1e-4) << shape.str();
    }
}

TEST(ExactMoments, RefuseWhatHasNoChannels) {
  EXPECT_EQ(error_of<Error>([] { exact_moments(uniform({3}, 1)); }),
            "exact_moments expects a floating-point tensor (N, C, ...), got float64 of shape [3]");
}

TEST(BatchNorm, OneValuePerChannelThrowsPyTorchsError) {
  for (const Shape& shape : {Shape{1, 20}, Shape{1, 20, 1}, Shape{1, 20, 1, 1}})
    EXPECT_EQ(
        error_of<ValueError>([&] { batch_norm(uniform(shape, 1), nullptr, {}, {}, true); }),
        "Expected more than 1 value per channel when training, got input size " + shape.str());
  const BatchNormState state = fresh_state(20);
  EXPECT_EQ(batch_norm(uniform({1, 20}, 1), &state).shape(), (Shape{1, 20}));
}

TEST(BatchNorm, WrongSizesThrowPyTorchsErrors) {
  const Tensor x = uniform({4, 3}, 1);
  const BatchNormState state = fresh_state(2);
  EXPECT_EQ(error_of<Error>([&] { batch_norm(x, &state, {}, {}, true); }),
            "running_mean should contain 3 elements not 2");
  EXPECT_EQ(error_of<Error>([&] { batch_norm(x, &state, uniform({2}, 2), {}, true); }),
            "running_mean should contain 3 elements not 2");
  EXPECT_EQ(error_of<Error>([&] { batch_norm(x, nullptr, uniform({4}, 2), {}, true); }),
            "weight should contain 3 elements not 4");
  EXPECT_EQ(error_of<Error>([&] { batch_norm(x, nullptr); }),
            "running_mean must be defined in evaluation mode");
}

TEST(BatchNorm, AnEmptyBatchLeavesTheRunningStatistics) {
  BatchNormState state = fresh_state(2);
  state.mean.copy_(Tensor::from({5.0, 6.0}));
  batch_norm(uniform({0, 2, 3}, 1), &state, {}, {}, true).eval();
  EXPECT_EQ(state.mean.values<double>(), (std::vector<double>{5, 6}));
  EXPECT_EQ(state.var.values<double>(), (std::vector<double>{1, 1}));
  EXPECT_EQ(state.num_batches_tracked.item<int64_t>(), 1);
}

TEST(BatchNorm, MixedTypesAreAnError) {
  const Tensor x = uniform({4, 2}, 1), w = uniform({2}, 2).to(DType::kFloat32);
  const BatchNormState state = fresh_state(2, DType::kFloat32);
  for (const std::string& error : {error_of<Error>([&] { batch_norm(x, nullptr, w, {}, true); }),
                                   error_of<Error>([&] { batch_norm(x, nullptr, {}, w, true); }),
                                   error_of<Error>([&] { batch_norm(x, &state, {}, {}, true); }),
                                   error_of<Error>([&] { batch_norm(x, &state); })})
    EXPECT_NE(error.find("mixed dtype (CPU)"), std::string::npos) << error;
}

TEST(BatchNorm, StatisticsOfABatchThatCannotBeComputedAreTakenBack) {
  const BatchNormState state = fresh_state(2);
  const Tensor rows = uniform({3, 2}, 1);
  Tensor outside = Tensor::from(std::vector<int64_t>{0, 7}, {2});
  for (int i = 0; i < 8; ++i) outside = outside + int64_t{0};  // too far off to be checked at once
  const Tensor y = batch_norm(index_select(rows, 0, outside), &state, {}, {}, true);
  EXPECT_THROW(y.eval(), Error);
  EXPECT_EQ(state.mean.values<double>(), (std::vector<double>{0, 0}));
  EXPECT_EQ(state.num_batches_tracked.item<int64_t>(), 0);
  batch_norm(rows, &state, {}, {}, true).eval();
  EXPECT_EQ(state.num_batches_tracked.item<int64_t>(), 1);
}

}  // namespace
}  // namespace ballast
