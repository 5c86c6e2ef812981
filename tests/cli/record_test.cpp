#include <filesystem>
#include <sstream>

#include "tests/cli/tool.h"

namespace ballast::cli {
namespace {

class Record : public ToolTest {};

std::vector<nlohmann::json> lines_of(const std::string& path) {
  std::vector<nlohmann::json> out;
  std::istringstream lines(content_of(path));
  for (std::string line; std::getline(lines, line);) out.push_back(nlohmann::json::parse(line));
  return out;
}

TEST_F(Record, LeavesLinesAndEventsAndChangesNothing) {
  const std::string run = trained("run", {"--record", "csv,jsonl", "--record", "tensorboard"});
  const std::string plain = trained("plain");
  EXPECT_EQ(content_of(run + "/model.safetensors"), content_of(plain + "/model.safetensors"));
  EXPECT_EQ(content_of(run + "/metrics.jsonl"), content_of(plain + "/metrics.jsonl"));

  const auto lines = lines_of(run + "/record.jsonl");
  std::set<std::string> tags;
  int64_t steps = 0;
  for (const auto& line : lines) {
    tags.insert(line["tag"]);
    steps += line["tag"] == "step/loss";
  }
  EXPECT_EQ(steps, 46);
  for (const char* tag :
       {"loss/train", "loss/test", "accuracy/test", "learning_rate", "gradient_norm/fc1.weight",
        "running_mean/bn1/mean", "running_var/bn1/deviation", "before_norm/bn1/mean",
        "after_norm/bn1/deviation"})
    EXPECT_TRUE(tags.contains(tag)) << tag;
  for (const auto& line : lines) {
    if (line["tag"] == "after_norm/bn1/mean") {
      EXPECT_NEAR(line["value"], 0, 0.3);
    }
  }

  std::istringstream csv(content_of(run + "/record.csv"));
  std::string line;
  std::getline(csv, line);
  EXPECT_EQ(line, "step,tag,value");
  size_t count = 0;
  while (std::getline(csv, line)) ++count;
  EXPECT_EQ(count, lines.size());

  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(run + "/tensorboard")) {
    EXPECT_GT(entry.file_size(), 10000u);
    ++files;
  }
  EXPECT_EQ(files, 1u);
}

TEST_F(Record, OfAContinuedRunIsThatOfAnUninterruptedOne) {
  const std::string whole = trained("whole", {"--record", "jsonl"});
  const std::string run = trained("run", {"--record", "jsonl"});
  // As killed in the second epoch: the record has lines that the checkpoint knows nothing of.
  std::filesystem::remove(run + "/checkpoint.safetensors");
  EXPECT_EQ(output_of({"train", "--resume", run, "--quiet"}), "");
  EXPECT_EQ(content_of(run + "/record.jsonl"), content_of(whole + "/record.jsonl"));
}

TEST_F(Record, FormatsMayChangeWhenARunIsContinued) {
  const std::string run = trained("run", {"--record", "csv"}),
                    csv = content_of(run + "/record.csv");
  output_of({"train", "--resume", run, "--quiet", "--record", "jsonl", "--epochs", "3"});
  EXPECT_EQ(content_of(run + "/record.csv"), csv);
  EXPECT_EQ(lines_of(run + "/record.jsonl").front()["step"], 47);
}

TEST_F(Record, PlotsAreDrawn) {
  if (std::system("gnuplot --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "no gnuplot";
  const std::string run = trained("run", {"--plots"});
  for (const char* name : {"loss", "accuracy", "learning_rate"}) {
    const std::string svg = content_of(run + "/plots/" + name + ".svg");
    EXPECT_NE(svg.find("<svg"), svg.npos);
    EXPECT_NE(svg.find("prefers-color-scheme"), svg.npos);
    EXPECT_NE(svg.find("epoch"), svg.npos);
  }
}

TEST_F(Record, UnknownFormatsAreRefused) {
  EXPECT_NE(complaint_of({"train", "--record", "xml", "--out", folder_ / "x"}, 2).find("--record"),
            std::string::npos);
}

}  // namespace
}  // namespace ballast::cli
