// What the tool's tests share.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "ballast/base/file.h"
#include "ballast/io/safetensors.h"
#include "ballast/io/state.h"
#include "ballast/nn/module.h"
#include "tests/support/files.h"
#include "tests/support/process.h"

namespace ballast::cli {

/// Runs `ballast` with these arguments.
inline testing::Outcome tool(std::vector<std::string> arguments,
                             const testing::Launch& launch = {}) {
  arguments.insert(arguments.begin(), testing::tool_path());
  return testing::run(arguments, launch);
}

/// Its output where it succeeds; a failed test otherwise.
inline std::string output_of(const std::vector<std::string>& arguments) {
  const testing::Outcome o = tool(arguments);
  EXPECT_EQ(o.code, 0) << o.err;
  EXPECT_EQ(o.err, "");
  return o.out;
}

inline nlohmann::json json_of(std::vector<std::string> arguments) {
  arguments.push_back("--json");
  return nlohmann::json::parse(output_of(arguments));
}

/// Replaces the weights that a run left, as the tool would have written them: with their checksum.
inline void replace_weights(const std::string& run, const StateDict& state) {
  const std::string path = run + "/model.safetensors";
  auto metadata = io::read_safetensors(path).metadata;
  io::NamedArrays arrays;
  for (const auto& [name, t] : state) arrays.emplace_back(name, io::to_array(t));
  metadata["checksum"] = io::checksum_of(arrays);
  io::write_safetensors(path, arrays, metadata);
}

/// Its one line of error; a failed test unless it ends with `code`, says one line and nothing else.
inline std::string complaint_of(const std::vector<std::string>& arguments, int code,
                                const testing::Launch& launch = {}) {
  const testing::Outcome o = tool(arguments, launch);
  EXPECT_EQ(o.code, code) << o.out << o.err;
  EXPECT_TRUE(o.err.starts_with("ballast: ")) << o.err;
  EXPECT_EQ(std::count(o.err.begin(), o.err.end(), '\n'), 1) << o.err;
  if (!o.err.starts_with("ballast: ")) return o.err;
  return o.err.substr(9, o.err.size() - 10);
}

inline std::string content_of(const std::string& path) { return ballast::read_file(path, 1 << 24); }

/// A folder for runs.
class ToolTest : public ::testing::Test {
 protected:
  /// Trains `net` for a moment into folder_/name, with further options.
  std::string trained(const std::string& name, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"train",        "--model",  "net", "--out",
                                          folder_ / name, "--epochs", "2",   "--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    EXPECT_EQ(output_of(arguments), "");
    return folder_ / name;
  }
  std::string file(const std::string& name, const std::string& text) {
    write_atomically(folder_ / name, bytes_of(text));
    return folder_ / name;
  }

  testing::Folder folder_;
};

}  // namespace ballast::cli
