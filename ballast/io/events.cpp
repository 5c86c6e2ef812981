#include "ballast/io/events.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <utility>

#include "ballast/io/proto.h"

namespace ballast::io {
namespace {

// Fields of TensorBoard's messages (tensorboard/compat/proto: event.proto, summary.proto,
// tensor.proto).
enum Event { kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7 };
enum Summary { kValue = 1 };
enum Value { kTag = 1, kSimpleValue = 2, kHistogram = 5, kTensor = 8, kMetadata = 9 };
enum HistogramField { kMin = 1, kMax, kNum, kSum, kSumSquares, kBucketLimit, kBucket };
constexpr int64_t kSessionStart = 1;

double now() {
  const std::chrono::duration<double> t = std::chrono::system_clock::now().time_since_epoch();
  return t.count();
}

std::array<uint32_t, 256> crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ (c & 1 ? 0x82f63b78u : 0u);
    table[i] = c;
  }
  return table;
}

/// Of data that are stored together with their own checksums a CRC says less: so TensorFlow turns
/// it and adds a constant.
uint32_t masked(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }

template <class T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string packed(const std::vector<double>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(double)};
}

/// The limits above 0: 1e-12, times 1.1 up to 1e20.
const std::vector<double>& positive_limits() {
  static const std::vector<double> limits = [] {
    std::vector<double> out;
    for (double v = 1e-12; v < 1e20; v *= 1.1) out.push_back(v);
    return out;
  }();
  return limits;
}

/// All limits, in order.
const std::vector<double>& all_limits() {
  static const std::vector<double> limits = [] {
    const std::vector<double>& positive = positive_limits();
    std::vector<double> out;
    for (auto it = positive.rbegin(); it != positive.rend(); ++it) out.push_back(-*it);
    out.push_back(0.0);
    out.insert(out.end(), positive.begin(), positive.end());
    out.push_back(std::numeric_limits<double>::max());
    return out;
  }();
  return limits;
}

}  // namespace

uint32_t crc32c(std::span<const std::byte> bytes) {
  static const std::array<uint32_t, 256> table = crc_table();
  uint32_t c = ~0u;
  for (const std::byte b : bytes) c = table[(c ^ static_cast<uint8_t>(b)) & 0xff] ^ (c >> 8);
  return ~c;
}

Histogram histogram_of(std::span<const double> values) {
  const std::vector<double>& limits = all_limits();
  std::vector<double> counts(limits.size());
  Histogram out{.min = std::numeric_limits<double>::infinity(),
                .max = -std::numeric_limits<double>::infinity(),
                .limits = {},
                .counts = {}};
  for (const double v : values) {
    if (!std::isfinite(v)) continue;
    out.min = std::min(out.min, v);
    out.max = std::max(out.max, v);
    out.count += 1;
    out.sum += v;
    out.squares += v * v;
    counts[std::lower_bound(limits.begin(), limits.end(), v) - limits.begin()] += 1;
  }
  if (out.count == 0) return {};
  // An empty bucket before the first says where that begins.
  const auto used = [](double n) { return n > 0; };
  auto first = std::find_if(counts.begin(), counts.end(), used);
  const auto last = std::find_if(counts.rbegin(), counts.rend(), used).base();
  if (first != counts.begin()) --first;
  out.counts.assign(first, last);
  out.limits.assign(limits.begin() + (first - counts.begin()),
                    limits.begin() + (last - counts.begin()));
  return out;
}

EventWriter::EventWriter(const std::string& folder, const std::string& suffix) {
  static std::atomic<int> number = 0;
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  check<FileError>(std::filesystem::is_directory(folder), "{}: the folder cannot be made: {}",
                   folder, error ? error.message() : "there is a file of that name");
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) std::strcpy(host.data(), "localhost");
  // Readers take the files of a folder in the order of their names.
  path_ = fmt::format("{}/events.out.tfevents.{}.{}.{}.{:06}{}", folder,
                      static_cast<int64_t>(now()), host.data(), getpid(), number++, suffix);
  file_.emplace(path_);
  ProtoMessage event;
  event.real64(kWallTime, now()).text(kFileVersion, "brain.Event:2");
  frame(event.bytes());
  flush();
}

void EventWriter::frame(const std::string& content) {
  const std::string length = raw(static_cast<uint64_t>(content.size()));
  const std::string bytes = length + raw(masked(crc32c(bytes_of(length)))) + content +
                            raw(masked(crc32c(bytes_of(content))));
  file_->write(bytes.data(), bytes.size());
}

void EventWriter::event(int64_t step, double wall_time, int field, const std::string& content) {
  ProtoMessage event;
  event.real64(kWallTime, wall_time < 0 ? now() : wall_time)
      .integer(kStep, step)
      .text(field, content);
  frame(event.bytes());
}

void EventWriter::scalar(const std::string& tag, double value, int64_t step, double wall_time) {
  ProtoMessage v;
  v.text(kTag, tag).real(kSimpleValue, static_cast<float>(value));
  event(step, wall_time, kSummary, ProtoMessage().message(kValue, v).bytes());
}

void EventWriter::histogram(const std::string& tag, const Histogram& h, int64_t step,
                            double wall_time) {
  ProtoMessage m, v;
  m.real64(kMin, h.min).real64(kMax, h.max).real64(kNum, h.count).real64(kSum, h.sum);
  m.real64(kSumSquares, h.squares);
  m.text(kBucketLimit, packed(h.limits)).text(kBucket, packed(h.counts));
  v.text(kTag, tag).message(kHistogram, m);
  event(step, wall_time, kSummary, ProtoMessage().message(kValue, v).bytes());
}

void EventWriter::text(const std::string& tag, const std::string& text, int64_t step,
                       double wall_time) {
  // A tensor of one string (DT_STRING is 7), shown by the plugin "text".
  const ProtoMessage shape = std::move(ProtoMessage().message(2, ProtoMessage().integer(1, 1)));
  ProtoMessage tensor, v;
  tensor.integer(1, 7).message(2, shape).text(8, text);
  const ProtoMessage plugin = std::move(ProtoMessage().text(1, "text"));
  v.text(kTag, tag).message(kTensor, tensor).message(kMetadata, ProtoMessage().message(1, plugin));
  event(step, wall_time, kSummary, ProtoMessage().message(kValue, v).bytes());
}

void EventWriter::restart(int64_t step) {
  event(step, -1.0, kSessionLog, ProtoMessage().integer(1, kSessionStart).bytes());
}

void EventWriter::flush() { file_->flush(); }

void EventWriter::sync() { file_->sync(); }

void EventWriter::close() { file_->close(); }

}  // namespace ballast::io
