#include "ballast/data/digits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace ballast::data {
namespace {

double sum_of_pixels(const ArrayDataset& d) {
  const auto x = d.inputs.as<float>();
  return std::accumulate(x.begin(), x.end(), 0.0) * 16;
}

TEST(Digits, AreTheOnesOfScikitLearn) {
  const ArrayDataset d = digits_arrays();
  EXPECT_EQ(d.inputs.shape, (Shape{1797, 1, 8, 8}));
  EXPECT_EQ(d.labels.shape, (Shape{1797}));
  // The first row of the first image, a zero, times 16; the sum over the set; the count of each
  // class.
  const float first[] = {0, 0, 5, 13, 9, 1, 0, 0};
  for (int i = 0; i < 8; ++i) EXPECT_EQ(d.inputs.as<float>()[i], first[i] / 16);
  EXPECT_EQ(sum_of_pixels(d), 561718);
  const auto labels = d.labels.as<int64_t>();
  const int64_t counts[] = {178, 182, 177, 183, 181, 182, 181, 179, 174, 180};
  for (int c = 0; c < 10; ++c)
    EXPECT_EQ(std::count(labels.begin(), labels.end(), c), counts[c]) << c;
}

TEST(Digits, ValuesLieBetweenZeroAndOne) {
  const ArrayDataset d = digits_arrays();
  const auto x = d.inputs.as<float>();
  EXPECT_EQ(*std::min_element(x.begin(), x.end()), 0);
  EXPECT_EQ(*std::max_element(x.begin(), x.end()), 1);
}

TEST(Digits, TrainAndTestAreAllSamplesOnceInPyTorchsOrder) {
  const ArrayDataset all = digits_arrays(), train = digits_arrays(Split::kTrain),
                     test = digits_arrays(Split::kTest);
  EXPECT_EQ(train.size(), 1437);
  EXPECT_EQ(test.size(), 360);
  EXPECT_EQ(sum_of_pixels(train) + sum_of_pixels(test), sum_of_pixels(all));
  // torch.manual_seed(0); torch.randperm(1797) begins 362 and ends 317.
  const auto image = [](const ArrayDataset& d, int64_t i) {
    const auto s = d.inputs.as<float>().subspan(i * 64, 64);
    return std::vector<float>(s.begin(), s.end());
  };
  EXPECT_EQ(image(train, 0), image(all, 362));
  EXPECT_EQ(train.labels.as<int64_t>()[0], all.labels.as<int64_t>()[362]);
  EXPECT_EQ(image(test, 359), image(all, 317));
  EXPECT_EQ(test.labels.as<int64_t>()[359], all.labels.as<int64_t>()[317]);
}

}  // namespace
}  // namespace ballast::data
