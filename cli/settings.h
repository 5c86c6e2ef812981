// What a run was asked for, and its file settings.json.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ballast/base/shape.h"

namespace ballast::cli {

/// What a run depends on.
struct Settings {
  std::string model = "net";
  std::string data = "digits";
  int64_t classes = 10;
  std::string norm = "batch";
  int64_t epochs = 20, batch_size = 64;
  double lr = 0.1, momentum = 0.9, weight_decay = 0.0;
  std::string optimizer = "sgd", schedule = "none";
  uint64_t seed = 0;
  int threads = 0;                       // 0: as many as there are cores
  std::string checkpoint_every = "30s";  // seconds with an s, else steps
  std::vector<std::string> record;       // formats of the record
  bool plots = false;
  std::string data_hash;  // of the prepared samples, to notice another file
  Shape sample;           // shape of one prepared sample
};

/// The content of a run's `settings.json`.
std::string settings_text(const Settings& s);
/// And back; `file` is for errors. Throws FileError for what is no JSON, lacks a field, or has one
/// that is of another kind or out of range.
Settings parse_settings(const std::string& text, const std::string& file);

/// Reads `settings.json` of a run. Throws FileError where it is missing, and as `parse_settings`.
Settings read_settings(const std::string& run);
void write_settings(const std::string& run, const Settings& s);

}  // namespace ballast::cli
