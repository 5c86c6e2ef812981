#include "ballast/ops/interpolate.h"

#include <gtest/gtest.h>

#include "ballast/ops/create.h"
#include "tests/support/files.h"

namespace ballast {
namespace {

using testing::error_of;

TEST(Interpolate, OneNumberStandsForAllDimensions) {
  const Tensor x = randn({1, 2, 3, 4});
  EXPECT_EQ(interpolate(x, {.size = {6}}).shape(), (Shape{1, 2, 6, 6}));
  EXPECT_EQ(interpolate(x, {.scale_factor = {2}}).shape(), (Shape{1, 2, 6, 8}));
  EXPECT_EQ(interpolate(x, {.scale_factor = {2, 0.5}, .mode = "bilinear"}).shape(),
            (Shape{1, 2, 6, 2}));
  EXPECT_EQ(interpolate(x, {.size = {3, 4}}).values<float>(), x.values<float>());
}

TEST(Interpolate, RefusesOptionsThatDoNotFit) {
  const Tensor x = randn({1, 2, 3, 4});
  const auto error = [&](const InterpolateOptions& o) {
    return error_of<ValueError>([&] { interpolate(x, o); });
  };
  EXPECT_EQ(error({}), "either size or scale_factor should be defined");
  EXPECT_EQ(error({.size = {2}, .scale_factor = {2}}),
            "only one of size or scale_factor should be defined");
  EXPECT_EQ(error({.size = {2, 2, 2}}),
            "Input and output must have the same number of spatial dimensions, but got input with "
            "spatial dimensions of [3, 4] and output size of [2, 2, 2].");
  EXPECT_NE(error({.size = {2}, .align_corners = false}).find("align_corners"), std::string::npos);
  EXPECT_NE(error({.size = {2}, .antialias = true}).find("Anti-alias"), std::string::npos);
  EXPECT_NE(error({.size = {2}, .recompute_scale_factor = true}).find("not meaningful"),
            std::string::npos);
  EXPECT_THROW(interpolate(x, {.scale_factor = {1e30}}), ValueError);
  EXPECT_THROW(interpolate(x, {.size = {2}, .mode = "linear"}), NotImplementedError);
  EXPECT_THROW(interpolate(x, {.size = {2}, .mode = "sharp"}), NotImplementedError);
  EXPECT_THROW(interpolate(randn({3}), {.size = {2}}), NotImplementedError);
}

}  // namespace
}  // namespace ballast
