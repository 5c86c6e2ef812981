#include "ballast/data/prepare.h"

#include <gtest/gtest.h>

#include "ballast/base/file.h"
#include "tests/support/files.h"

namespace ballast::data {
namespace {

using ballast::testing::error_of;
using ballast::testing::Folder;
using io::Array;
using models::Input;

Array prepare(Input kind, const Array& x) { return Preparation::fit(kind, x)(x); }

TEST(Prepare, DigitsTakeTheShapeEachNetworkWants) {
  for (const models::Entry& e : models::entries()) {
    const SplitArrays d = prepared("digits", e.name);
    Shape expected = e.sample;
    if (expected.rank() == 3) expected[1] = expected[2] = 8;
    EXPECT_EQ(sample_shape(d.train.inputs), expected) << e.name;
    EXPECT_EQ(sample_shape(d.test.inputs), expected) << e.name;
    EXPECT_EQ(d.train.size(), 1437);
    EXPECT_EQ(d.test.size(), 360);
  }
}

TEST(Prepare, TestSamplesAreSeenThroughTheComponentsOfTheTrainingSamples) {
  const SplitArrays raw = load_split("digits");
  const Array expected = Pca::fit(raw.train.inputs, 10).transform(raw.test.inputs);
  const Array got = prepared("digits", "net").test.inputs;
  for (int i = 0; i < 3600; ++i) ASSERT_EQ(got.as<float>()[i], expected.as<float>()[i]) << i;
}

TEST(Prepare, GreyImagesAreRepeatedToThreeChannels) {
  const Array x = Array::of<float>({2, 1, 1, 2}, {1, 2, 3, 4});
  const Array y = prepare(Input::kColour, x);
  EXPECT_EQ(y.shape, (Shape{2, 3, 1, 2}));
  const float expected[] = {1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4};
  for (int i = 0; i < 12; ++i) EXPECT_EQ(y.as<float>()[i], expected[i]) << i;
  const Array rgb = Array::zeros(DType::kFloat32, {2, 3, 4, 4});
  EXPECT_EQ(prepare(Input::kColour, rgb).shape, rgb.shape);
}

TEST(Prepare, RowsOfASquareNumberOfPixelsAreImages) {
  EXPECT_EQ(prepare(Input::kImage, Array::zeros(DType::kFloat32, {5, 49})).shape,
            (Shape{5, 1, 7, 7}));
  EXPECT_EQ(prepare(Input::kImage, Array::zeros(DType::kFloat32, {5, 3, 4})).shape,
            (Shape{5, 1, 3, 4}));
  EXPECT_EQ(prepare(Input::kVector, Array::zeros(DType::kFloat32, {5, 2, 3, 4})).shape,
            (Shape{5, 24}));
}

TEST(Prepare, SamplesThatDoNotFitAreErrors) {
  EXPECT_EQ(error_of<ValueError>([] {
              prepare(Input::kImage, Array::zeros(DType::kFloat32, {5, 30}));
            }),
            "expected images (C, H, W), (H, W) or a square number of pixels, got samples of shape "
            "[30]");
  EXPECT_EQ(error_of<ValueError>([] {
              prepare(Input::kColour, Array::zeros(DType::kFloat32, {5, 2, 4, 4}));
            }),
            "expected images of 1 or 3 channels, got samples of shape [2, 4, 4]");
  EXPECT_EQ(error_of<ValueError>([] {
              prepare(Input::kComponents, Array::zeros(DType::kFloat32, {5, 9}));
            }),
            "expected samples of at least 10 numbers, got samples of shape [9]");
}

TEST(Prepare, AFifthOfAFileIsForTheTest) {
  Folder folder;
  std::string text;
  for (int i = 0; i < 11; ++i) text += std::to_string(i) + ",0.5," + std::to_string(i) + "\n";
  write_atomically(folder / "a.csv", bytes_of(text));
  const SplitArrays d = load_split(folder / "a.csv");
  EXPECT_EQ(d.train.size(), 9);
  EXPECT_EQ(d.test.size(), 2);
  std::vector<bool> seen(11);
  for (const ArrayDataset* part : {&d.train, &d.test})
    for (int64_t i = 0; i < part->size(); ++i) {
      const int64_t label = part->labels.as<int64_t>()[i];
      EXPECT_EQ(part->inputs.as<float>()[2 * i], static_cast<float>(label));
      EXPECT_FALSE(seen[label]);
      seen[label] = true;
    }
  write_atomically(folder / "one.csv", bytes_of("1,2,0\n"));
  EXPECT_EQ(error_of<FileError>([&] { load_split(folder / "one.csv"); }),
            folder / "one.csv" + ": one sample cannot be divided into training and test samples");
}

}  // namespace
}  // namespace ballast::data
