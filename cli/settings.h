// What a run was asked for, and its file settings.json.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
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

/// The settings that decide the result, by name, with their values as text. The rest may change
/// when a run is continued. The number of epochs decides where the schedule depends on it.
std::vector<std::pair<std::string, std::string>> deciding(const Settings& s);
/// A checksum of them, which tells a run's files from those of runs with other settings.
std::string identity_of(const Settings& s);

/// The content of a run's `settings.json`.
std::string settings_text(const Settings& s);
/// And back; `file` is for errors. Throws FileError for what is no JSON, lacks a field, or has one
/// that is of another kind or out of range.
Settings parse_settings(const std::string& text, const std::string& file);

/// Whether a text of settings carries the checksum of its content.
bool is_intact(const std::string& text);

std::string settings_path(const std::string& run);
/// The text of a run's `settings.json`. Throws FileError where it cannot be read.
std::string read_settings_text(const std::string& run);
/// Reads `settings.json` of a run. Throws FileError where it is missing or was changed, and as
/// `parse_settings`.
Settings read_settings(const std::string& run);
void write_settings(const std::string& run, const Settings& s);

}  // namespace ballast::cli
