// TensorBoard's event files: records of a checksummed frame each, every record a protocol buffer.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ballast/base/file.h"

namespace ballast::io {

/// CRC-32C (Castagnoli's polynomial), as in RFC 3720.
uint32_t crc32c(std::span<const std::byte> bytes);

/// How often values fell between limits: `counts[i]` of them in (limits[i - 1], limits[i]].
struct Histogram {
  double min = 0.0, max = 0.0, count = 0.0, sum = 0.0, squares = 0.0;
  std::vector<double> limits, counts;
};

/// Counts values in the buckets of TensorBoard: limits at 0 and at both signs of 1e-12 * 1.1^k.
/// Values that are not finite are left out; of none is an empty histogram.
Histogram histogram_of(std::span<const double> values);

/// Writes an event file into a folder, which is made where it is missing. Every call appends;
/// `flush` hands what was written to the system, as the end of the writer does. Throws FileError.
class EventWriter {
 public:
  /// The file is called events.out.tfevents.SECONDS.HOST.PROCESS.NUMBER and then `suffix`.
  explicit EventWriter(const std::string& folder, const std::string& suffix = "");

  /// A negative `wall_time` (seconds since 1970) is the present.
  void scalar(const std::string& tag, double value, int64_t step, double wall_time = -1.0);
  void histogram(const std::string& tag, const Histogram& h, int64_t step, double wall_time = -1.0);
  void text(const std::string& tag, const std::string& text, int64_t step, double wall_time = -1.0);
  /// An event whose message number `field` (of TensorFlow's Event: 4 for a graph, 5 for a summary)
  /// is `content`, as protocol buffers encode it.
  void event(int64_t step, double wall_time, int field, const std::string& content);
  /// Training goes on from an earlier state: what was written of later steps is void.
  void restart(int64_t step);

  void flush();
  /// Forces what was written to the disk.
  void sync();
  /// Nothing may be written afterwards.
  void close();
  const std::string& path() const { return path_; }

 private:
  void frame(const std::string& content);

  std::string path_;
  std::optional<AppendFile> file_;
};

}  // namespace ballast::io
