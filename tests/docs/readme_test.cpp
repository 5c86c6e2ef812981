#include <gtest/gtest.h>

#include <filesystem>

#include "ballast/ballast.h"
#include "tests/support/files.h"

namespace ballast {
namespace {

TEST(Readme, TheCppExampleTrainsAndSaves) {
  const testing::Folder folder;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  manual_seed(0);
  const data::TensorDataset digits(randn({128, 10}), randint(0, 10, {128}));
  // The README's code block, as it stands there.
#include "readme_example.inc"
  EXPECT_EQ(load("net.safetensors").size(), net.state_dict().size());
  std::filesystem::current_path(before);
}

}  // namespace
}  // namespace ballast
