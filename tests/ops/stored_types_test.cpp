// Types that are stored only: operations compute in the compute type and convert once.
#include <gtest/gtest.h>

#include "ballast/ops/matmul.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"

namespace ballast {
namespace {

TEST(StoredTypes, ValuesAreHeldInTheirOwnType) {
  const Tensor x = Tensor::from<int32_t>({1, -2, 3});
  EXPECT_EQ(x.dtype(), DType::kInt32);
  EXPECT_EQ(x.values<int32_t>(), (std::vector<int32_t>{1, -2, 3}));
  EXPECT_THROW(x.data<int64_t>(), TypeError);
  EXPECT_EQ(Tensor::from<Half>({Half(1.5f)}).item(), 1.5);
  EXPECT_EQ(static_cast<float>(Tensor::from<BFloat16>({BFloat16(2.0f)}).data<BFloat16>()[0]), 2.0f);
}

TEST(StoredTypes, WholeNumbersWrapAround) {
  const Tensor x = Tensor::from<int8_t>({100, -128, 7});
  EXPECT_EQ((x + x).values<int8_t>(), (std::vector<int8_t>{-56, 0, 14}));
  EXPECT_EQ((x * x).dtype(), DType::kInt8);
  EXPECT_EQ(neg(x).values<int8_t>(), (std::vector<int8_t>{-100, -128, -7}));
  EXPECT_EQ(sum(x).values<int64_t>(), (std::vector<int64_t>{-21}));
}

TEST(StoredTypes, AHalfResultIsRoundedOnce) {
  const Tensor x = Tensor::from<Half>({Half(0.1f), Half(2049.0f), Half(1e4f)});
  const Tensor wide = x.to(DType::kFloat32);
  const auto same = [](const Tensor& half, const Tensor& full) {
    ASSERT_EQ(half.dtype(), DType::kFloat16);
    EXPECT_EQ(half.to(DType::kFloat32).values<float>(),
              full.to(DType::kFloat16).to(DType::kFloat32).values<float>());
  };
  same(x * 0.1, wide * 0.1);
  same(x * x, wide * wide);
  same(mean(x), mean(wide));
  const Tensor m = reshape(x, Shape{1, 3}), w = reshape(wide, Shape{1, 3});
  same(matmul(m, m.t()), matmul(w, w.t()));
}

// A chain in one plan gives what its parts give one by one.
TEST(StoredTypes, FusedEqualsWhole) {
  const Tensor x = Tensor::from<BFloat16>({BFloat16(0.3f), BFloat16(-1.7f), BFloat16(250.0f)});
  const Tensor fused = relu(x * 1.1 + 0.7) * x;
  Tensor parts = (x * 1.1).eval();
  parts = (parts + 0.7).eval();
  parts = relu(parts).eval();
  EXPECT_EQ(fused.to(DType::kFloat32).values<float>(),
            (parts * x).to(DType::kFloat32).values<float>());
}

TEST(StoredTypes, GradientsHaveTheTensorsType) {
  Tensor x = Tensor::from<Half>({Half(1.0f), Half(2.0f)});
  x.set_requires_grad();
  const Tensor y = sum(x * x * x);
  y.backward();
  EXPECT_EQ(x.grad().dtype(), DType::kFloat16);
  EXPECT_EQ(x.grad().to(DType::kFloat32).values<float>(), (std::vector<float>{3, 12}));
  EXPECT_THROW(Tensor::from<int32_t>({1}).set_requires_grad(), Error);
}

TEST(StoredTypes, MovingElementsConvertsNothing) {
  const Tensor x = Tensor::from<int16_t>({1, 2, 3, 4, 5, 6});
  const Tensor y = slice(reshape(x, Shape{2, 3}).t(), 0, 1, 3);
  EXPECT_TRUE(y.node().op->takes_stored_types());
  EXPECT_EQ(y.values<int16_t>(), (std::vector<int16_t>{2, 5, 3, 6}));
}

}  // namespace
}  // namespace ballast
