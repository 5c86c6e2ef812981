#include "ballast/base/shape.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

TEST(Shape, BroadcastFollowsNumPy) {
  EXPECT_EQ(broadcast({8, 1, 3}, {4, 1}), (Shape{8, 4, 3}));
  EXPECT_EQ(broadcast({}, {2}), (Shape{2}));
  EXPECT_EQ(broadcast({0, 3}, {1, 3}), (Shape{0, 3}));
  EXPECT_THROW(broadcast({2}, {3}), Error);
}

TEST(Shape, CountRefusesToOverflow) {
  EXPECT_EQ((Shape{2, 0, 5}).numel(), 0);
  EXPECT_EQ(Shape{}.numel(), 1);
  EXPECT_THROW((Shape{int64_t{1} << 40, int64_t{1} << 40}).numel(), Error);
}

TEST(Shape, NegativeDimensionsCountFromTheEnd) {
  const Shape s{2, 3};
  EXPECT_EQ(s.normalize(-1), 1);
  EXPECT_THROW(s.normalize(2), IndexError);
  EXPECT_EQ(Shape{}.normalize(-1), 0);
}

}  // namespace
}  // namespace ballast
