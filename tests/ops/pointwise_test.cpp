#include "ballast/ops/pointwise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "ballast/grad/grad.h"
#include "ballast/ops/activation.h"
#include "ballast/ops/compare.h"
#include "ballast/ops/reduce.h"
#include "tests/support/targets.h"

namespace ballast {
namespace {

Tensor of(DType t, const Shape& shape) {
  return Tensor::from(std::vector<double>(shape.numel(), 1.0), shape).to(t);
}

// Golden: torch.ones(2, dtype=row) * torch.ones((), dtype=column), in PyTorch.
TEST(Pointwise, TensorsWithoutDimensionsWidenOnlyIntoAnotherKind) {
  constexpr DType b = DType::kBool, u = DType::kUint8, i = DType::kInt64, f = DType::kFloat32,
                  d = DType::kFloat64;
  constexpr DType kTypes[] = {b, u, i, f, d};
  constexpr DType kGolden[5][5] = {
      {b, u, i, f, d}, {u, u, u, f, d}, {i, i, i, f, d}, {f, f, f, f, f}, {d, d, d, d, d}};
  for (int row = 0; row < 5; ++row)
    for (int column = 0; column < 5; ++column) {
      const Tensor x = of(kTypes[row], {2}), y = of(kTypes[column], {});
      EXPECT_EQ((x * y).dtype(), kGolden[row][column]) << row << ' ' << column;
      EXPECT_EQ((y * x).dtype(), kGolden[row][column]) << row << ' ' << column;
      EXPECT_EQ(where(x.to(b), x, y).dtype(), kGolden[row][column]) << row << ' ' << column;
    }
}

TEST(Pointwise, OtherwiseTheWiderTypeWins) {
  EXPECT_EQ((of(DType::kFloat32, {2}) * of(DType::kFloat64, {1})).dtype(), DType::kFloat64);
  EXPECT_EQ((of(DType::kFloat32, {}) * of(DType::kFloat64, {})).dtype(), DType::kFloat64);
}

// float32 overflows, or vanishes, and nothing in between.
TEST(Pointwise, FunctionsOfLargeNumbers) {
  std::vector<float> x;
  for (float v : {0.5f, 40.0f, 86.9f, 88.5f, 88.73f, 103.5f, 105.0f, 178.0f, 200.0f, 266.0f, 711.0f,
                  1e3f, 1e6f, 1e30f, INFINITY})
    x.insert(x.end(), {v, -v});
  const std::pair<Tensor (*)(const Tensor&), double (*)(double)> functions[] = {
      {exp, std::exp},
      {tanh, std::tanh},
      {sigmoid, [](double v) { return 1 / (1 + std::exp(-v)); }},
      {silu, [](double v) { return v == -INFINITY ? NAN : v / (1 + std::exp(-v)); }},
  };
  test::for_each_target([&] {
    const Tensor numbers = Tensor::from(x, {static_cast<int64_t>(x.size())});
    for (size_t f = 0; f < std::size(functions); ++f) {
      const std::vector<float> y = functions[f].first(numbers).values<float>();
      for (size_t i = 0; i < x.size(); ++i) {
        const auto expected = static_cast<float>(functions[f].second(x[i]));
        if (std::isnan(expected))
          EXPECT_TRUE(std::isnan(y[i])) << "function " << f << " of " << x[i] << ": " << y[i];
        else if (std::isinf(expected))
          EXPECT_EQ(y[i], expected) << "function " << f << " of " << x[i];
        else if (std::abs(expected) < 1e-35f)  // may be flushed to zero
          EXPECT_LT(std::abs(y[i]), 1e-35f) << "function " << f << " of " << x[i];
        else
          EXPECT_NEAR(y[i] / expected, 1, 2e-6) << "function " << f << " of " << x[i];
      }
    }
  });
}

TEST(Pointwise, TheGradientOfReluLetsNaNThrough) {
  test::for_each_target([] {
    const Tensor x = Tensor::from({NAN, 1.0f, 0.0f, -1.0f}).set_requires_grad();
    EXPECT_EQ(grad(sum(relu(x)), {x})[0].values<float>(), (std::vector<float>{1, 1, 0, 0}));
  });
}

}  // namespace
}  // namespace ballast
