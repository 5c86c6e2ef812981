#include "cli/settings.h"

#include <concepts>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "ballast/base/checksum.h"
#include "ballast/base/file.h"

namespace ballast::cli {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxSettings = 1 << 20;

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

using Ordered = nlohmann::ordered_json;

struct Field {
  const char* name;
  Ordered value;
  bool decides;  // the result
};

/// All settings, in the order of the file.
std::vector<Field> fields(const Settings& s) {
  const auto dims = s.sample.dims();
  return {{"model", s.model, true},
          {"data", s.data, false},  // where the samples lie; data_hash says which
          {"classes", s.classes, true},
          {"norm", s.norm, true},
          {"epochs", s.epochs, s.schedule != "none"},
          {"batch_size", s.batch_size, true},
          {"lr", s.lr, true},
          {"momentum", s.momentum, true},
          {"weight_decay", s.weight_decay, true},
          {"optimizer", s.optimizer, true},
          {"schedule", s.schedule, true},
          {"seed", s.seed, true},
          {"threads", s.threads, false},
          {"checkpoint_every", s.checkpoint_every, false},
          {"record", s.record, false},
          {"plots", s.plots, false},
          {"data_hash", s.data_hash, true},
          {"sample", std::vector<int64_t>(dims.begin(), dims.end()), true}};
}

constexpr const char* kChecksum = "checksum";

std::string checksum_of(const Ordered& settings) { return Checksum().add(settings.dump()).hex(); }

}  // namespace

std::vector<std::pair<std::string, std::string>> deciding(const Settings& s) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const Field& f : fields(s))
    if (f.decides) out.emplace_back(f.name, f.value.dump());
  return out;
}

std::string identity_of(const Settings& s) {
  Checksum sum;
  for (const auto& [name, value] : deciding(s)) sum.add(name).add(value);
  return sum.hex();
}

std::string settings_text(const Settings& s) {
  Ordered j;
  for (const Field& f : fields(s)) j[f.name] = f.value;
  j[kChecksum] = checksum_of(j);
  return j.dump(2) + "\n";
}

bool is_intact(const std::string& text) {
  Ordered j = Ordered::parse(text, nullptr, false);
  if (!j.is_object() || !j.contains(kChecksum)) return false;
  const Ordered checksum = j[kChecksum];
  j.erase(kChecksum);
  return checksum == checksum_of(j);
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

std::string settings_path(const std::string& run) { return run + "/settings.json"; }

std::string read_settings_text(const std::string& run) {
  return read_file(settings_path(run), kMaxSettings);
}

Settings read_settings(const std::string& run) {
  const std::string text = read_settings_text(run);
  const Settings s = parse_settings(text, settings_path(run));
  check<FileError>(is_intact(text), "{}: damaged: its checksum does not fit its content",
                   settings_path(run));
  return s;
}

void write_settings(const std::string& run, const Settings& s) {
  write_atomically(settings_path(run), bytes_of(settings_text(s)));
}

}  // namespace ballast::cli
