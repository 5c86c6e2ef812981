#include "ballast/sweep/winograd.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "ballast/base/random.h"
#include "ballast/base/threads.h"
#include "ballast/ops/conv.h"
#include "ballast/ops/shape_ops.h"
#include "tests/support/gradcheck.h"

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

enum Direction { kForward, kInputGrad, kWeightGrad };

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
  std::vector<Tensor> operator()(Direction d, const std::vector<Tensor>& in) const {
    if (d == kForward)
      return {record(conv2d_op(), dy.shape(), in[0].dtype(), {in[0], in[1], in[2]}, at)};
    if (d == kInputGrad)
      return {record(conv2d_input_grad_op(), x.shape(), in[0].dtype(), {in[3], in[1]}, at)};
    return {record(conv2d_weight_grad_op(), w.shape(), in[0].dtype(), {in[3], in[0]}, at)};
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

TEST(WinogradSweep, AgreesWithTheReferenceOnRandomShapes) {
  Generator random(7);
  auto draw = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random.random32() % static_cast<uint32_t>(high - low + 1));
  };
  for (int i = 0; i < 60; ++i) {
    const std::array<int64_t, 2> padding{draw(0, 2), draw(0, 2)};
    agrees_with_the_reference({draw(1, 3), draw(8, 40), draw(8, 40),
                               draw(std::max<int64_t>(1, 3 - 2 * padding[0]), 13),
                               draw(std::max<int64_t>(1, 3 - 2 * padding[1]), 17), padding});
  }
}

TEST(WinogradSweep, AgreesWithTheReferenceOnImagesOfEverySmallSize) {
  for (int64_t height : {1, 2, 3, 4, 5})
    for (int64_t width = 1; width <= 17; ++width)
      agrees_with_the_reference({1, 9, 17, height, width, {1, 1}});
}

TEST(WinogradSweep, AgreesWithTheReferenceWhereLayersAreCutDifferently) {
  const Case cases[] = {
      {1, 8, 8, 2, 230, {1, 1}},                              // a row of tiles is cut
      {5, 16, 24, 8, 8, {1, 1}},                              // blocks cross images
      {2, 256, 264, 7, 7, {1, 1}},                            // deep: by output channel
      {40, 264, 256, 5, 8, {1, 1}},                           // in two rounds
      {1, 300, 300, 3, 3, {2, 0}},  {1, 8, 8, 9, 9, {4, 3}},  // more padding than the kernel needs
  };
  for (const Case& c : cases) agrees_with_the_reference(c);
}

TEST(WinogradSweep, MakesTheSameBitsWithAnyNumberOfThreads) {
  const Case cases[] = {{7, 16, 24, 14, 14, {1, 1}}, {9, 256, 264, 7, 7, {1, 1}}};
  const int before = num_threads();
  for (const Case& c : cases) {
    const Convolution conv(c, 3);
    std::vector<Tensor> in;
    for (const Tensor& t : conv.inputs()) in.push_back(cast(t, DType::kFloat32).detach());
    for (Direction d : {kForward, kInputGrad, kWeightGrad}) {
      std::vector<float> first;
      for (int threads : {1, 2, 4}) {
        set_num_threads(threads);
        const auto made = conv(d, in)[0].values<float>();
        if (first.empty()) first = made;
        EXPECT_EQ(std::memcmp(first.data(), made.data(), made.size() * sizeof(float)), 0)
            << testing::PrintToString(c) << " direction " << d << " threads " << threads;
      }
    }
  }
  set_num_threads(before);
}

TEST(WinogradSweep, IsSwitchedOffByAnOption) {
  const Convolution conv({1, 16, 16, 8, 8, {1, 1}}, 3);
  std::vector<Tensor> in;
  for (const Tensor& t : conv.inputs()) in.push_back(cast(t, DType::kFloat32).detach());
  const auto winograd = conv(kForward, in)[0].values<float>();
  plan::options().winograd = false;
  const auto direct = conv(kForward, in)[0].values<float>();
  plan::options().winograd = true;
  EXPECT_NE(winograd, direct);  // another order of roundings
}

}  // namespace
}  // namespace ballast
