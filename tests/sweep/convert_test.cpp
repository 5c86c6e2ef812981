#include "ballast/sweep/convert.h"

#include <gtest/gtest.h>

#include <vector>

namespace ballast {
namespace {

TEST(Convert, BringsChannelsToTheEndAndBack) {
  for (const Shape& s : {Shape{2, 3, 5, 7}, Shape{1, 1, 4, 4}, Shape{3, 17, 1, 1},
                         Shape{2, 3, 300, 200}, Shape{1, 700, 9, 5}, Shape{2, 64, 40, 40},
                         Shape{1, 5, 2, 3, 4}, Shape{2, 0, 3}, Shape{0, 3, 4, 4}}) {
    std::vector<float> x(s.numel()), y(s.numel()), z(s.numel());
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
    sweep::convert_layout(s, true, x.data(), y.data());
    const int64_t channels = s[1], pixels = s.span_numel(2, s.rank());
    for (int64_t n = 0; n < s[0]; ++n)
      for (int64_t i = 0; i < pixels; ++i)
        for (int64_t c = 0; c < channels; ++c)
          ASSERT_EQ(y[(n * pixels + i) * channels + c], x[(n * channels + c) * pixels + i])
              << s.str();
    sweep::convert_layout(s, false, y.data(), z.data());
    EXPECT_EQ(x, z) << s.str();
  }
}

}  // namespace
}  // namespace ballast
