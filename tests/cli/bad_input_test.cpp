#include "ballast/io/npy.h"
#include "ballast/io/safetensors.h"
#include "tests/cli/tool.h"

namespace ballast::cli {
namespace {

using io::Array;

class BadInput : public ToolTest {
 protected:
  /// The complaint about training on a file, without the file's name in front.
  std::string on(const std::string& path, const std::string& model) {
    const std::string message =
        complaint_of({"train", "--model", model, "--data", path, "--out", folder_ / "run"}, 1);
    EXPECT_TRUE(message.starts_with(path)) << message;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "run")) << "a run was begun";
    return message.substr(std::min(message.size(), path.size()));
  }
  std::string npz(const Shape& inputs) {
    io::write_npz(folder_ / "a.npz", {{"x", Array::zeros(DType::kFloat32, inputs)},
                                      {"y", Array::zeros(DType::kInt64, {inputs[0]})}});
    return folder_ / "a.npz";
  }
};

TEST_F(BadInput, TablesAreNamedWithTheLine) {
  EXPECT_EQ(on(folder_ / "none.csv", "mlp"), ": cannot open: No such file or directory");
  EXPECT_EQ(on(file("empty.csv", ""), "mlp").substr(0, 2), ": ");
  EXPECT_EQ(on(file("nan.csv", "1,2,0\n3,nan,1\n"), "mlp"), ":2:2: \"nan\" is not a finite number");
  EXPECT_TRUE(on(file("ragged.csv", "1,2,0\n3,1\n"), "mlp").starts_with(":2")) << "line 2";
  EXPECT_EQ(on(file("a.txt", "1,2,0\n"), "mlp"),
            ": expected a file that ends in .csv, .npy or .npz");
}

TEST_F(BadInput, LabelsMustHaveAClass) {
  EXPECT_EQ(on(file("a.csv", "1,2,0\n3,4,12\n5,6,1\n"), "mlp"),
            ": label 12 is out of range: expected 0 to 9 (a model for 10 classes)");
  EXPECT_EQ(on(file("b.csv", "1,2,0\n3,4,-1\n"), "mlp"), ": sample 1: the label -1 is negative");
}

TEST_F(BadInput, SamplesMustFitTheModel) {
  EXPECT_EQ(on(npz({4, 30}), "custom"), ": model custom expects samples of shape [64], got [30]");
  EXPECT_EQ(on(npz({4, 2, 8, 8}), "my"),
            ": model my: expected images of 1 or 3 channels, got samples of shape [2, 8, 8]");
  EXPECT_EQ(on(npz({4, 5}), "net"),
            ": model net: expected samples of at least 10 numbers, got samples of shape [5]");
  EXPECT_EQ(on(npz({1, 30}), "mlp"),
            ": one sample cannot be divided into training and test samples");
}

TEST_F(BadInput, EvaluationNamesWhatTheModelExpects) {
  const std::string run = trained("run");
  const std::string path = npz({4, 30});
  EXPECT_EQ(complaint_of({"eval", run, "--data", path}, 1),
            path +
                ": model net: principal components of 64 numbers were asked of samples of shape "
                "[4, 30]");
}

TEST_F(BadInput, TruncatedAndForeignFilesAreRefused) {
  const std::string run = trained("run");
  for (const char* name : {"checkpoint.safetensors", "model.safetensors"}) {
    const std::string path = run + "/" + name, whole = content_of(path);
    file(std::string("run/") + name, whole.substr(0, whole.size() / 2));
    const std::vector<std::string> command =
        name[0] == 'c' ? std::vector<std::string>{"train", "--resume", run}
                       : std::vector<std::string>{"eval", run};
    EXPECT_TRUE(complaint_of(command, 1).starts_with(path + ": "));
    file(std::string("run/") + name, whole);
  }
  const std::string weights = content_of(run + "/model.safetensors");
  file("run/checkpoint.safetensors", weights);
  EXPECT_EQ(complaint_of({"train", "--resume", run, "--quiet"}, 1),
            run + "/checkpoint.safetensors: not a checkpoint: it has no checksum of type uint8");
}

TEST_F(BadInput, MissingAndUnexpectedKeysAreNamed) {
  const std::string run = trained("run"), path = run + "/model.safetensors";
  io::SafeTensors weights = io::read_safetensors(path);
  weights.tensors[0].first = "fc9.weight";
  io::write_safetensors(path, weights.tensors);
  EXPECT_EQ(complaint_of({"eval", run}, 1),
            path + ": damaged: its checksum does not fit its content");
  EXPECT_EQ(complaint_of({"eval", path, "--model", "net"}, 1),
            path +
                ": Error(s) in loading state_dict for Net: Missing key(s) in state_dict: "
                "\"fc1.weight\". Unexpected key(s) in state_dict: \"fc9.weight\".");
  EXPECT_NE(
      complaint_of({"eval", path, "--model", "custom"}, 1).find("size mismatch for fc2.weight"),
      std::string::npos);
}

TEST_F(BadInput, AFileThatChangedSinceTheStartIsNoticed) {
  std::string text;
  for (int i = 0; i < 20; ++i) text += fmt::format("{},{},{}\n", i, -i, i % 2);
  const std::string path = file("a.csv", text), run = folder_ / "run";
  output_of({"train", "--model", "mlp", "--data", path, "--epochs", "1", "--out", run, "--quiet"});
  file("a.csv", "9" + text);
  EXPECT_EQ(complaint_of({"train", "--resume", run}, 1),
            path + ": the samples are not those that the run " + run + " began with");
}

}  // namespace
}  // namespace ballast::cli
