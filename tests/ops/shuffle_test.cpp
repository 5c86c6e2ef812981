#include "ballast/ops/shuffle.h"

#include <gtest/gtest.h>

#include "ballast/ops/create.h"
#include "tests/support/files.h"

namespace ballast {
namespace {

using testing::error_of;

TEST(Shuffle, UndoesItself) {
  const Tensor x = randn({2, 8, 3, 5});
  EXPECT_EQ(pixel_shuffle(x, 2).shape(), (Shape{2, 2, 6, 10}));
  EXPECT_EQ(pixel_unshuffle(pixel_shuffle(x, 2), 2).values<float>(), x.values<float>());
  EXPECT_EQ(channel_shuffle(channel_shuffle(x, 2), 4).values<float>(), x.values<float>());
  EXPECT_EQ(unflatten(x.flatten(1, 2), 1, {8, -1}).values<float>(), x.values<float>());
}

TEST(Shuffle, RefusesSizesThatDoNotFit) {
  const Tensor x = randn({1, 3, 4, 5});
  EXPECT_EQ(
      error_of<Error>([&] { pixel_shuffle(x, 2); }),
      "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of "
      "upscale_factor, but input.size(-3)=3 is not divisible by 4");
  EXPECT_EQ(error_of<Error>([&] { pixel_shuffle(x, 0); }),
            "pixel_shuffle expects a positive upscale_factor, but got 0");
  EXPECT_EQ(error_of<Error>([&] { pixel_unshuffle(x, 2); }),
            "pixel_unshuffle expects height and width to be divisible by downscale_factor, but got "
            "input of size [1, 3, 4, 5] and downscale_factor=2");
  EXPECT_EQ(error_of<Error>([&] {
              pixel_shuffle(randn({2, 2}), 2);
            }),
            "pixel_shuffle expects input to have at least 3 dimensions, but got input with 2 "
            "dimension(s)");
  EXPECT_THROW(pixel_shuffle(x, int64_t{1} << 32), Error);
  EXPECT_EQ(error_of<Error>([&] { channel_shuffle(x, 2); }),
            "Number of channels must be divisible by groups. Got 3 channels and 2 groups.");
  EXPECT_EQ(error_of<Error>([&] {
              unflatten(x, 1, {2, -1});
            }),
            "unflatten: Provided sizes [2, -1] don't multiply up to the size of dim 1 (3) in the "
            "input tensor");
}

}  // namespace
}  // namespace ballast
