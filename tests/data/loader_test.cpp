#include "ballast/data/loader.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "ballast/ops/create.h"
#include "tests/support/files.h"

namespace ballast::data {
namespace {

using Order = std::vector<std::vector<int64_t>>;

TensorDataset numbers(int64_t n) { return TensorDataset(arange(n), arange(n)); }

Order epoch_of(Loader& loader) {
  Order out;
  for (auto [x, y] : loader) {
    out.push_back(x.values<int64_t>());
    EXPECT_EQ(y.values<int64_t>(), out.back());
  }
  return out;
}

TEST(Loader, GivesPyTorchsBatchesAndLeavesTheGeneratorsWherePyTorchDoes) {
  std::ifstream file(testing::golden("loader.json"));
  for (const auto& c : nlohmann::json::parse(file)) {
    manual_seed(5);
    Generator own(7);
    Generator* generator = c["own"] ? &own : nullptr;
    Loader loader(numbers(23), {.batch_size = c["batch_size"],
                                .shuffle = c["shuffle"],
                                .drop_last = c["drop_last"],
                                .generator = generator});
    for (const auto& epoch : c["epochs"]) EXPECT_EQ(epoch_of(loader), epoch.get<Order>()) << c;
    EXPECT_EQ(rand({1}).item<float>(), c["draws"][0].get<float>()) << c;
    Generator& second = generator ? own : default_generator();
    EXPECT_EQ(rand({1}, DType::kFloat32, second).item<float>(), c["draws"][1].get<float>()) << c;
  }
}

TEST(Loader, ContinuesFromASavedPosition) {
  for (int64_t stop : {1, 3, 5}) {
    manual_seed(1);
    Loader whole(numbers(23), {.batch_size = 5, .shuffle = true});
    const Order first = epoch_of(whole), second = epoch_of(whole);

    manual_seed(1);
    Loader before(numbers(23), {.batch_size = 5, .shuffle = true});
    Order got;
    for (auto [x, y] : before) {
      got.push_back(x.values<int64_t>());
      if (static_cast<int64_t>(got.size()) == stop) break;
    }
    const auto saved = before.state_dict();
    Loader after(numbers(23), {.batch_size = 5, .shuffle = true});
    after.load_state_dict(saved);
    for (const auto& batch : epoch_of(after)) got.push_back(batch);
    EXPECT_EQ(got, first) << "stopped after " << stop;
    EXPECT_EQ(epoch_of(after), second) << "stopped after " << stop;
  }
}

TEST(Loader, RefusesThePositionOfAnotherDataSet) {
  Loader a(numbers(23), {.batch_size = 5, .shuffle = true});
  Loader b(numbers(22), {.batch_size = 5, .shuffle = true});
  epoch_of(a);
  EXPECT_THROW(b.load_state_dict(a.state_dict()), Error);
  EXPECT_THROW(b.load_state_dict({}), Error);
}

TEST(Loader, RefusesBadArguments) {
  EXPECT_THROW(Loader(numbers(3), {.batch_size = 0}), ValueError);
  EXPECT_THROW(TensorDataset(zeros({3}), zeros({2})), ValueError);
  const std::vector<int64_t> outside = {3};
  EXPECT_THROW(numbers(3).rows(outside), IndexError);
}

TEST(Loader, BatchesTheDigits) {
  const TensorDataset set = digits(Split::kTest);
  EXPECT_EQ(set.size(), 360);
  const std::vector<int64_t> chosen = {7, 0};
  const Batch b = set.rows(chosen);
  EXPECT_EQ(b.x.shape(), Shape({2, 1, 8, 8}));
  EXPECT_EQ(b.y.data<int64_t>()[0], set.y().data<int64_t>()[7]);
  EXPECT_EQ(b.x.data<float>()[64 + 5], set.x().data<float>()[5]);
}

}  // namespace
}  // namespace ballast::data
