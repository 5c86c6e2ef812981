#include "ballast/ops/pool.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ballast/base/threads.h"
#include "ballast/grad/grad.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/plan/plan.h"
#include "tests/support/gradcheck.h"
#include "tests/support/options.h"
#include "tests/support/targets.h"

namespace ballast {
namespace {

using test::fast_error;
using test::uniform;
using test::with_gradient;

/// A chain on either side, so that pools read through a source and write through a sink.
Tensor before(const Tensor& x) { return relu(x * 2.0 + 0.5) - x; }
Tensor after(const Tensor& y) { return y * y + y; }

std::vector<Shape> shapes() {
  return {Shape{2, 3, 8, 8},    Shape{1, 20, 7, 9},  Shape{3, 1, 5, 5},   Shape{2, 64, 4, 4},
          Shape{1, 17, 40, 33}, Shape{9, 7, 12, 10}, Shape{1, 33, 70, 9}, Shape{2, 300, 13, 12}};
}

TEST(PoolSweep, MaximaAndTheirGradientsAgreeWithTheReference) {
  test::for_each_target([] {
    uint64_t seed = 1;
    for (const Shape& s : shapes())
      for (int64_t kernel : {2, 3})
        for (const MaxPool2dOptions& o :
             {MaxPool2dOptions{}, MaxPool2dOptions{.stride = {{1, 1}}, .padding = {1, 1}},
              MaxPool2dOptions{.stride = {{2, 2}}, .padding = {1, 1}, .ceil_mode = true},
              MaxPool2dOptions{.stride = {{3, 4}}},
              MaxPool2dOptions{.stride = {{2, 2}}, .padding = {1, 1}},
              MaxPool2dOptions{.stride = {{1, 2}}, .dilation = {2, 1}, .ceil_mode = true},
              MaxPool2dOptions{.stride = {{1, 1}}, .padding = {1, 1}, .dilation = {2, 2}},
              MaxPool2dOptions{.padding = {1, 1}, .dilation = {3, 2}},
              MaxPool2dOptions{.stride = {{1, 1}}, .padding = {1, 1}, .dilation = {10, 9}}}) {
          const auto reach = [&](int d) {
            return o.dilation[d] * (kernel - 1) + 1 - 2 * o.padding[d];
          };
          if (s[2] < reach(0) || s[3] < reach(1)) continue;
          auto plain = [&](const std::vector<Tensor>& in) {
            return with_gradient(in[0], max_pool2d(in[0], {kernel, kernel}, o));
          };
          auto fused = [&](const std::vector<Tensor>& in) {
            return with_gradient(in[0], after(max_pool2d(before(in[0]), {kernel, kernel}, o)));
          };
          const Tensor x = uniform(s, ++seed);
          EXPECT_LT(fast_error(plain, {x}), 1e-6) << s.str() << " " << kernel;
          EXPECT_LT(fast_error(fused, {x}), 1e-6) << s.str() << " " << kernel;
        }
  });
}

TEST(PoolSweep, MeansAndTheirGradientsAgreeWithTheReference) {
  test::for_each_target([] {
    uint64_t seed = 100;
    for (const Shape& s : shapes()) {
      for (const AvgPool2dOptions& o :
           {AvgPool2dOptions{}, AvgPool2dOptions{.stride = {{1, 1}}, .padding = {1, 1}},
            AvgPool2dOptions{.stride = {{2, 1}}, .padding = {1, 0}, .count_include_pad = false},
            AvgPool2dOptions{.stride = {{4, 3}}, .padding = {1, 1}, .ceil_mode = true}})
        for (int64_t kernel : {2, 3}) {
          auto f = [&](const std::vector<Tensor>& in) {
            return with_gradient(in[0], after(avg_pool2d(before(in[0]), {kernel, kernel}, o)));
          };
          EXPECT_LT(fast_error(f, {uniform(s, ++seed)}), 2e-6) << s.str() << " " << kernel;
        }
      for (const auto& output : {std::array<int64_t, 2>{3, 2}, {1, 4}, {7, 7}, {1, 1}}) {
        auto f = [&](const std::vector<Tensor>& in) {
          return with_gradient(in[0], after(adaptive_avg_pool2d(before(in[0]), output)));
        };
        EXPECT_LT(fast_error(f, {uniform(s, ++seed)}), 4e-6) << s.str() << " " << output[0];
      }
    }
  });
}

TEST(PoolSweep, BitsDoNotDependOnTheNumberOfThreads) {
  Tensor x = cast(uniform({3, 40, 60, 50}, 7), DType::kFloat32).detach();
  x.set_requires_grad();
  const int before = num_threads();
  std::vector<std::vector<float>> first;
  for (int threads : {1, 2, 4}) {
    set_num_threads(threads);
    std::vector<Tensor> out =
        with_gradient(x, max_pool2d(x, {3, 3}, {.stride = {{2, 2}}, .padding = {1, 1}}));
    for (const Tensor& y : {avg_pool2d(x, {2, 2}), adaptive_avg_pool2d(x, {1, 1})})
      for (const Tensor& t : with_gradient(x, y)) out.push_back(t);
    for (size_t i = 0; i < out.size(); ++i) {
      const auto values = out[i].values<float>();
      if (first.size() == i) first.push_back(values);
      EXPECT_EQ(first[i], values) << threads << " threads, output " << i;
    }
  }
  set_num_threads(before);
}

TEST(PoolSweep, TheLastNotANumberOfAWindowGetsTheGradient) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (bool fast : {true, false}) {
    plan::Options options = plan::options();
    options.fast = fast;
    const test::WithOptions scope(options);
    Tensor x = Tensor::from(std::vector<float>{1, nan, 2, 3, nan, 4, 5, 6, 7}, {1, 1, 3, 3});
    x.set_requires_grad();
    const Tensor y = max_pool2d(x, {3, 3});
    sum(y).backward();
    EXPECT_TRUE(std::isnan(y.item()));
    EXPECT_EQ(x.grad().values<float>(), (std::vector<float>{0, 0, 0, 0, 1, 0, 0, 0, 0}));
  }
}

TEST(PoolSweep, TheFirstOfEqualMaximaGetsTheGradient) {
  Tensor x = Tensor::from(std::vector<float>(4, 2.0f), {1, 1, 2, 2});
  x.set_requires_grad();
  sum(max_pool2d(x, {2, 2})).backward();
  EXPECT_EQ(x.grad().values<float>(), (std::vector<float>{1, 0, 0, 0}));
}

TEST(PoolSweep, GlobalAverageAgreesWithTheReference) {
  auto f = [](const std::vector<Tensor>& in) {
    return with_gradient(in[0], adaptive_avg_pool2d(relu(in[0]) + in[0], {1, 1}));
  };
  EXPECT_LT(fast_error(f, {uniform({3, 20, 6, 5}, 4)}), 1e-6);
}

}  // namespace
}  // namespace ballast
