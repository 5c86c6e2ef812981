#include "ballast/ops/rearrange.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "ballast/ops/create.h"
#include "tests/support/files.h"
#include "tests/support/golden.h"
#include "tests/support/gradcheck.h"

namespace ballast {
namespace {

using In = const std::vector<Tensor>&;
using test::expect_golden;
using test::uniform;
using testing::error_of;

TEST(Rearrange, PermutationsMatchPyTorch) {
  expect_golden("permute", [](In in) { return in[0].permute({2, 0, 1}); });
  expect_golden("permute_outer", [](In in) { return in[0].permute({1, 0, 2}); });
  expect_golden("transpose", [](In in) { return in[0].transpose(-1, 1); });
  expect_golden("movedim", [](In in) { return movedim(in[0], 0, -1); });
}

TEST(Rearrange, PermutingBackGivesTheTensorForAllShapesAndTypes) {
  std::mt19937 random(3);
  for (int trial = 0; trial < 200; ++trial) {
    Shape shape;
    std::vector<int64_t> dims(random() % 6), back(dims.size());
    for (size_t d = 0; d < dims.size(); ++d) {
      dims[d] = static_cast<int64_t>(d);
      shape.push_back(random() % 5 + (random() % 8 > 0));
    }
    std::shuffle(dims.begin(), dims.end(), random);
    for (size_t d = 0; d < dims.size(); ++d) back[dims[d]] = static_cast<int64_t>(d);
    const DType type = kAllDTypes[trial % kDTypes];
    const Tensor x = (uniform(shape, trial) * 50.0 + 50.0).to(type);
    const Tensor y = permute(permute(x, dims), back);
    EXPECT_EQ(y.to(DType::kFloat64).values<double>(), x.to(DType::kFloat64).values<double>());
    EXPECT_EQ(y.shape(), shape);
  }
}

TEST(Rearrange, JoinsMatchPyTorch) {
  expect_golden("cat", [](In in) { return cat({in[0], unsqueeze(in[1], 0), in[0]}, 0); });
  expect_golden("cat_types", [](In in) { return cat({in[0], in[1]}, 1); });
  expect_golden("stack", [](In in) { return stack({in[0], in[0] * 2.0}, -1); });
}

TEST(Rearrange, FlipRepeatAndTrianglesMatchPyTorch) {
  expect_golden("flip", [](In in) { return flip(in[0], {0, -1}); });
  expect_golden("repeat", [](In in) { return repeat(in[0], {2, 1, 3, 2}); });
  expect_golden("tril", [](In in) { return tril(in[0], 1); });
  expect_golden("triu", [](In in) { return triu(in[0]); });
}

TEST(Rearrange, CatUndoesSplitAndChunk) {
  for (int64_t n : {1, 2, 5, 7})
    for (int64_t dim : {0, 1, -1}) {
      const Tensor x = uniform({n, n + 1, 3}, n);
      for (int64_t size : {1, 2, 3, 10})
        EXPECT_EQ(cat(split(x, size, dim), dim).values<double>(), x.values<double>());
      for (int64_t pieces : {1, 2, 4})
        EXPECT_EQ(cat(chunk(x, pieces, dim), dim).values<double>(), x.values<double>());
    }
}

TEST(Rearrange, ChunkMakesPyTorchsPieces) {
  std::vector<int64_t> sizes;
  for (const Tensor& piece : chunk(uniform({7}, 1), 5)) sizes.push_back(piece.size(0));
  EXPECT_EQ(sizes, (std::vector<int64_t>{2, 2, 2, 1}));
}

TEST(Rearrange, SqueezesAndUnsqueezes) {
  const Tensor x = uniform({2, 1, 3, 1}, 1);
  EXPECT_EQ(x.squeeze().shape(), (Shape{2, 3}));
  EXPECT_EQ(x.squeeze(1).shape(), (Shape{2, 3, 1}));
  EXPECT_EQ(x.squeeze(0).shape(), (Shape{2, 1, 3, 1}));
  EXPECT_EQ(x.unsqueeze(-1).shape(), (Shape{2, 1, 3, 1, 1}));
  EXPECT_EQ(x.unsqueeze(0).shape(), (Shape{1, 2, 1, 3, 1}));
  EXPECT_EQ(full({}, 1).unsqueeze(0).shape(), (Shape{1}));
}

TEST(Rearrange, SelectsAndNarrows) {
  const Tensor x = arange(6).reshape({2, 3});
  EXPECT_EQ(select(x, 1, -1).values<int64_t>(), (std::vector<int64_t>{2, 5}));
  EXPECT_EQ(narrow(x, 1, 1, 2).values<int64_t>(), (std::vector<int64_t>{1, 2, 4, 5}));
}

TEST(Rearrange, CatSkipsTheEmptyVector) {
  EXPECT_EQ(cat({zeros({0}), ones({2, 2})}, 1).shape(), (Shape{2, 2}));
}

TEST(Rearrange, CatJoinsMoreThanThirtyTwoTensors) {
  std::vector<Tensor> parts;
  std::vector<float> all;
  for (int i = 0; i < 70; ++i) {
    parts.push_back(full({1, 2}, static_cast<double>(i)).set_requires_grad());
    all.insert(all.end(), 2, static_cast<float>(i));
  }
  const Tensor joined = cat(parts, 0);
  EXPECT_EQ(joined.values<float>(), all);
  (joined * joined).sum().backward();
  for (int i = 0; i < 70; ++i)
    EXPECT_EQ(parts[i].grad().values<float>(), (std::vector<float>(2, 2.0f * i)));
}

TEST(Rearrange, GradientsMatchFiniteDifferences) {
  const std::vector<std::function<Tensor(In)>> functions = {
      [](In in) {
        return permute(in[0], {1, 2, 0});
      },
      [](In in) {
        return cat({in[0], in[1], in[0]}, 1);
      },
      [](In in) {
        return stack({in[0], in[1]}, 1);
      },
      [](In in) { return split(in[0], 2, 1)[0] * 2.0; },
      [](In in) { return flip(in[0], {1}); },
      [](In in) {
        return repeat(in[0], {2, 1, 2});
      },
      [](In in) { return tril(in[0]); },
      [](In in) { return select(in[0], 2, 0); },
  };
  for (size_t i = 0; i < functions.size(); ++i)
    for (const Shape& shape : {Shape{3, 4, 2}, Shape{1, 1, 1}, Shape{2, 5, 7}})
      EXPECT_LT(test::gradient_error(functions[i], {uniform(shape, i), uniform(shape, i + 50)}),
                test::kGradientTolerance)
          << "function " << i << ", shape " << shape.str();
}

TEST(Rearrange, ManyTensorsJoin) {
  std::vector<Tensor> in;
  for (int i = 0; i < 20; ++i) in.push_back(uniform({2, i % 3}, i));
  EXPECT_LT(test::gradient_error([](In t) { return cat(t, 1); }, in), test::kGradientTolerance);
}

TEST(Rearrange, SaysWhatItExpects) {
  const Tensor x = uniform({2, 3}, 1);
  EXPECT_EQ(error_of<Error>([&] {
              permute(x, {0, 0});
            }),
            "permute(): duplicate dims are not allowed.");
  EXPECT_EQ(error_of<Error>([&] {
              t(uniform({1, 1, 1}, 1));
            }),
            "t() expects a tensor with <= 2 dimensions, but self is 3D");
  EXPECT_EQ(error_of<Error>([&] {
              cat({x, uniform({3, 4}, 1)}, 1);
            }),
            "Sizes of tensors must match except in dimension 1. Expected size 2 but got size 3 for "
            "tensor number 1 in the list.");
  EXPECT_EQ(error_of<Error>([&] {
              stack({x, uniform({3}, 1)});
            }),
            "stack expects each tensor to be equal size, but got [2, 3] at entry 0 and [3] at "
            "entry 1");
  EXPECT_EQ(error_of<Error>([&] {
              split(x, std::vector<int64_t>{1, 3}, 0);
            }),
            "split_with_sizes expects split_sizes to sum exactly to 2 (input tensor's size at "
            "dimension 0), but got split_sizes=[1, 3]");
  EXPECT_EQ(error_of<IndexError>([&] { select(x, 0, 2); }),
            "select(): index 2 out of range for tensor of size [2, 3] at dimension 0");
  EXPECT_EQ(error_of<Error>([&] { narrow(x, 1, 2, 2); }),
            "start (2) + length (2) exceeds dimension size (3).");
  EXPECT_EQ(error_of<IndexError>([&] { unsqueeze(x, 3); }),
            "Dimension out of range (expected to be in range of [-3, 2], but got 3)");
}

}  // namespace
}  // namespace ballast
