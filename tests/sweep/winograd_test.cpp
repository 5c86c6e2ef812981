#include "ballast/sweep/winograd.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "ballast/base/random.h"
#include "ballast/base/threads.h"
#include "ballast/grad/grad.h"
#include "ballast/graph/eval.h"
#include "ballast/ops/activation.h"
#include "ballast/ops/conv.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/sweep/explain.h"
#include "tests/support/gradcheck.h"
#include "tests/support/options.h"

namespace ballast {
namespace {

struct Case {
  int64_t images, in, out, height, width;
  std::array<int64_t, 2> padding;
};

void PrintTo(const Case& c, std::ostream* os) {
  *os << c.images << " images of " << c.height << "x" << c.width << ", " << c.in << " -> " << c.out
      << " channels, padding " << c.padding[0] << "," << c.padding[1];
}

enum Direction { kForward, kInputGrad, kWeightGrad, kBothGrads };

struct Convolution {
  explicit Convolution(const Case& c, uint64_t seed)
      : at{{1, 1}, {c.padding[0], c.padding[1]}, {1, 1}, 1} {
    x = test::uniform({c.images, c.in, c.height, c.width}, seed);
    w = test::uniform({c.out, c.in, 3, 3}, seed + 1);
    bias = test::uniform({c.out}, seed + 2);
    dy = test::uniform(
        {c.images, c.out, c.height + 2 * c.padding[0] - 2, c.width + 2 * c.padding[1] - 2},
        seed + 3);
  }

  std::vector<Tensor> inputs() const { return {x, w, bias, dy}; }
  /// The same in float32.
  std::vector<Tensor> floats() const {
    std::vector<Tensor> in;
    for (const Tensor& t : inputs()) in.push_back(cast(t, DType::kFloat32).detach());
    return in;
  }
  std::vector<Tensor> operator()(Direction d, const std::vector<Tensor>& in) const {
    if (d == kForward)
      return {record(conv2d_op(), dy.shape(), in[0].dtype(), {in[0], in[1], in[2]}, at)};
    const auto input_grad = [&] {
      return record(conv2d_input_grad_op(), x.shape(), in[0].dtype(), {in[3], in[1]}, at);
    };
    const auto weight_grad = [&] {
      return record(conv2d_weight_grad_op(), w.shape(), in[0].dtype(), {in[3], in[0]}, at);
    };
    if (d == kInputGrad) return {input_grad()};
    if (d == kWeightGrad) return {weight_grad()};
    return {input_grad(), weight_grad()};
  }

  Conv2dAttributes at;
  Tensor x, w, bias, dy;
};

/// Roundings are as good as independent: each sum in the transformed space errs by about
/// u*sqrt(products in it) of its size, those in the transforms add some twenty, and the output
/// transform lets the sums' errors grow by at most 3.0 (the square root of what the matrices'
/// squares make of the variance, for F(4x4)) relative to the result's standard deviation. Four
/// deviations for the worst of some thousand elements; results are measured against their largest.
double tolerance(const Case& c, Direction d) {
  const int64_t summed = d == kForward     ? c.in
                         : d == kInputGrad ? c.out
                                           : c.images * ((c.height + 5) / 4) * ((c.width + 5) / 4);
  return 4 * 0x1p-24 * 3.0 * std::sqrt(static_cast<double>(summed) + 20);
}

void agrees_with_the_reference(const Case& c) {
  static uint64_t seed = 0;
  const Convolution conv(c, seed += 10);
  for (Direction d : {kForward, kInputGrad, kWeightGrad})
    EXPECT_LT(test::fast_error([&](const auto& in) { return conv(d, in); }, conv.inputs()),
              tolerance(c, d))
        << testing::PrintToString(c) << " direction " << d;
}

/// The tile size chosen for the forward pass.
int chosen(const Case& c) {
  return sweep::winograd::tile_size({c.images,
                                     c.height,
                                     c.width,
                                     c.in,
                                     c.height + 2 * c.padding[0] - 2,
                                     c.width + 2 * c.padding[1] - 2,
                                     c.out,
                                     {c.padding[0], c.padding[1]}});
}

TEST(WinogradSweep, AgreesWithTheReferenceOnRandomShapes) {
  Generator random(7);
  auto draw = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random.random32() % static_cast<uint32_t>(high - low + 1));
  };
  int times[5] = {};
  for (int i = 0; i < 80; ++i) {
    const std::array<int64_t, 2> padding{draw(0, 2), draw(0, 2)};
    const Case c{draw(1, 8),
                 draw(4, 80),
                 draw(4, 80),
                 draw(std::max<int64_t>(1, 3 - 2 * padding[0]), 13),
                 draw(std::max<int64_t>(1, 3 - 2 * padding[1]), 17),
                 padding};
    ++times[chosen(c)];
    agrees_with_the_reference(c);
  }
  EXPECT_GT(times[4], 20);
  EXPECT_GT(times[2], 2);
}

TEST(WinogradSweep, AgreesWithTheReferenceOnImagesOfEverySmallSize) {
  int times[5] = {};
  for (int64_t height : {1, 2, 3, 4, 5})
    for (int64_t width = 1; width <= 17; ++width) {
      const Case c{12, 33, 49, height, width, {1, 1}};
      ++times[chosen(c)];
      agrees_with_the_reference(c);
    }
  EXPECT_GT(times[4], 20);
  EXPECT_GT(times[2], 10);
}

TEST(WinogradSweep, AgreesWithTheReferenceWhereLayersAreCutDifferently) {
  const Case cases[] = {
      {1, 24, 24, 2, 230, {1, 1}},   // a row of tiles is cut
      {5, 16, 24, 8, 8, {1, 1}},     // blocks cross images
      {3, 256, 264, 7, 7, {1, 1}},   // deep: by output channel
      {9, 300, 230, 2, 32, {1, 1}},  // in two rounds
      {2, 300, 300, 9, 9, {2, 0}},
      {1, 24, 24, 9, 9, {4, 3}},  // more padding than the kernel needs
  };
  for (const Case& c : cases) {
    EXPECT_NE(chosen(c), 0) << testing::PrintToString(c);
    agrees_with_the_reference(c);
  }
}

TEST(WinogradSweep, ChoosesTilesByShape) {
  EXPECT_EQ(chosen({16, 64, 64, 56, 56, {1, 1}}), 4);
  EXPECT_EQ(chosen({16, 512, 512, 7, 7, {1, 1}}), 4);
  EXPECT_EQ(chosen({64, 512, 512, 2, 2, {1, 1}}), 2);  // four of the tile's sixteen are needed
  EXPECT_EQ(chosen({1, 512, 512, 4, 4, {1, 1}}), 0);   // less to compute than weights to transform
  EXPECT_EQ(chosen({64, 64, 64, 1, 1, {1, 1}}), 0);
}

/// The sweeps that make both gradients: each one's name, and what is fused into it.
std::vector<std::string> sweeps_of(const Convolution& conv) {
  const std::vector<Tensor> in = conv.floats();
  Recorder recorder;
  eval(conv(kBothGrads, in));
  std::vector<std::string> names;
  for (const PlanReport& p : recorder.plans())
    for (const SweepReport& s : p.sweeps) {
      if (!s.name.starts_with("conv2d")) continue;
      names.push_back(s.name.substr(0, s.name.find(' ')));
      for (const std::string& fused : s.fused) names.back() += " " + fused;
    }
  return names;
}

TEST(WinogradSweep, MakesBothGradientsAtOnce) {
  Generator random(11);
  auto draw = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random.random32() % static_cast<uint32_t>(high - low + 1));
  };
  for (int i = 0; i < 60; ++i) {
    const Case c{draw(1, 30), draw(1, 33), draw(1, 33), draw(1, 20), draw(1, 40), {1, 1}};
    const Convolution conv(c, 20 + i);
    EXPECT_LT(test::fast_error([&](const auto& in) { return conv(kBothGrads, in); }, conv.inputs()),
              std::max(tolerance(c, kInputGrad), tolerance(c, kWeightGrad)))
        << testing::PrintToString(c);
  }
  const Convolution small({4, 16, 24, 12, 12, {1, 1}}, 3), large({4, 64, 24, 12, 12, {1, 1}}, 3);
  const std::vector<std::string> together{"conv2d_input_grad conv2d_weight_grad"},
      apart{"conv2d_input_grad", "conv2d_weight_grad"};
  EXPECT_EQ(sweeps_of(small), together);
  EXPECT_EQ(sweeps_of(large), apart);
  const test::WithOptions scope(test::without(&plan::Options::pair_gradients));
  EXPECT_EQ(sweeps_of(small), apart);
}

// The gradient of the weights (or of the input) goes into what the other one is computed from: they
// cannot be one sweep.
TEST(WinogradSweep, MakesGradientsThatWaitForEachOtherApart) {
  const Convolution conv({2, 5, 5, 3, 3, {1, 1}}, 5);
  auto f = [&](const std::vector<Tensor>& in) {
    auto next = in;
    const Tensor dw = conv(kWeightGrad, in)[0];
    next[1] = in[1] * sum(dw);
    const Tensor dx = conv(kInputGrad, next)[0];
    next[0] = in[0] + dx;
    return std::vector<Tensor>{dx, dw, conv(kWeightGrad, next)[0], conv(kInputGrad, in)[0]};
  };
  EXPECT_LT(test::fast_error(f, conv.inputs()), 1e-4);
}

// A chain before, a chain and sums behind; in both gradients, too. Deep layers and shallow ones.
TEST(WinogradSweep, RunsTheChainsAndSumsAroundIt) {
  for (int64_t channels : {13, 64, 260}) {
    auto f = [&](const std::vector<Tensor>& in) {
      const Conv2dOptions same{.padding = {1, 1}};
      const Tensor h = conv2d(relu(in[0]), in[1], {}, same);
      const Tensor y = conv2d(relu(h + in[0]) * in[2], in[1], in[3], same);
      const Tensor sums = sum(square(y), {0, 2, 3});
      auto out = grad(sum(sums), {in[0], in[1]});
      out.push_back(sums);
      return out;
    };
    // Two convolutions behind each other and twice as many in the gradients; squares double the
    // relative error.
    EXPECT_LT(
        test::fast_error(f, {test::uniform({3, channels, 9, 10}, 1),
                             test::uniform({channels, channels, 3, 3}, 2),
                             test::uniform({1, channels, 1, 1}, 3), test::uniform({channels}, 4)}),
        4 * tolerance({3, channels, channels, 9, 10, {1, 1}}, kForward))
        << channels;
  }
}

TEST(WinogradSweep, MakesTheSameBitsWithAnyNumberOfThreads) {
  const Case cases[] = {{7, 16, 24, 14, 14, {1, 1}}, {4, 256, 264, 7, 7, {1, 1}}};
  const int before = num_threads();
  for (const Case& c : cases) {
    const Convolution conv(c, 3);
    const std::vector<Tensor> in = conv.floats();
    for (Direction d : {kForward, kInputGrad, kWeightGrad, kBothGrads}) {
      std::vector<std::vector<float>> first;
      for (int threads : {1, 2, 4}) {
        set_num_threads(threads);
        const auto made = conv(d, in);
        eval(made);
        for (size_t i = 0; i < made.size(); ++i) {
          const auto values = made[i].values<float>();
          if (first.size() == i) first.push_back(values);
          EXPECT_EQ(std::memcmp(first[i].data(), values.data(), values.size() * sizeof(float)), 0)
              << testing::PrintToString(c) << " direction " << d << " threads " << threads;
        }
      }
    }
  }
  set_num_threads(before);
}

TEST(WinogradSweep, IsSwitchedOffInTheEnvironment) {
  auto in_a_new_thread = [](const char* value) {
    return test::with_environment("BALLAST_CONV", value, [](const plan::Options& o) {
      return o.winograd ? "winograd" : "direct";
    });
  };
  EXPECT_EQ(in_a_new_thread("direct"), "direct");
  EXPECT_EQ(in_a_new_thread(""), "winograd");
  EXPECT_EQ(in_a_new_thread("fast"), "BALLAST_CONV: unknown way 'fast'; there is direct");
}

TEST(WinogradSweep, IsSwitchedOffByAnOption) {
  const Convolution conv({4, 32, 32, 8, 8, {1, 1}}, 3);
  const std::vector<Tensor> in = conv.floats();
  const auto winograd = conv(kForward, in)[0].values<float>();
  const test::WithOptions scope(test::without(&plan::Options::winograd));
  const auto direct = conv(kForward, in)[0].values<float>();
  EXPECT_NE(winograd, direct);  // another order of roundings
}

}  // namespace
}  // namespace ballast
