// Element types: half numbers round as they must, conversions wrap and round as PyTorch's.
#include "ballast/base/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace ballast {
namespace {

template <class T>
class HalfTypes : public testing::Test {};
using Halves = testing::Types<Half, BFloat16>;
TYPED_TEST_SUITE(HalfTypes, Halves);

// The numbers from 0 to infinity, in order.
template <class T>
std::vector<float> numbers() {
  std::vector<float> out;
  for (uint32_t bits = 0;; ++bits) {
    out.push_back(T::from_bits(static_cast<uint16_t>(bits)));
    if (std::isinf(out.back())) return out;
  }
}

TYPED_TEST(HalfTypes, EveryNumberIsItself) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const TypeParam x = TypeParam::from_bits(static_cast<uint16_t>(bits));
    const float f = x;
    if (std::isnan(f))
      EXPECT_TRUE(std::isnan(static_cast<float>(TypeParam(f))));
    else
      EXPECT_EQ(TypeParam(f).bits, x.bits);
  }
}

// Between two neighbours a number goes to the nearer one, and from their middle to the even one:
// the position in the list has the parity of the last digit.
TYPED_TEST(HalfTypes, NumbersBetweenAreRoundedToTheNearestEven) {
  const std::vector<float> all = numbers<TypeParam>();
  for (size_t i = 0; i + 2 < all.size(); ++i) {
    const float low = all[i], high = all[i + 1];
    const float middle = static_cast<float>((double{low} + high) / 2);
    const float even = i % 2 ? high : low;
    for (float sign : {1.0f, -1.0f}) {
      EXPECT_EQ(static_cast<float>(TypeParam(sign * middle)), sign * even) << middle;
      const float below = std::nextafter(middle, low), above = std::nextafter(middle, high);
      EXPECT_EQ(static_cast<float>(TypeParam(sign * below)), sign * low);
      EXPECT_EQ(static_cast<float>(TypeParam(sign * above)), sign * high);
    }
  }
}

TEST(Half, NumbersBeyondTheLargestBecomeInfinite) {
  EXPECT_EQ(static_cast<float>(Half(65519.0f)), 65504.0f);
  EXPECT_EQ(static_cast<float>(Half(65520.0f)), INFINITY);
  EXPECT_EQ(static_cast<float>(Half(-1e30f)), -INFINITY);
  EXPECT_EQ(static_cast<float>(BFloat16(std::numeric_limits<float>::max())), INFINITY);
}

template <class To, class From>
std::vector<To> converted(const std::vector<From>& from) {
  std::vector<To> to(from.size());
  convert_elements(from.data(), dtype_of<From>, to.data(), dtype_of<To>,
                   static_cast<int64_t>(from.size()));
  return to;
}

TEST(Conversion, WholeNumbersWrapAround) {
  EXPECT_EQ((converted<int8_t, int64_t>({127, 128, 300, -129})),
            (std::vector<int8_t>{127, -128, 44, 127}));
  EXPECT_EQ((converted<uint16_t, int32_t>({-1, 65536})), (std::vector<uint16_t>{65535, 0}));
  EXPECT_EQ((converted<uint8_t, float>({-1.5f, 256.0f, 300.9f})),
            (std::vector<uint8_t>{255, 0, 44}));
}

TEST(Conversion, WhatInt32DoesNotHoldBecomesTheLeast) {
  EXPECT_EQ((converted<int32_t, double>({2147483647.5, 2147483648.0, -1e300, NAN})),
            (std::vector<int32_t>{2147483647, INT32_MIN, INT32_MIN, INT32_MIN}));
}

// Longer than what is converted at a time.
TEST(Conversion, GoesByWayOfTheComputeTypeForAnyLength) {
  for (const int64_t n : {0, 1, 511, 512, 513, 2000}) {
    std::vector<int16_t> from(n);
    for (int64_t i = 0; i < n; ++i) from[i] = static_cast<int16_t>(i - 1000);
    const std::vector<Half> half = converted<Half>(from);
    const std::vector<int16_t> back = converted<int16_t>(half);
    EXPECT_EQ(back, from);
  }
}

TEST(Promotion, IsCommutativeAndEveryTypeIsItsOwn) {
  for (const DType a : kAllDTypes) {
    EXPECT_EQ(promote(a, a), a);
    for (const DType b : kAllDTypes) {
      const bool apart =
          (a == DType::kUint16) != (b == DType::kUint16) && !is_floating(a) && !is_floating(b);
      if (apart)
        EXPECT_THROW(promote(a, b), Error);
      else
        EXPECT_EQ(promote(a, b), promote(b, a));
    }
  }
  EXPECT_EQ(promote(DType::kUint8, DType::kInt8), DType::kInt16);
  EXPECT_EQ(promote(DType::kFloat16, DType::kBFloat16), DType::kFloat32);
  EXPECT_EQ(promote(DType::kInt64, DType::kBFloat16), DType::kBFloat16);
}

}  // namespace
}  // namespace ballast
