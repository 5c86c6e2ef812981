#include "ballast/io/state.h"
#include "ballast/nn/module.h"
#include "ballast/ops/pointwise.h"
#include "tests/cli/tool.h"

namespace ballast::cli {
namespace {

class Inspect : public ToolTest {
 protected:
  std::string settled(const std::string& name) {
    return trained(name, {"--epochs", "8", "--schedule", "cosine"});
  }
};

TEST_F(Inspect, AHealthyRunHasNoFindings) {
  const std::string run = settled("run");
  EXPECT_TRUE(output_of({"inspect", run}).find("No findings.") != std::string::npos);
  const auto j = json_of({"inspect", run});
  EXPECT_TRUE(j["findings"].empty()) << j["findings"];
  EXPECT_EQ(j["steps"], 8 * 23);
  ASSERT_EQ(j["layers"].size(), 1u);
  EXPECT_EQ(j["layers"][0]["name"], "bn1");
  EXPECT_EQ(j["layers"][0]["batches_tracked"], 8 * 23);
  EXPECT_EQ(j["layers"][0]["batch_size_of_half_the_error"], 4 * 64);
}

TEST_F(Inspect, AFileOfWeightsWithoutItsStatisticsIsFound) {
  StateDict state = load(settled("run") + "/model.safetensors");
  for (auto& [name, t] : state) {
    if (name == "bn1.running_mean") t = (t * 0.0).eval();
    if (name == "bn1.running_var") t = (t * 0.0 + 1.0).eval();
  }
  const std::string path = folder_ / "stripped.safetensors";
  save(state, path);
  const auto j = json_of({"inspect", path, "--model", "net", "--data", "digits"});
  ASSERT_FALSE(j["findings"].empty());
  EXPECT_EQ(j["findings"][0]["kind"], "never_updated");
  EXPECT_EQ(j["findings"][0]["layers"][0], "bn1");
  const std::string words = output_of({"inspect", path, "--model", "net", "--data", "digits"});
  EXPECT_NE(words.find("1. never_updated (error): "), words.npos) << words;
  EXPECT_NE(words.find("cause: "), words.npos);
  EXPECT_NE(words.find("remedy: "), words.npos);
}

TEST_F(Inspect, BatchesTrackedBesideTheStepsOfTheRunAreFound) {
  const std::string run = settled("run");
  StateDict state = load(run + "/model.safetensors");
  for (auto& [name, t] : state)
    if (name == "bn1.num_batches_tracked") t = (t + int64_t{40}).eval();
  replace_weights(run, state);
  const auto j = json_of({"inspect", run});
  ASSERT_EQ(j["findings"].size(), 1u);
  EXPECT_EQ(j["findings"][0]["kind"], "forgotten_eval");
  EXPECT_EQ(j["findings"][0]["number"], 40);
}

TEST_F(Inspect, WithoutAModelWeightsAreRefused) {
  EXPECT_TRUE(complaint_of({"inspect"}, 2).starts_with("inspect needs a run's folder"));
  EXPECT_TRUE(complaint_of({"inspect", folder_ / "a.safetensors"}, 2)
                  .starts_with("inspect of a file of weights needs --model"));
}

}  // namespace
}  // namespace ballast::cli
