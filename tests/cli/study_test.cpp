#include <signal.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "cli/commands.h"
#include "tests/cli/tool.h"

namespace ballast::cli {
namespace {

using ballast::testing::Outcome;
using ballast::testing::Process;

class StudyTool : public ToolTest {};

TEST_F(StudyTool, MeasuresAClaimAndWritesItsReport) {
  const std::string out = folder_ / "report";
  const std::string said =
      output_of({"study", "convergence", "--quick", "--quiet", "--out", out, "--model", "net"});
  EXPECT_EQ(said, "");
  const auto report = nlohmann::json::parse(content_of(out + "/report.json"));
  EXPECT_EQ(report["model"], "net");
  EXPECT_EQ(report["seeds"], 3);
  EXPECT_EQ(report["claims"][0]["command"], "ballast study convergence --model net --quick");
  EXPECT_TRUE(std::filesystem::exists(out + "/report.html"));
  EXPECT_TRUE(std::filesystem::exists(out + "/report.md"));
}

TEST_F(StudyTool, StoppedItLeavesWhatItHasMeasured) {
  const std::string out = folder_ / "report";
  Process child({testing::tool_path(), "study", "--out", out});
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  const auto measured = [&] {
    std::error_code none_yet;
    const auto size = std::filesystem::file_size(out + "/runs.jsonl", none_yet);
    return !none_yet && size > 0;
  };
  while (!measured() && std::chrono::steady_clock::now() < limit)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  child.send(SIGINT);
  const Outcome o = child.wait();
  EXPECT_EQ(o.code, 130) << o.err;
  EXPECT_NE(o.err.find("the same command goes on"), std::string::npos) << o.err;
  EXPECT_NE(content_of(out + "/runs.jsonl").find("\"run\""), std::string::npos);
}

TEST_F(StudyTool, WrongUseIsTold) {
  EXPECT_NE(complaint_of({"study", "speed"}, kUsage).find("there is no claim \"speed\""),
            std::string::npos);
  EXPECT_NE(complaint_of({"study", "--model", "nett"}, kUsage).find("there is no model"),
            std::string::npos);
  EXPECT_NE(complaint_of({"study", "--model", "nets.py:Net"}, kUsage).find("Python package"),
            std::string::npos);
  EXPECT_NE(complaint_of({"study", "--data", folder_ / "none.csv"}, kFailure).find("none.csv"),
            std::string::npos);
}

}  // namespace
}  // namespace ballast::cli
