#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "ballast/io/safetensors.h"
#include "tests/cli/tool.h"

namespace ballast::cli {
namespace {

using ballast::testing::Outcome;
using ballast::testing::Process;

class Train : public ToolTest {
 protected:
  /// Starts `ballast train` and ends it by `signal` as soon as `ready` or it has ended by itself.
  Outcome interrupted(std::vector<std::string> arguments, int signal,
                      const std::function<bool()>& ready) {
    arguments.insert(arguments.begin(), {testing::tool_path(), "train"});
    Process child(arguments);
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!ready() && std::chrono::steady_clock::now() < limit)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    child.send(signal);
    return child.wait();
  }
  static int64_t steps_in(const std::string& run) {
    try {
      const auto file = io::read_safetensors(run + "/checkpoint.safetensors");
      return io::find(file.tensors, "steps")->as<int64_t>()[0];
    } catch (const FileError&) {
      return -1;
    }
  }
  static void expect_same_end(const std::string& a, const std::string& b) {
    for (const char* name : {"/model.safetensors", "/metrics.jsonl", "/checkpoint.safetensors"})
      EXPECT_TRUE(content_of(a + name) == content_of(b + name)) << name << " differs";
  }
};

TEST_F(Train, LeavesWeightsSettingsAndALinePerEpoch) {
  const std::string run = trained("run", {"--epochs", "3", "--seed", "5"});
  EXPECT_EQ(io::read_safetensors(run + "/model.safetensors").tensors.size(), 9);
  const auto settings = nlohmann::json::parse(content_of(run + "/settings.json"));
  EXPECT_EQ(settings["model"], "net");
  EXPECT_EQ(settings["seed"], 5);
  std::istringstream lines(content_of(run + "/metrics.jsonl"));
  std::string line;
  for (int epoch = 1; std::getline(lines, line); ++epoch) {
    const auto m = nlohmann::json::parse(line);
    EXPECT_EQ(m["epoch"], epoch);
    EXPECT_EQ(m["step"], 23 * epoch);  // 1,437 samples in batches of 64
    EXPECT_EQ(m["lr"], 0.1);
  }
}

TEST_F(Train, SchedulesChangeTheRateEachEpoch) {
  auto rates = [&](const std::string& schedule) {
    std::vector<double> out;
    std::istringstream lines(content_of(
        trained(schedule, {"--epochs", "6", "--schedule", schedule}) + "/metrics.jsonl"));
    for (std::string line; std::getline(lines, line);)
      out.push_back(nlohmann::json::parse(line)["lr"]);
    return out;
  };
  const std::vector<double> step = rates("step"), cosine = rates("cosine");
  for (int i = 0; i < 6; ++i) {
    EXPECT_NEAR(step[i], 0.1 * std::pow(0.1, i / 2), 1e-15) << i;
    EXPECT_NEAR(cosine[i], 0.05 * (1 + std::cos(M_PI * i / 6)), 1e-15) << i;
  }
}

TEST_F(Train, EvaluationTellsTheNumbersThatTrainingReported) {
  for (const char* norm : {"batch", "none"}) {
    const std::string run = trained(norm, {"--norm", norm, "--lr", "0.05"});
    const std::string text = content_of(run + "/metrics.jsonl");
    const auto last = nlohmann::json::parse(text.substr(text.find('\n') + 1));
    const auto eval = json_of({"eval", run});
    EXPECT_EQ(eval["loss"], last["test_loss"]);
    EXPECT_EQ(eval["accuracy"], last["test_accuracy"]);
    EXPECT_EQ(
        json_of({"eval", run + "/model.safetensors", "--model", "net", "--norm", norm})["loss"],
        last["test_loss"]);
  }
}

TEST_F(Train, TheSameSeedGivesTheSameBytesWithAnyNumberOfThreads) {
  const std::string a = trained("a", {"--threads", "1"}), b = trained("b", {"--threads", "3"});
  expect_same_end(a, b);
  const std::string other = trained("c", {"--seed", "1"});
  EXPECT_NE(content_of(a + "/model.safetensors"), content_of(other + "/model.safetensors"));
}

TEST_F(Train, ARunKilledAtAnyMomentEndsInTheSameBytes) {
  for (const std::vector<std::string>& options :
       {std::vector<std::string>{"--model", "custom", "--schedule", "cosine"},
        {"--model", "net", "--optimizer", "adam", "--lr", "0.01", "--schedule", "step"}}) {
    std::vector<std::string> arguments = {"--epochs", "4", "--checkpoint-every", "7", "--quiet"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    auto into = [&](const std::string& run) {
      std::vector<std::string> all = arguments;
      all.insert(all.end(), {"--out", run, "--force"});
      return all;
    };
    const std::string whole = folder_ / ("whole_" + options[1]);
    std::vector<std::string> command = into(whole);
    command.insert(command.begin(), "train");
    output_of(command);

    const std::string run = folder_ / ("killed_" + options[1]);
    std::filesystem::remove_all(run);
    interrupted(into(run), SIGKILL,
                [&] { return std::filesystem::exists(run + "/settings.json"); });
    for (int64_t after : {7, 30, 60})
      interrupted({"--resume", run, "--quiet"}, SIGKILL, [&] { return steps_in(run) >= after; });
    output_of({"train", "--resume", run, "--quiet"});
    expect_same_end(whole, run);
    // Continuing what has ended changes nothing.
    output_of({"train", "--resume", run, "--quiet"});
    expect_same_end(whole, run);
  }
}

TEST_F(Train, WhatKilledProcessesLeftIsRemoved) {
  const std::string run = trained("a", {});
  const std::string dead = run + "/checkpoint.safetensors.tmp-999999999-3";  // above any process id
  const std::string alive = fmt::format("{}/metrics.jsonl.tmp-{}-0", run, ::getpid());
  const std::string own = run + "/notes.tmp-1";
  for (const std::string& path : {dead, alive, own}) std::ofstream(path) << "half";
  output_of({"train", "--resume", run, "--quiet"});
  EXPECT_FALSE(std::filesystem::exists(dead));
  EXPECT_TRUE(std::filesystem::exists(alive));
  EXPECT_TRUE(std::filesystem::exists(own));
}

TEST_F(Train, AConvolutionalRunContinuesToTheSameBytes) {
  const std::vector<std::string> options = {
      "train", "--model", "cnn", "--epochs", "1", "--quiet", "--checkpoint-every", "5"};
  auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> all = options;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  output_of(with({"--out", folder_ / "whole"}));
  const std::string run = folder_ / "killed";
  const std::vector<std::string> start = with({"--out", run});
  interrupted({start.begin() + 1, start.end()}, SIGKILL, [&] { return steps_in(run) >= 10; });
  output_of({"train", "--resume", run, "--quiet"});
  expect_same_end(folder_ / "whole", run);
}

TEST_F(Train, SignalsLeaveACheckpointAndSayHowToContinue) {
  for (int signal : {SIGINT, SIGTERM}) {
    const std::string run = folder_ / std::to_string(signal);
    const Outcome o =
        interrupted({"--model", "custom", "--epochs", "10000", "--out", run}, signal, [&] {
          std::error_code none;
          return std::filesystem::file_size(run + "/metrics.jsonl", none) > 0 && !none;
        });
    EXPECT_EQ(o.code, 128 + signal);
    EXPECT_NE(o.err.find("continue with: ballast train --resume " + run), o.err.npos) << o.err;
    EXPECT_GE(steps_in(run), 23);
  }
}

TEST_F(Train, ExistingRunsAreNotOverwrittenUnlessForced) {
  const std::string run = trained("run"), weights = content_of(run + "/model.safetensors");
  EXPECT_EQ(complaint_of({"train", "--out", run}, 2),
            run + " holds a run already; continue it with --resume " + run +
                ", or overwrite it with --force");
  EXPECT_EQ(content_of(run + "/model.safetensors"), weights);
  trained("run", {"--force", "--seed", "9"});
  EXPECT_NE(content_of(run + "/model.safetensors"), weights);
}

TEST_F(Train, SettingsOfAContinuedRunAreThoseOfItsFile) {
  const std::string run = trained("run");
  EXPECT_EQ(complaint_of({"train", "--resume", run, "--lr", "1"}, 2),
            "--lr cannot be changed when a run is continued: " + run + "/settings.json decides");
  EXPECT_EQ(complaint_of({"train", "--resume", folder_ / "none"}, 1),
            folder_ / "none" + "/settings.json: cannot open: No such file or directory");
  file("run/settings.json", "{\"model\": \"net\"}");
  EXPECT_TRUE(complaint_of({"train", "--resume", run}, 1)
                  .starts_with(run + "/settings.json: expected the settings of a run: "));
}

TEST_F(Train, SettingsThatDecideTheResultCannotChange) {
  const std::string run = trained("run"), path = run + "/settings.json";
  const std::string text = content_of(path);
  const auto complaint = [&](const char* name, const nlohmann::json& value) {
    auto changed = nlohmann::ordered_json::parse(text);
    changed[name] = value;
    file("run/settings.json", changed.dump(2) + "\n");
    return complaint_of({"train", "--resume", run}, 1);
  };
  const auto expected = [&](const std::string& name, const std::string& was,
                            const std::string& is) {
    return fmt::format(
        "{}: {} was {} when the run began, now it is {}; what decides the result cannot change",
        path, name, was, is);
  };
  EXPECT_EQ(complaint("lr", 0.5), expected("lr", "0.1", "0.5"));
  EXPECT_EQ(complaint("momentum", 0.5), expected("momentum", "0.9", "0.5"));
  EXPECT_EQ(complaint("weight_decay", 0.5), expected("weight_decay", "0.0", "0.5"));
  EXPECT_EQ(complaint("seed", 1), expected("seed", "0", "1"));
  EXPECT_EQ(complaint("batch_size", 32), expected("batch_size", "64", "32"));
  EXPECT_EQ(complaint("schedule", "cosine"), expected("schedule", "\"none\"", "\"cosine\""));
  EXPECT_EQ(complaint("optimizer", "adam"), expected("optimizer", "\"sgd\"", "\"adam\""));
  EXPECT_EQ(complaint("norm", "none"), expected("norm", "\"batch\"", "\"none\""));
  // What decides nothing has options.
  EXPECT_TRUE(
      complaint("threads", 1).starts_with(path + ": its checksum does not fit its content"));
  file("run/settings.json", text);
  output_of({"train", "--resume", run, "--quiet", "--threads", "1", "--record", "csv"});
  EXPECT_EQ(nlohmann::json::parse(content_of(path))["threads"], 1);
}

TEST_F(Train, MoreEpochsContinueARunWithoutASchedule) {
  const std::string whole = trained("whole", {"--epochs", "3"}), run = trained("run");
  output_of({"train", "--resume", run, "--quiet", "--epochs", "3"});
  expect_same_end(whole, run);
  EXPECT_EQ(complaint_of({"train", "--resume", run, "--epochs", "2"}, 2),
            "--epochs 2: 3 epochs of " + run + " have begun");
  expect_same_end(whole, run);
  const std::string cosine = trained("cosine", {"--schedule", "cosine"});
  EXPECT_EQ(complaint_of({"train", "--resume", cosine, "--epochs", "3"}, 2),
            "--epochs cannot be changed when a run with --schedule cosine is continued: the "
            "schedule depends on it");
}

TEST_F(Train, FilesOfAnotherRunAreNoticed) {
  const std::string run = trained("run"), other = trained("other", {"--seed", "1"});
  for (const char* name :
       {"checkpoint.safetensors", "model.safetensors", "components.safetensors"}) {
    const std::string mine = content_of(run + "/" + name);
    file(std::string("run/") + name, content_of(other + "/" + name));
    const bool resumes = name[0] == 'c' && name[1] == 'h';
    const std::string message =
        complaint_of(resumes ? std::vector<std::string>{"train", "--resume", run, "--quiet"}
                             : std::vector<std::string>{"eval", run},
                     1);
    EXPECT_EQ(message, run + "/" + name +
                           (resumes ? ": cannot be continued with another setting: seed was 1, now "
                                      "it is 0"
                                    : ": it belongs to a run with other settings than those in "
                                      "settings.json"));
    file(std::string("run/") + name, mine);
  }
  output_of({"train", "--resume", run, "--quiet"});
}

TEST_F(Train, TwoTrainersDoNotShareAFolder) {
  const std::string run = folder_ / "run";
  Process first({testing::tool_path(), "train", "--model", "net", "--epochs", "100000", "--out",
                 run, "--quiet", "--checkpoint-every", "5"});
  while (steps_in(run) < 5) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const std::string busy =
      run + ": another process is at work in this folder (it holds the lock on " + run + "/lock)";
  EXPECT_EQ(complaint_of({"train", "--resume", run}, 1), busy);
  EXPECT_EQ(complaint_of({"train", "--out", run, "--force"}, 1), busy);
  first.send(SIGKILL);
  first.wait();
  trained("run", {"--force"});
}

TEST_F(Train, SettingsOutOfRangeAreRefused) {
  const std::string run = trained("run"), path = run + "/settings.json";
  const auto settings = nlohmann::json::parse(content_of(path));
  const auto complaint = [&](const char* name, const nlohmann::json& value) {
    auto changed = settings;
    changed[name] = value;
    file("run/settings.json", changed.dump());
    return complaint_of({"train", "--resume", run}, 1);
  };
  const std::string whole = " must be a whole number from ", to = " to 9223372036854775807, got ";
  EXPECT_EQ(complaint("classes", 0), path + ": classes" + whole + "1" + to + "0");
  EXPECT_EQ(complaint("epochs", -1), path + ": epochs" + whole + "0" + to + "-1");
  EXPECT_EQ(complaint("epochs", 1e300), path + ": epochs" + whole + "0" + to + "1e+300");
  EXPECT_EQ(complaint("batch_size", 0), path + ": batch_size" + whole + "1" + to + "0");
  EXPECT_EQ(complaint("threads", 1ll << 32),
            path + ": threads" + whole + "0 to 2147483647, got 4294967296");
  EXPECT_EQ(complaint("sample", {8, "8"}),
            path + ": a size in sample" + whole + "0" + to + "string");
  EXPECT_EQ(complaint("sample", 8), path + ": sample must be a list of sizes");
}

TEST_F(Train, ALastBatchOfOneSampleIsRefusedBeforeTheStart) {
  const std::string message =
      complaint_of({"train", "--batch-size", "4", "--out", folder_ / "run"}, 2);
  EXPECT_TRUE(
      message.starts_with("--batch-size 4: 1437 training samples leave a batch of one sample, "
                          "on which net cannot be trained (Expected more than 1 value per "
                          "channel when training"))
      << message;
  EXPECT_TRUE(folder_.names().empty());
  trained("none", {"--batch-size", "4", "--norm", "none", "--epochs", "1"});
}

TEST_F(Train, AFullDiskIsAnErrorThatLosesNothing) {
  const std::string run = trained("run", {"--checkpoint-every", "10"});
  const std::string weights = content_of(run + "/model.safetensors"),
                    checkpoint = content_of(run + "/checkpoint.safetensors");
  // Room for the metrics, none for a checkpoint.
  const std::string message =
      complaint_of({"train", "--resume", run, "--quiet"}, 1, {.max_file_bytes = 2000});
  EXPECT_NE(message.find(run + "/checkpoint.safetensors: "), message.npos) << message;
  EXPECT_EQ(content_of(run + "/checkpoint.safetensors"), checkpoint);
  EXPECT_EQ(content_of(run + "/model.safetensors"), weights);
  output_of({"train", "--resume", run, "--quiet"});
}

}  // namespace
}  // namespace ballast::cli
