#include "ballast/study/lab.h"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "ballast/base/checksum.h"
#include "ballast/base/file.h"
#include "ballast/base/version.h"
#include "ballast/study/training.h"

namespace ballast::study {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMaxRuns = uint64_t{1} << 30;
/// Counted up when experiments change, so that numbers of another program are not taken for theirs.
constexpr int kRevision = 1;

/// JSON has no infinities and no NaN: these are texts.
Json to_json(double v) {
  if (std::isfinite(v)) return v;
  return std::isnan(v) ? "nan" : v > 0 ? "inf" : "-inf";
}

double number_from(const Json& j) {
  if (j.is_number()) return j.get<double>();
  constexpr double kInf = std::numeric_limits<double>::infinity();
  const auto& text = j.get_ref<const std::string&>();
  return text == "inf" ? kInf : text == "-inf" ? -kInf : std::numeric_limits<double>::quiet_NaN();
}

Numbers numbers_from(const Json& j) {
  Numbers numbers;
  for (const auto& [name, list] : j.items())
    for (const Json& v : list) numbers[name].push_back(number_from(v));
  return numbers;
}

/// Of a line's other members.
std::string checksum_of(const Json& line) { return Checksum().add(line.dump()).hex(); }

std::string line_of(const std::string& key, const Numbers& numbers) {
  Json object = Json::object();
  for (const auto& [name, list] : numbers) {
    Json& values = object[name] = Json::array();
    for (const double v : list) values.push_back(to_json(v));
  }
  Json line = {{"run", key}, {"numbers", object}};
  line["checksum"] = checksum_of(line);
  return line.dump() + "\n";
}

}  // namespace

Runs::Runs(std::string path) {
  if (path.empty()) return;
  FileMark whole;
  if (std::filesystem::exists(path)) {
    std::string text = read_file(path, kMaxRuns);
    text.resize(text.rfind('\n') + 1);  // a line without an end was cut off by a kill
    whole = {text.size(), Checksum().add(bytes_of(text)).value()};
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) read(line);
  }
  file_ = std::make_unique<AppendFile>(std::move(path), whole);
}

void Runs::read(const std::string& line) {
  try {
    Json j = Json::parse(line);
    const std::string checksum = j.at("checksum");
    j.erase("checksum");
    if (checksum != checksum_of(j)) return;  // damaged: the run is made again
    runs_[j.at("run").get<std::string>()] = numbers_from(j.at("numbers"));
  } catch (const Json::exception&) {
    return;
  }
}

const Numbers* Runs::find(const std::string& key) const {
  const auto it = runs_.find(key);
  return it == runs_.end() ? nullptr : &it->second;
}

const Numbers& Runs::add(const std::string& key, Numbers numbers) {
  if (file_) {
    const std::string line = line_of(key, numbers);
    file_->write(line.data(), line.size());
    file_->flush();
  }
  return runs_[key] = std::move(numbers);
}

Lab::Lab(const Task& task, Effort effort, Runs& runs, const std::atomic<bool>* stop, bool progress)
    : task_(task),
      effort_(effort),
      runs_(runs),
      stop_(stop),
      shows_progress_(progress),
      prefix_(fmt::format("{}/{} {} {} ", version(), kRevision, task.model, task.fingerprint())) {}

void Lab::check_stop() const {
  if (stop_ && stop_->load(std::memory_order_relaxed)) throw Stopped();
}

void Lab::begin(const std::string& claim, int64_t measurements) {
  done_ = 0;
  if (shows_progress_) progress_ = std::make_unique<train::Progress>(claim, measurements);
}

void Lab::end() {
  if (progress_) progress_->finish();
  progress_.reset();
}

const Numbers& Lab::measure(const std::string& what, int64_t seed,
                            const std::function<Numbers()>& f) {
  check_stop();
  const std::string key = fmt::format("{}{} seed={}", prefix_, what, seed);
  const Numbers* known = runs_.find(key);
  if (!known) {
    manual_seed(static_cast<uint64_t>(seed));
    known = &runs_.add(key, f());
  }
  if (progress_) progress_->update(++done_);
  return *known;
}

const Numbers& Lab::train(const Training& training, int64_t seed) {
  return measure("train " + training.str(), seed,
                 [&] { return training.run(task_, [this] { check_stop(); }); });
}

std::vector<Numbers> Lab::train_all(const Training& training) {
  std::vector<Numbers> out;
  for (int64_t seed = 0; seed < seeds(); ++seed) out.push_back(train(training, seed));
  return out;
}

std::vector<double> column(const std::vector<Numbers>& runs, const std::string& name) {
  std::vector<double> out;
  out.reserve(runs.size());
  for (const Numbers& n : runs) out.push_back(n.at(name).back());
  return out;
}

std::vector<std::vector<double>> lists(const std::vector<Numbers>& runs, const std::string& name) {
  std::vector<std::vector<double>> out;
  out.reserve(runs.size());
  for (const Numbers& n : runs) out.push_back(n.at(name));
  return out;
}

std::vector<Estimate> estimates(const std::vector<Numbers>& runs, const std::string& name) {
  std::vector<Estimate> out;
  for (size_t i = 0; i < runs.front().at(name).size(); ++i) {
    std::vector<double> values;
    values.reserve(runs.size());
    for (const Numbers& n : runs) values.push_back(n.at(name).at(i));
    out.push_back(mean_interval(values));
  }
  return out;
}

}  // namespace ballast::study
