#include "ballast/ops/pointwise.h"

#include <gtest/gtest.h>

#include "ballast/ops/compare.h"

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

}  // namespace
}  // namespace ballast
