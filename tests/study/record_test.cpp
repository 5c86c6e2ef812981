#include "ballast/study/record.h"

#include <gtest/gtest.h>

#include <sstream>

#include "ballast/base/file.h"
#include "ballast/nn/nn.h"
#include "ballast/ops/create.h"
#include "ballast/study/diagnose_pass.h"
#include "tests/support/files.h"

namespace ballast::study {
namespace {

using ballast::testing::Folder;

std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> out;
  std::istringstream lines(read_file(path, 1 << 20));
  for (std::string line; std::getline(lines, line);) out.push_back(line);
  return out;
}

TEST(TrainingRecord, LinesAfterTheCheckpointAreDroppedWhenTrainingGoesOn) {
  const Folder folder;
  nn::Sequential model(nn::Linear(2, 3), nn::BatchNorm1d(3));
  for (const RecordFormat format : {RecordFormat::kCsv, RecordFormat::kJsonLines}) {
    const bool csv = format == RecordFormat::kCsv;
    const std::string path = folder / (csv ? "run/record.csv" : "run/record.jsonl");
    StateDict checkpoint;
    {
      TrainingRecord record(model, ones({4, 2}), folder / "run", {format});
      for (int64_t step = 1; step <= 12; ++step) {
        record.step({.epoch = 1, .step = step, .loss = 0.5 * static_cast<double>(step)});
        if (step != 9) continue;
        checkpoint = record.state_dict();
        EXPECT_EQ(lines_of(path).size(), csv ? 10u : 9u) << "not all is on the disk";
      }
    }
    {
      TrainingRecord record(model, ones({4, 2}), folder / "run", {format});
      record.load_state_dict(checkpoint);
      record.step({.epoch = 1, .step = 10, .loss = 7.0});
    }
    const auto lines = lines_of(path);
    ASSERT_EQ(lines.size(), csv ? 11u : 10u);
    EXPECT_EQ(lines[csv], csv ? "1,step/loss,0.5" : R"({"step":1,"tag":"step/loss","value":0.5})");
    EXPECT_EQ(lines.back(),
              csv ? "10,step/loss,7" : R"({"step":10,"tag":"step/loss","value":7.0})");
    // Other lines than those that the checkpoint knows.
    std::string text = read_file(path, 1 << 20);
    text[text.find("0.5")] = '1';
    write_atomically(path, bytes_of(text));
    TrainingRecord record(model, ones({4, 2}), folder / "run", {format});
    EXPECT_THROW(record.load_state_dict(checkpoint), FileError);
  }
}

TEST(TrainingRecord, LooksAtLayersWithoutChangingThem) {
  const Folder folder;
  manual_seed(0);
  nn::Sequential model(nn::Linear(2, 3), nn::BatchNorm1d(3));
  std::vector<std::vector<double>> before;
  for (const auto& [name, t] : model.state_dict()) before.push_back(doubles(t));
  TrainingRecord record(model, randn({16, 2}), folder / "run",
                        {RecordFormat::kTensorBoard, RecordFormat::kCsv});
  record.step({.epoch = 1, .step = 1, .loss = 1.0});
  record.epoch({.epoch = 1, .lr = 0.1, .train_loss = 1.0, .train_accuracy = 0.5});
  size_t i = 0;
  for (const auto& [name, t] : model.state_dict()) EXPECT_EQ(doubles(t), before[i++]) << name;
  EXPECT_TRUE(model.training());
  bool normalized = false;
  for (const std::string& line : lines_of(folder / "run/record.csv"))
    if (line.starts_with("1,after_norm/1/deviation,")) {
      EXPECT_NEAR(std::stod(line.substr(25)), 1.0, 1e-3);
      normalized = true;
    }
  EXPECT_TRUE(normalized);
}

}  // namespace
}  // namespace ballast::study
