#include "tests/cli/tool.h"

namespace ballast::cli {
namespace {

class Predict : public ToolTest {};

TEST_F(Predict, ProbabilitiesSumToOneAndPointToTheClass) {
  const std::string run = trained("run");
  const auto rows = json_of({"predict", run, "--index", "0", "7", "359"});
  ASSERT_EQ(rows.size(), 3);
  EXPECT_EQ(rows[2]["index"], 359);
  for (const auto& row : rows) {
    const auto p = row["probabilities"].get<std::vector<double>>();
    ASSERT_EQ(p.size(), 10);
    double sum = 0;
    for (double q : p) sum += q;
    EXPECT_NEAR(sum, 1, 1e-15 * 10);
    EXPECT_EQ(std::max_element(p.begin(), p.end()) - p.begin(), row["predicted"].get<int64_t>());
  }
}

TEST_F(Predict, DrawsDigits) {
  const std::string out = output_of({"predict", trained("run"), "--index", "0"});
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 9) << out;  // eight rows of pixels
  EXPECT_NE(out.find("██"), out.npos);
  EXPECT_NE(out.find("digit 0: "), out.npos);
}

TEST_F(Predict, RowsOfAFileAreSeenAsTheTrainingSamplesWere) {
  // Five classes along five lines in twelve dimensions: anyone can tell them apart.
  std::string text;
  for (int i = 0; i < 100; ++i) {
    for (int j = 0; j < 12; ++j)
      text += fmt::format("{},", (j == i % 5 ? 3 : 0) + ((i * 7 + j * 3) % 11) * 0.01);
    text += fmt::format("{}\n", i % 5);
  }
  const std::string path = file("a.csv", text);
  const std::string run =
      trained("run", {"--data", path, "--classes", "5", "--epochs", "20", "--batch-size", "16"});
  const auto rows = json_of({"predict", run, "--data", path});
  ASSERT_EQ(rows.size(), 100);
  for (const auto& row : rows) EXPECT_EQ(row["predicted"], row["label"]) << row;
  const std::string one = output_of({"predict", run, "--index", "3"});
  EXPECT_TRUE(one.starts_with("3: 3 (label 3)")) << one;
}

TEST_F(Predict, SamplesThatAreNotThereAreNamed) {
  const std::string run = trained("run");
  EXPECT_EQ(complaint_of({"predict", run, "--index", "360"}, 2),
            "--index 360: digits has samples 0 to 359");
  EXPECT_EQ(complaint_of({"predict", folder_ / "none"}, 1),
            folder_ / "none" + ": expected the folder of a run, there is none");
}

}  // namespace
}  // namespace ballast::cli
