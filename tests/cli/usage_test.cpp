#include "ballast/models/factory.h"
#include "tests/cli/tool.h"

namespace ballast::cli {
namespace {

class Usage : public ToolTest {};

TEST_F(Usage, VersionIsOneLine) { EXPECT_TRUE(output_of({"--version"}).starts_with("ballast 0.")); }

TEST_F(Usage, HelpNamesEveryCommandAndShowsExamples) {
  const std::string help = output_of({"--help"});
  for (const char* word :
       {"train", "eval", "predict", "inspect", "summary", "Examples:", "Exit codes:"})
    EXPECT_NE(help.find(word), help.npos) << word;
  const std::string train = output_of({"train", "--help"});
  for (const char* word : {"--checkpoint-every", "--resume", "Examples:", "resnet20"})
    EXPECT_NE(train.find(word), train.npos) << word;
}

TEST_F(Usage, UnknownCommandsAndFlagsAreExitCode2WithASuggestion) {
  EXPECT_EQ(complaint_of({"trian"}, 2),
            "unknown command trian; did you mean train? (commands: train, eval, predict, inspect, "
            "summary, explain, study)");
  EXPECT_EQ(complaint_of({"train", "--epoch", "3"}, 2),
            "unknown option --epoch; did you mean --epochs? ('ballast train --help' tells more)");
  EXPECT_EQ(complaint_of({"train", "--zzzzzzzz=3"}, 2),
            "unknown option --zzzzzzzz ('ballast train --help' tells more)");
  EXPECT_EQ(complaint_of({"--vresion"}, 2),
            "unknown option --vresion; did you mean --version? ('ballast --help' tells more)");
  EXPECT_EQ(tool({}).code, 2);
}

TEST_F(Usage, ValuesThatCannotBeAreExitCode2) {
  const std::string out = folder_ / "run";
  for (const std::vector<std::string>& bad : {std::vector<std::string>{"--epochs", "0"},
                                              {"--epochs", "two"},
                                              {"--lr", "-1"},
                                              {"--lr", "nan"},
                                              {"--seed", "-1"},
                                              {"--optimizer", "adagrad"},
                                              {"--schedule", "linear"},
                                              {"--norm", "layer"},
                                              {"--checkpoint-every", "soon"},
                                              {"--checkpoint-every", "0"},
                                              {"--batch-size", "-4"}}) {
    std::vector<std::string> arguments = {"train", "--out", out};
    arguments.insert(arguments.end(), bad.begin(), bad.end());
    const std::string message = complaint_of(arguments, 2);
    EXPECT_NE(message.find(bad[0]), message.npos) << message;
  }
  EXPECT_EQ(complaint_of({"train"}, 2),
            "train needs --out, the folder of the new run, or --resume");
  EXPECT_TRUE(folder_.names().empty());
}

TEST_F(Usage, ValuesOutsideTheirRangeAreToldInWords) {
  EXPECT_EQ(complaint_of({"summary", "--model", "net", "--batch", "0"}, 2),
            "--batch: expected a whole number of at least 1, got 0 ('ballast summary --help' tells "
            "more)");
}

TEST_F(Usage, UnknownModelsAreListed) {
  for (const char* command : {"train", "summary"}) {
    std::vector<std::string> arguments = {command, "--model", "nett"};
    if (arguments[0] == "train") arguments.insert(arguments.end(), {"--out", folder_ / "run"});
    EXPECT_EQ(complaint_of(arguments, 2),
              "there is no model \"nett\"; there are " + models::names());
  }
}

TEST_F(Usage, OutputThatCannotBeWrittenIsAnError) {
  EXPECT_EQ(complaint_of({"summary", "--model", "net"}, 1, {.out = "/dev/full"}),
            "the output could not be written");
}

TEST_F(Usage, SummaryCountsParametersAndFlops) {
  const auto net = json_of({"summary", "--model", "net", "--batch", "3"});
  EXPECT_EQ(net["parameters"], 470);
  ASSERT_EQ(net["layers"].size(), 3);
  EXPECT_EQ(net["layers"][0]["name"], "fc1");
  EXPECT_EQ(net["layers"][0]["flops"], 2 * 3 * 10 * 20);
  EXPECT_EQ(net["layers"][0]["parameters"], 220);
  EXPECT_EQ(net["layers"][1]["flops"], 2 * 3 * 20);
  EXPECT_EQ(net["layers"][2]["output"], (nlohmann::json{3, 10}));
  // He et al. count 40.8 million multiply-adds with option A; batch norm and option B add a little.
  const auto resnet = json_of({"summary", "--model", "resnet20", "--input", "3x32x32"});
  EXPECT_EQ(resnet["parameters"], 272474);
  EXPECT_NEAR(resnet["flops"].get<double>() / 2, 40.8e6, 1e6);
  int64_t sum = 0;
  for (const auto& layer : resnet["layers"]) sum += layer["parameters"].get<int64_t>();
  EXPECT_EQ(sum, 272474);
  const std::string table = output_of({"summary", "--model", "cnn", "--norm", "none"});
  EXPECT_NE(table.find("Identity"), table.npos) << table;
  EXPECT_EQ(complaint_of({"summary", "--model", "cnn", "--input", "1xx8"}, 2),
            "--input: expected sizes such as 1x8x8, got 1xx8");
  EXPECT_EQ(complaint_of({"summary", "--model", "my", "--input", "1x8x8"}, 1),
            "model my takes samples of shape [3, H, W], got [1, 8, 8]");
  EXPECT_EQ(complaint_of({"summary", "--model", "cnn", "--input", "64"}, 1),
            "model cnn takes samples of shape [C, H, W], got [64]");
  EXPECT_EQ(complaint_of({"summary", "--model", "mlp", "--input", "1x8x8"}, 1),
            "model mlp takes samples of shape [F], got [1, 8, 8]");
}

TEST_F(Usage, NumbersThatDoNotFitAreRefused) {
  const auto complaint = [&](const char* flag, const char* value) {
    const std::string message = complaint_of({"train", flag, value, "--out", folder_ / "run"}, 2);
    return message.substr(0, message.find(" ('"));
  };
  const std::string least = "expected a whole number of at least ",
                    most = "expected a whole number of at most ";
  EXPECT_EQ(complaint("--seed", "18446744073709551616"),
            "--seed: " + most + "18446744073709551615, got 18446744073709551616");
  EXPECT_EQ(complaint("--seed", "-1"), "--seed: " + least + "0, got -1");
  EXPECT_EQ(complaint("--seed", "1.5"), "--seed: " + least + "0, got 1.5");
  EXPECT_EQ(complaint("--epochs", "9223372036854775808"),
            "--epochs: " + most + "9223372036854775807, got 9223372036854775808");
  EXPECT_EQ(complaint("--threads", "2147483648"),
            "--threads: " + most + "2147483647, got 2147483648");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run"));
  EXPECT_NE(complaint_of({"predict", folder_ / "run", "--index", "9223372036854775808"}, 2)
                .find("--index: " + most + "9223372036854775807"),
            std::string::npos);
}

TEST_F(Usage, BytesThatAreNoUtf8AreShown) {
  EXPECT_EQ(complaint_of({"train", "--resume", folder_ / "a\xff"}, 1),
            folder_ / "a\\xff" + "/settings.json: cannot open: No such file or directory");
}

}  // namespace
}  // namespace ballast::cli
