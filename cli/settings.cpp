#include "cli/settings.h"

#include <concepts>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "ballast/base/file.h"

namespace ballast::cli {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxSettings = 1 << 20;

std::string path_of(const std::string& run) { return run + "/settings.json"; }

/// A whole number of at least `least`; the JSON library would convert any number, and wrap it.
template <std::integral T>
void read(const json& v, const char* name, T& field, T least = 0) {
  const bool fits = v.is_number_unsigned()
                        ? std::in_range<T>(v.get<uint64_t>())
                        : v.is_number_integer() && std::in_range<T>(v.get<int64_t>());
  if (fits) field = v.get<T>();
  check<ValueError>(fits && field >= least, "{} must be a whole number from {} to {}, got {}", name,
                    least, std::numeric_limits<T>::max(), v.is_number() ? v.dump() : v.type_name());
}

Settings settings_of(const json& j) {
  Settings s;
  j.at("model").get_to(s.model);
  j.at("data").get_to(s.data);
  read(j.at("classes"), "classes", s.classes, int64_t{1});
  j.at("norm").get_to(s.norm);
  read(j.at("epochs"), "epochs", s.epochs);
  read(j.at("batch_size"), "batch_size", s.batch_size, int64_t{1});
  j.at("lr").get_to(s.lr);
  j.at("momentum").get_to(s.momentum);
  j.at("weight_decay").get_to(s.weight_decay);
  j.at("optimizer").get_to(s.optimizer);
  j.at("schedule").get_to(s.schedule);
  read(j.at("seed"), "seed", s.seed);
  read(j.at("threads"), "threads", s.threads);
  j.at("checkpoint_every").get_to(s.checkpoint_every);
  s.record = j.value("record", s.record);  // older runs have none
  s.plots = j.value("plots", s.plots);
  j.at("data_hash").get_to(s.data_hash);
  const json& sample = j.at("sample");
  check<ValueError>(sample.is_array(), "sample must be a list of sizes");
  for (const json& v : sample) {
    int64_t size = 0;
    read(v, "a size in sample", size);
    s.sample.push_back(size);
  }
  return s;
}

}  // namespace

std::string settings_text(const Settings& s) {
  const auto dims = s.sample.dims();
  const nlohmann::ordered_json j = {{"model", s.model},
                                    {"data", s.data},
                                    {"classes", s.classes},
                                    {"norm", s.norm},
                                    {"epochs", s.epochs},
                                    {"batch_size", s.batch_size},
                                    {"lr", s.lr},
                                    {"momentum", s.momentum},
                                    {"weight_decay", s.weight_decay},
                                    {"optimizer", s.optimizer},
                                    {"schedule", s.schedule},
                                    {"seed", s.seed},
                                    {"threads", s.threads},
                                    {"checkpoint_every", s.checkpoint_every},
                                    {"record", s.record},
                                    {"plots", s.plots},
                                    {"data_hash", s.data_hash},
                                    {"sample", std::vector<int64_t>(dims.begin(), dims.end())}};
  return j.dump(2) + "\n";
}

Settings parse_settings(const std::string& text, const std::string& file) {
  try {
    return settings_of(json::parse(text));
  } catch (const json::exception& e) {
    fail<FileError>("{}: expected the settings of a run: {}", file, e.what());
  } catch (const ValueError& e) {
    fail<FileError>("{}: {}", file, e.what());
  }
}

Settings read_settings(const std::string& run) {
  return parse_settings(read_file(path_of(run), kMaxSettings), path_of(run));
}

void write_settings(const std::string& run, const Settings& s) {
  write_atomically(path_of(run), bytes_of(settings_text(s)));
}

}  // namespace ballast::cli
