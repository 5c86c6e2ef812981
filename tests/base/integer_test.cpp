#include "ballast/base/integer.h"

#include <gtest/gtest.h>

#include "ballast/base/bytes.h"

namespace ballast {
namespace {

constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

TEST(Integer, CheckedArithmeticThrowsWhereTheResultDoesNotFit) {
  EXPECT_EQ((Checked(kMost) - 1 + 1).value(), kMost);
  EXPECT_THROW(Checked(kMost) + 1, Error);
  EXPECT_THROW(Checked(kLeast) - 1, Error);
  EXPECT_THROW(Checked(0) - kLeast, Error);
  EXPECT_THROW(Checked(kMost) * 2, Error);
}

TEST(Integer, DivisionRoundsAndWrapsAsPyTorchDoes) {
  for (int64_t a : {int64_t{-7}, int64_t{-6}, int64_t{0}, int64_t{7}, kMost})
    for (int64_t b : {int64_t{-2}, int64_t{-1}, int64_t{1}, int64_t{3}, kMost}) {
      const Division<int64_t> d(a, b);
      EXPECT_EQ(d.quotient, a / b);
      EXPECT_EQ(d.rest, a % b);
      const bool off = a % b != 0 && (a < 0) != (b < 0);
      EXPECT_EQ(d.floor(), a / b - off);
      EXPECT_EQ(d.modulo(), a % b + (off ? b : 0));
    }
  const Division<int64_t> least(kLeast, -1);
  EXPECT_EQ(least.floor(), kLeast);
  EXPECT_EQ(least.modulo(), 0);
  EXPECT_EQ((Division<uint8_t>(200, 7).floor()), 28);
  EXPECT_THROW(Division<int64_t>(1, 0), Error);
}

TEST(Integer, ElementsWrapAround) {
  EXPECT_EQ(wrapping_add(kMost, int64_t{1}), kLeast);
  EXPECT_EQ(wrapping_sub(int64_t{0}, kLeast), kLeast);
  EXPECT_EQ(wrapping_mul(kMost, int64_t{2}), -2);
  EXPECT_EQ(wrapping_add(uint8_t{255}, uint8_t{2}), 1);
  EXPECT_EQ(wrapping_add(1.5, 1.0), 2.5);
}

TEST(Integer, ShiftsBeyondTheWidthLeaveNothing) {
  EXPECT_EQ(shifted_left(int64_t{1}, int64_t{63}), kLeast);
  for (int64_t bits : {int64_t{64}, int64_t{-1}, kMost, kLeast}) {
    EXPECT_EQ(shifted_left(int64_t{3}, bits), 0);
    EXPECT_EQ(shifted_right(int64_t{8}, bits), 0);
    EXPECT_EQ(shifted_right(int64_t{-8}, bits), -1);
  }
  EXPECT_EQ(shifted_right(int64_t{-8}, int64_t{2}), -2);
  EXPECT_EQ(shifted_left(uint8_t{8}, uint8_t{7}), 0);
  EXPECT_EQ(shifted_right(uint8_t{200}, uint8_t{8}), 0);
}

TEST(Integer, BytesThatDoNotFitAreErrors) {
  EXPECT_EQ(bytes_of(Shape{3, 5}, DType::kFloat64), 120u);
  EXPECT_EQ(bytes_of(Shape{0, 5}, DType::kFloat64), 0u);
  EXPECT_THROW(bytes_of(Shape{int64_t{1} << 62}, DType::kFloat32), Error);
  EXPECT_THROW(bytes_of(Shape{int64_t{1} << 40, int64_t{1} << 40}, DType::kBool), Error);
  // Strides are products, too: an empty dimension does not excuse the others.
  EXPECT_THROW(bytes_of(Shape{0, int64_t{1} << 40, int64_t{1} << 40}, DType::kBool), Error);
  EXPECT_THROW(bytes_of(kMost, DType::kInt64), Error);
}

}  // namespace
}  // namespace ballast
