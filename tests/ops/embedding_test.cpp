#include "ballast/ops/embedding.h"

#include <gtest/gtest.h>

#include "ballast/ops/create.h"
#include "ballast/ops/reduce.h"
#include "tests/support/files.h"

namespace ballast {
namespace {

using testing::error_of;

Tensor numbers(std::initializer_list<int64_t> values) { return Tensor::from(values); }

TEST(Embedding, RowsLookedUpTwiceGetBothGradients) {
  Tensor table = randn({3, 2});
  table.set_requires_grad();
  const Tensor rows = embedding(numbers({2, 0, 2}), table, {.padding_idx = 0});
  EXPECT_EQ(rows.shape(), (Shape{3, 2}));
  sum(rows).backward();
  EXPECT_EQ(table.grad().values<float>(), (std::vector<float>{0, 0, 0, 0, 2, 2}));
}

TEST(Embedding, LongRowsAreShrunkInPlace) {
  const Tensor table = Tensor::from(std::vector<float>{3, 4, 0.3f, 0.4f, 30, 40}, {3, 2});
  const Tensor rows = embedding(numbers({0, 1}), table, {.max_norm = 1.0});
  EXPECT_NEAR(rows.values<float>()[0], 0.6, 1e-6);
  EXPECT_EQ(table.values<float>()[3], 0.4f);  // short enough
  EXPECT_EQ(table.values<float>()[4], 30);    // not looked up
  EXPECT_NEAR(table.values<float>()[1], 0.8, 1e-6);
}

TEST(Embedding, RefusesWhatDoesNotFit) {
  const Tensor table = randn({3, 2});
  EXPECT_EQ(error_of<ValueError>([&] { embedding(numbers({0}), table, {.padding_idx = 3}); }),
            "Padding_idx must be within num_embeddings");
  EXPECT_THROW(embedding(randn({2}), table), Error);
  EXPECT_THROW(embedding(numbers({3}), table).eval(), IndexError);
  EXPECT_THROW(embedding(numbers({-4}), table).eval(), IndexError);
}

TEST(EmbeddingBag, BagsBeginAtOffsets) {
  const Tensor table = Tensor::from(std::vector<float>{1, 2, 4}, {3, 1});
  const Tensor all = numbers({0, 1, 2, 2}), offsets = numbers({0, 1, 1});
  const auto bags = [&](BagMode mode) {
    return embedding_bag(all, table, offsets, {.mode = mode}).values<float>();
  };
  EXPECT_EQ(bags(BagMode::kSum), (std::vector<float>{1, 0, 10}));
  EXPECT_EQ(bags(BagMode::kMax), (std::vector<float>{1, 0, 4}));
  EXPECT_NEAR(bags(BagMode::kMean)[2], 10.0 / 3, 1e-6);
  EXPECT_EQ(embedding_bag(all, table, offsets, {.mode = BagMode::kSum, .include_last_offset = true})
                .values<float>(),
            (std::vector<float>{1, 0}));
}

TEST(EmbeddingBag, RefusesWhatDoesNotFit) {
  const Tensor table = randn({3, 2});
  EXPECT_EQ(error_of<ValueError>([&] { embedding_bag(numbers({0}), table); }),
            "offsets has to be a 1D Tensor but got None");
  EXPECT_EQ(error_of<ValueError>([&] {
              embedding_bag(zeros({1, 2}, DType::kInt64), table, numbers({0}));
            }),
            "if input is 2D, then offsets has to be None");
  for (const Tensor& offsets : {numbers({1}), numbers({0, 2, 1}), numbers({0, 9}), numbers({-1})})
    EXPECT_THROW(embedding_bag(numbers({0, 1, 2}), table, offsets), Error);
  EXPECT_THROW(embedding_bag(numbers({0}), table, numbers({0}), {.per_sample_weights = ones({1})}),
               NotImplementedError);
}

}  // namespace
}  // namespace ballast
