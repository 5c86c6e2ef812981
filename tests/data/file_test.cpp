#include "ballast/data/file.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ballast/base/file.h"
#include "ballast/io/npy.h"
#include "tests/support/files.h"

namespace ballast::data {
namespace {

using ballast::testing::error_of;
using ballast::testing::Folder;
using io::Array;

class DataFile : public ::testing::Test {
 protected:
  Folder folder_;

  std::string error(const std::string& path) {
    const std::string message = error_of<FileError>([&] { load_arrays(path); });
    EXPECT_TRUE(message.starts_with(path)) << message;
    return message.substr(path.size());
  }
  std::string error_in_npz(const io::NamedArrays& arrays) {
    io::write_npz(folder_ / "a.npz", arrays);
    return error(folder_ / "a.npz");
  }
  std::string error_in_npy(const Array& array) {
    io::write_npy(folder_ / "a.npy", array);
    return error(folder_ / "a.npy");
  }
  static void expect_sample(const ArrayDataset& d) {
    const auto x = d.inputs.as<float>();
    EXPECT_EQ(std::vector<float>(x.begin(), x.end()), (std::vector<float>{1, 2, 3, 4}));
    const auto y = d.labels.as<int64_t>();
    EXPECT_EQ(std::vector<int64_t>(y.begin(), y.end()), (std::vector<int64_t>{5, 0}));
  }
};

TEST_F(DataFile, TheEndingSaysTheFormat) {
  write_atomically(folder_ / "a.CSV", bytes_of("1,2,5\n3,4,0\n"));
  expect_sample(load_arrays(folder_ / "a.CSV"));
  io::write_npy(folder_ / "a.npy", Array::of<double>({2, 3}, {1, 2, 5, 3, 4, 0}));
  expect_sample(load_arrays(folder_ / "a.npy"));
  EXPECT_EQ(load_arrays(folder_ / "a.npy").inputs.shape, (Shape{2, 2}));
  EXPECT_EQ(error(folder_ / "a.txt"), ": expected a file that ends in .csv, .npy or .npz");
  EXPECT_EQ(error(folder_ / "no.csv"), ": cannot open: No such file or directory");
}

TEST_F(DataFile, ArraysOfAnNpzAreFoundByNameOrElseByOrder) {
  const Array x = Array::of<uint8_t>({2, 1, 2}, {1, 2, 3, 4}), y = Array::of<int64_t>({2}, {5, 0});
  for (const auto& [first, second] :
       {std::pair("x", "y"), {"X", "y"}, {"images", "labels"}, {"data", "target"}}) {
    io::write_npz(folder_ / "a.npz", {{"other", y}, {second, y}, {first, x}});
    expect_sample(load_arrays(folder_ / "a.npz"));
    EXPECT_EQ(load_arrays(folder_ / "a.npz").inputs.shape, (Shape{2, 1, 2}));
  }
  io::write_npz(folder_ / "a.npz", {{"a", x}, {"b", y}});
  expect_sample(load_arrays(folder_ / "a.npz"));
}

TEST_F(DataFile, WhatIsNotFiniteIsNamed) {
  EXPECT_EQ(error_in_npy(Array::of<float>({2, 3}, {1, 2, 0, 3, NAN, 0})),
            ": sample 1, column 1: nan is not a finite float32 number");
  EXPECT_EQ(error_in_npy(Array::of<double>({1, 2}, {-1e300, 0})),
            ": sample 0, column 0: -1e+300 is not a finite float32 number");
  write_atomically(folder_ / "a.csv", bytes_of("1,2\nnan,2\n"));
  EXPECT_EQ(error(folder_ / "a.csv"), ":2:1: \"nan\" is not a finite number");
}

TEST_F(DataFile, LabelsAreWholeAndNotNegative) {
  EXPECT_EQ(error_in_npy(Array::of<float>({2, 2}, {1, 2, 3, 0.5})),
            ": sample 1: the label 0.5 is not a whole number");
  EXPECT_EQ(error_in_npy(Array::of<float>({1, 2}, {1, NAN})),
            ": sample 0: the label nan is not a whole number");
  EXPECT_EQ(error_in_npy(Array::of<int64_t>({1, 2}, {1, -2})),
            ": sample 0: the label -2 is negative");
  write_atomically(folder_ / "a.csv", bytes_of("1,2\n1,-2\n"));
  EXPECT_EQ(error(folder_ / "a.csv"), ": sample 1: the label -2 is negative");
}

TEST_F(DataFile, ShapesMustFit) {
  const Array x = Array::zeros(DType::kFloat32, {2, 3}), y = Array::zeros(DType::kInt64, {2});
  EXPECT_EQ(error_in_npy(y),
            ": expected a matrix whose last column holds the labels, got shape [2]");
  EXPECT_EQ(error_in_npz({{"x", x}}),
            ": expected two arrays, samples and labels (such as x and y), got 1");
  EXPECT_EQ(error_in_npz({{"x", x}, {"y", x}}),
            ": expected one label for each of 2 samples, got labels of shape [2, 3]");
  EXPECT_EQ(error_in_npz({{"x", x}, {"y", Array::zeros(DType::kInt64, {3})}}),
            ": expected one label for each of 2 samples, got labels of shape [3]");
  EXPECT_EQ(error_in_npz({{"x", y}, {"y", y}}),
            ": expected samples of shape (N, ...), got shape [2]");
  EXPECT_EQ(error_in_npy(Array::zeros(DType::kFloat32, {0, 3})),
            ": there are no samples in it: inputs have shape [0, 2]");
}

}  // namespace
}  // namespace ballast::data
