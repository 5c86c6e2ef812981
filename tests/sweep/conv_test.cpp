#include "ballast/ops/conv.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ballast/base/threads.h"
#include "ballast/grad/grad.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "tests/support/gradcheck.h"

namespace ballast {
namespace {

using test::fast_error;
using test::uniform;

struct Case {
  Shape x, w;
  Conv2dOptions options;
};

TEST(ConvSweep, ForwardAndBothGradientsAgreeWithTheReference) {
  const Case cases[] = {
      {{2, 3, 8, 8}, {16, 3, 3, 3}, {.padding = {1, 1}}},
      {{3, 5, 9, 7}, {7, 5, 3, 3}, {}},
      {{1, 1, 1, 1}, {1, 1, 1, 1}, {}},
      {{2, 16, 10, 10}, {33, 16, 1, 1}, {}},
      {{2, 8, 11, 10}, {6, 8, 1, 1}, {.stride = {2, 2}}},
      {{1, 40, 3, 700}, {33, 40, 1, 1}, {.stride = {2, 2}}},
      {{2, 8, 11, 10}, {6, 8, 1, 1}, {.stride = {2, 1}}},
      {{2, 150, 7, 6}, {200, 150, 1, 1}, {.stride = {3, 1}}},
      {{2, 4, 15, 13}, {8, 4, 3, 3}, {.stride = {2, 2}, .padding = {1, 1}}},
      {{1, 3, 23, 21}, {8, 3, 7, 7}, {.stride = {2, 2}, .padding = {3, 3}}},
      {{2, 4, 12, 9}, {5, 4, 5, 5}, {.stride = {3, 1}, .padding = {2, 0}}},
      {{2, 4, 12, 12}, {6, 4, 3, 3}, {.padding = {2, 2}, .dilation = {2, 2}}},
      {{2, 4, 9, 14}, {6, 4, 3, 2}, {.stride = {2, 3}, .padding = {1, 2}, .dilation = {2, 1}}},
      {{2, 12, 6, 6}, {18, 4, 3, 3}, {.padding = {1, 1}, .groups = 3}},
      {{2, 6, 6, 7}, {6, 1, 3, 3}, {.stride = {2, 2}, .padding = {1, 1}, .groups = 6}},
      {{4, 40, 33, 33}, {48, 40, 3, 3}, {.padding = {1, 1}}},
      {{2, 300, 5, 5}, {70, 300, 3, 3}, {.padding = {1, 1}}},
      {{1, 2, 3, 4}, {3, 2, 3, 4}, {.stride = {4, 5}}},
  };
  uint64_t seed = 1;
  for (const Case& c : cases)
    for (bool with_bias : {false, true}) {
      auto f = [&](const std::vector<Tensor>& in) {
        const Tensor y = conv2d(in[0], in[1], with_bias ? in[2] : Tensor(), c.options);
        std::vector<Tensor> leaves{in[0], in[1]};
        if (with_bias) leaves.push_back(in[2]);
        auto out = grad(sum(square(y)), leaves, {}, true);
        out.push_back(y);
        return out;
      };
      // Up to 4356 pixels or 2700 products in one sum, twice over: about sqrt(n) roundings of 6e-8.
      EXPECT_LT(
          fast_error(f, {uniform(c.x, ++seed), uniform(c.w, ++seed), uniform({c.w[0]}, ++seed)}),
          4e-6)
          << c.x.str() << c.w.str();
    }
}

/// A number in [low, high] that depends on what was drawn before.
struct Draw {
  uint64_t state = 1;
  int64_t operator()(int64_t low, int64_t high) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return low + static_cast<int64_t>((state >> 33) % static_cast<uint64_t>(high - low + 1));
  }
};

/// The convolution and its gradients of images x and gradients of results g, one each.
std::vector<Tensor> all_three(const std::vector<Tensor>& x, const std::vector<Tensor>& g,
                              const Tensor& w, const Tensor& bias, const Conv2dOptions& o) {
  const Conv2dAttributes at{{o.stride[0], o.stride[1]},
                            {o.padding[0], o.padding[1]},
                            {o.dilation[0], o.dilation[1]},
                            o.groups};
  return {conv2d(x[0], w, bias, o),
          record(conv2d_input_grad_op(), x[0].shape(), w.dtype(), {g[0], w}, at),
          record(conv2d_weight_grad_op(), w.shape(), w.dtype(), {g[1], x[1]}, at)};
}

std::vector<Tensor> all_three(const std::vector<Tensor>& in, const Conv2dOptions& o) {
  return all_three({in[0], in[0]}, {in[2], in[2]}, in[1], in[3], o);
}

Shape result_shape(const Case& c) {
  auto size = [&](int d) {
    const auto& o = c.options;
    return (c.x[2 + d] + 2 * o.padding[d] - o.dilation[d] * (c.w[2 + d] - 1) - 1) / o.stride[d] + 1;
  };
  return {c.x[0], c.w[0], size(0), size(1)};
}

/// The i-th of a row of random cases: any groups, kernel, stride, padding and dilation.
Case random_case(Draw& draw, int i) {
  Case c;
  const int64_t groups = draw(0, 2) ? 1 : draw(1, 5);
  const int64_t most = i % 10 == 0 ? 60 : 12;  // channels of a group
  int64_t kernel[2] = {draw(1, 4), draw(1, 4)};
  c.options = {
      {draw(1, 3), draw(1, 3)}, {draw(0, 3), draw(0, 3)}, {draw(1, 2), draw(1, 2)}, groups};
  if (i % 5 == 0) c.options = {.groups = groups};  // plain
  if (i % 6 == 0) kernel[0] = kernel[1] = 1;       // pixels, each for itself
  if (i % 12 == 0) c.options.padding[0] = c.options.padding[1] = 0;
  auto size = [&](int d) {  // at least one window
    const int64_t reach = c.options.dilation[d] * (kernel[d] - 1) + 1 - 2 * c.options.padding[d];
    return std::max<int64_t>(reach, 1) + draw(0, i % 7 == 0 ? 40 : 9);
  };
  c.x = {draw(1, 4), groups * draw(1, most), size(0), size(1)};
  c.w = {groups * draw(1, most), c.x[1] / groups, kernel[0], kernel[1]};
  return c;
}

/// Roundings of random sign: sqrt(terms) of them relative to the largest sum; 8 for the tails.
double tolerance(const Case& c) {
  const Shape y = result_shape(c);
  const int64_t terms = std::max(y.numel() / y[1], c.w.numel() / c.options.groups) + c.w[0] * 16;
  return 8 * std::sqrt(static_cast<double>(terms)) * 0x1p-24;
}

std::string str(const Case& c) {
  const auto& o = c.options;
  return fmt::format("{} {} stride {} {} padding {} {} dilation {} {} groups {}", c.x.str(),
                     c.w.str(), o.stride[0], o.stride[1], o.padding[0], o.padding[1], o.dilation[0],
                     o.dilation[1], o.groups);
}

TEST(ConvSweep, AgreesWithTheReferenceForRandomShapes) {
  Draw draw;
  for (int i = 0; i < 250; ++i) {
    const Case c = random_case(draw, i);
    const double error =
        fast_error([&](const std::vector<Tensor>& in) { return all_three(in, c.options); },
                   {uniform(c.x, i), uniform(c.w, i + 1), uniform(result_shape(c), i + 2),
                    uniform({c.w[0]}, i + 3)});
    ASSERT_LT(error, tolerance(c)) << str(c);
  }
}

TEST(ConvSweep, AgreesWithTheReferenceBetweenChainsAndSumsForRandomShapes) {
  Draw draw{7};
  for (int i = 0; i < 250; ++i) {
    const Case c = random_case(draw, i);
    const auto f = [&](const std::vector<Tensor>& in) {
      // Made by rows as they are read: two of x, two of g. Made of rows as they are written:
      // squares, sums.
      const Tensor &x = in[0], &g = in[2];
      const auto made = all_three({square(x) + 0.25, square(x) - 0.125},
                                  {square(g) - 0.5, square(g) * 0.75}, in[1], in[3], c.options);
      return std::vector<Tensor>{square(made[0]), sum(made[0], {0, 2, 3}), made[1] * 2.0 + in[0],
                                 sum(made[1], {0, 2, 3}), made[2]};
    };
    const double error = fast_error(f, {uniform(c.x, i), uniform(c.w, i + 1),
                                        uniform(result_shape(c), i + 2), uniform({c.w[0]}, i + 3)});
    // Squares double relative errors; sums may cancel, by the root of their length.
    ASSERT_LT(error, 8 * tolerance(c)) << str(c);
  }
}

TEST(ConvSweep, GivesTheSameBitsWithAnyNumberOfThreads) {
  const Case cases[] = {
      {{4, 40, 33, 33}, {48, 40, 3, 3}, {.padding = {1, 1}}},
      {{2, 64, 28, 28}, {96, 64, 3, 3}, {.stride = {2, 2}, .padding = {1, 1}}},
      {{1, 256, 7, 7}, {512, 256, 1, 1}, {}},
      {{4, 256, 14, 14}, {512, 256, 1, 1}, {.stride = {2, 2}}},
      {{8, 16, 40, 40}, {24, 16, 1, 1}, {}},
      {{2, 48, 20, 20}, {96, 12, 3, 3}, {.padding = {1, 1}, .groups = 4}},
      {{1, 3, 400, 400}, {16, 3, 7, 7}, {.stride = {2, 2}, .padding = {3, 3}}},
  };
  const int before = num_threads();
  for (const Case& c : cases) {
    std::vector<std::vector<float>> results[3];
    const Tensor in[] = {uniform(c.x, 1), uniform(c.w, 2), uniform(result_shape(c), 3),
                         uniform({c.w[0]}, 4)};
    for (int i : {0, 1, 2}) {
      set_num_threads(1 << i);
      std::vector<Tensor> narrow;
      for (const Tensor& t : in) narrow.push_back(cast(t, DType::kFloat32));
      for (const Tensor& t : all_three(narrow, c.options)) results[i].push_back(t.values<float>());
    }
    EXPECT_EQ(results[0], results[1]) << c.x.str() << c.w.str();
    EXPECT_EQ(results[0], results[2]) << c.x.str() << c.w.str();
  }
  set_num_threads(before);
}

}  // namespace
}  // namespace ballast
