#include <gtest/gtest.h>

#include "ballast/base/threads.h"
#include "ballast/grad/grad.h"
#include "ballast/ops/conv.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/plan/plan.h"
#include "tests/support/gradcheck.h"
#include "tests/support/targets.h"

namespace ballast {
namespace {

using test::fast_error;
using test::uniform;

/// The result, and the gradients of input, weight and bias.
std::vector<Tensor> everything(const std::vector<Tensor>& in, const Conv2dOptions& o) {
  const Tensor y = conv2d(in[0], in[1], in[2], o);
  auto g = grad(sum(y * y), {in[0], in[1], in[2]});
  g.push_back(y);
  return g;
}

struct Case {
  Shape x;
  int64_t kernel[2];
  Conv2dOptions options;
  int64_t group = 1;  // channels
};

std::vector<Tensor> inputs(const Case& c, uint64_t seed) {
  const int64_t channels = c.x[1];
  return {uniform(c.x, seed), uniform({channels, c.group, c.kernel[0], c.kernel[1]}, seed + 1),
          uniform({channels}, seed + 2)};
}

std::vector<Case> cases() {
  std::vector<Case> out = {
      {{1, 40, 1, 1}, {3, 3}, {.padding = {1, 1}}},
      {{2, 8, 9, 14}, {3, 2}, {.stride = {2, 3}, .padding = {1, 2}, .dilation = {2, 1}}},
      {{2, 7, 12, 12}, {3, 3}, {.padding = {2, 2}, .dilation = {2, 2}}},
      {{1, 5, 13, 11}, {1, 1}, {.stride = {3, 2}}},
      {{1, 5, 13, 11}, {2, 2}, {.stride = {3, 4}, .padding = {1, 1}}},
      {{1, 300, 5, 6}, {3, 3}, {.padding = {1, 1}}},
      {{2, 33, 40, 50}, {3, 3}, {.stride = {2, 2}, .padding = {1, 1}}},
      {{1, 4, 3, 200}, {3, 3}, {.padding = {1, 1}}},
      {{1, 9, 12, 12}, {7, 7}, {.padding = {3, 3}}},
      {{1, 6, 4, 4}, {3, 3}, {.padding = {3, 3}}},
      {{1, 6, 20, 20}, {3, 3}, {.dilation = {5, 7}}},
  };
  for (int64_t channels : {2, 3, 7, 17, 48})
    for (int64_t kernel : {3, 5})
      for (int64_t stride : {1, 2})
        out.push_back({{2, channels, 11, 10},
                       {kernel, kernel},
                       {.stride = {stride, stride}, .padding = {kernel / 2, kernel / 2}}});
  std::vector<Case> grouped;
  for (int64_t group : {1, 2, 4, 8})
    for (const Case& c : out) {
      const int64_t groups = (c.x[1] + group - 1) / group;
      grouped.push_back(
          {{c.x[0], groups * group, c.x[2], c.x[3]}, {c.kernel[0], c.kernel[1]}, c.options, group});
      grouped.back().options.groups = groups;
    }
  return grouped;
}

// Sums of up to 2000 products, of which 32 are added up in one float.
constexpr double kTolerance = 1e-5;

TEST(DepthwiseSweep, ForwardAndGradientsAgreeWithTheReference) {
  test::for_each_target([] {
    uint64_t seed = 1;
    for (const Case& c : cases())
      EXPECT_LT(fast_error([&](const auto& in) { return everything(in, c.options); },
                           inputs(c, seed += 3)),
                kTolerance)
          << c.x.str() << " " << c.kernel[0] << "x" << c.kernel[1] << " stride "
          << c.options.stride[0] << " group " << c.group;
  });
}

TEST(DepthwiseSweep, BitsDoNotDependOnTheNumberOfThreads) {
  const Case c{{3, 72, 30, 30}, {3, 3}, {.padding = {1, 1}, .groups = 72}};
  std::vector<Tensor> in;
  for (const Tensor& t : inputs(c, 9)) {
    in.push_back(cast(t, DType::kFloat32).detach());
    in.back().set_requires_grad();
  }
  const int before = num_threads();
  std::vector<std::vector<float>> first;
  for (int threads : {1, 2, 4}) {
    set_num_threads(threads);
    const auto out = everything(in, c.options);
    for (size_t i = 0; i < out.size(); ++i) {
      const auto values = out[i].values<float>();
      if (first.size() == i) first.push_back(values);
      EXPECT_EQ(first[i], values) << threads << " threads, output " << i;
    }
  }
  set_num_threads(before);
}

}  // namespace
}  // namespace ballast
