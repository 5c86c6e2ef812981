// Event files, read back by a reader of their own: frames, checksums, fields.
#include "ballast/io/events.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "ballast/base/file.h"
#include "tests/support/files.h"

namespace ballast::io {
namespace {

using testing::error_of;
using testing::Folder;

uint32_t crc_of(const std::string& s) { return crc32c(ballast::bytes_of(s)); }

TEST(Crc32c, IsThatOfTheRfc) {
  // RFC 3720, B.4.
  EXPECT_EQ(crc_of(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc_of(std::string(32, '\xff')), 0x62a8ab43u);
  std::string rising, falling;
  for (int i = 0; i < 32; ++i) {
    rising += static_cast<char>(i);
    falling += static_cast<char>(31 - i);
  }
  EXPECT_EQ(crc_of(rising), 0x46dd794eu);
  EXPECT_EQ(crc_of(falling), 0x113fdb5cu);
  EXPECT_EQ(crc_of("123456789"), 0xe3069283u);
}

/// The fields of a message by number: integers, bytes of fixed width, or content.
struct Message {
  std::multimap<int, std::string> fields;
  std::multimap<int, uint64_t> integers;

  explicit Message(const std::string& bytes) {
    size_t at = 0;
    auto varint = [&] {
      uint64_t v = 0;
      for (int shift = 0;; shift += 7) {
        const auto b = static_cast<uint8_t>(bytes.at(at++));
        v |= static_cast<uint64_t>(b & 0x7f) << shift;
        if (!(b & 0x80)) return v;
      }
    };
    while (at < bytes.size()) {
      const uint64_t tag = varint();
      const int field = static_cast<int>(tag >> 3), type = static_cast<int>(tag & 7);
      if (type == 0) {
        integers.emplace(field, varint());
        continue;
      }
      const size_t size = type == 1 ? 8 : type == 5 ? 4 : varint();
      EXPECT_LE(at + size, bytes.size());
      fields.emplace(field, bytes.substr(at, size));
      at += size;
    }
  }
  std::string operator[](int field) const {
    const auto it = fields.find(field);
    return it == fields.end() ? "" : it->second;
  }
  template <class T>
  T number(int field) const {
    T v{};
    const std::string bytes = (*this)[field];
    EXPECT_EQ(bytes.size(), sizeof v);
    std::memcpy(&v, bytes.data(), sizeof v);
    return v;
  }
};

std::vector<double> doubles_of(const std::string& bytes) {
  std::vector<double> out(bytes.size() / 8);
  std::memcpy(out.data(), bytes.data(), out.size() * 8);
  return out;
}

/// The events of a file. Every checksum is checked.
std::vector<Message> events_of(const std::string& path) {
  const std::string bytes = read_file(path, 1 << 24);
  auto masked = [](const std::string& s) {
    const uint32_t c = crc_of(s);
    return static_cast<uint32_t>(((c >> 15) | (c << 17)) + 0xa282ead8u);
  };
  std::vector<Message> out;
  size_t at = 0;
  while (at < bytes.size()) {
    uint64_t length = 0;
    uint32_t crc = 0;
    std::memcpy(&length, bytes.data() + at, 8);
    std::memcpy(&crc, bytes.data() + at + 8, 4);
    EXPECT_EQ(crc, masked(bytes.substr(at, 8)));
    const std::string content = bytes.substr(at + 12, length);
    std::memcpy(&crc, bytes.data() + at + 12 + length, 4);
    EXPECT_EQ(crc, masked(content));
    out.emplace_back(content);
    at += 16 + length;
  }
  return out;
}

Message value_of(const Message& event) { return Message(Message(event[5])[1]); }

TEST(Events, AFileBeginsWithItsVersion) {
  const Folder folder;
  EventWriter writer(folder / "new/run", ".x");
  writer.close();
  EXPECT_TRUE(writer.path().find("/new/run/events.out.tfevents.") != std::string::npos);
  EXPECT_TRUE(writer.path().ends_with(".x"));
  const auto events = events_of(writer.path());
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0][3], "brain.Event:2");
  EXPECT_GT(events[0].number<double>(1), 1.7e9);
}

TEST(Events, ScalarsComeBack) {
  const Folder folder;
  EventWriter writer(folder / "run");
  writer.scalar("loss/train", 0.25, 300, 1234.5);
  writer.scalar("loss/test", NAN, 0);
  writer.restart(301);
  writer.flush();
  const auto events = events_of(writer.path());
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[1].number<double>(1), 1234.5);
  EXPECT_EQ(events[1].integers.find(2)->second, 300u);
  EXPECT_EQ(value_of(events[1])[1], "loss/train");
  EXPECT_EQ(value_of(events[1]).number<float>(2), 0.25F);
  EXPECT_TRUE(std::isnan(value_of(events[2]).number<float>(2)));
  EXPECT_EQ(Message(events[3][7]).integers.find(1)->second, 1u) << "SessionLog.START";
}

TEST(Events, HistogramsComeBack) {
  const Folder folder;
  EventWriter writer(folder / "run");
  const std::vector<double> values{-2.0, 0.0, 0.5, 0.5, 3.0};
  writer.histogram("w", histogram_of(values), 7);
  writer.flush();
  const Message h(value_of(events_of(writer.path())[1])[5]);
  EXPECT_EQ(h.number<double>(1), -2);
  EXPECT_EQ(h.number<double>(2), 3);
  EXPECT_EQ(h.number<double>(3), 5);
  EXPECT_EQ(h.number<double>(4), 2);
  EXPECT_EQ(h.number<double>(5), 13.5);
  const auto limits = doubles_of(h[6]), counts = doubles_of(h[7]);
  ASSERT_EQ(limits.size(), counts.size());
  EXPECT_TRUE(std::is_sorted(limits.begin(), limits.end()));
  double total = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    total += counts[i];
    double expected = 0;
    for (double v : values) expected += v <= limits[i] && (i == 0 || v > limits[i - 1]);
    EXPECT_EQ(counts[i], expected) << limits[i];
  }
  EXPECT_EQ(total, 5);
}

TEST(Events, HistogramsLeaveOutWhatIsNotFinite) {
  EXPECT_EQ(histogram_of(std::vector<double>{}).count, 0);
  const double inf = std::numeric_limits<double>::infinity();
  const Histogram h = histogram_of(std::vector<double>{NAN, 1.0, inf, -inf, 1e300});
  EXPECT_EQ(h.count, 2);
  EXPECT_EQ(h.max, 1e300);
}

TEST(Events, TextIsATensorOfOneString) {
  const Folder folder;
  EventWriter writer(folder / "run");
  writer.text("note", "lr 0.1", 2);
  writer.flush();
  const Message v = value_of(events_of(writer.path())[1]), tensor(v[8]);
  EXPECT_EQ(tensor[8], "lr 0.1");
  EXPECT_EQ(tensor.integers.find(1)->second, 7u);
  EXPECT_EQ(Message(Message(v[9])[1])[1], "text");
}

TEST(Events, AFullDiskIsNamedWithItsReason) {
  const Folder folder;
  EventWriter writer(folder / "run");
  const sighandler_t handler = ::signal(SIGXFSZ, SIG_IGN);
  rlimit old;
  ::getrlimit(RLIMIT_FSIZE, &old);
  const rlimit limit{1000, old.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &limit);
  for (int i = 0; i < 50; ++i) writer.scalar("a", i, i);
  const std::string message = error_of<FileError>([&] { writer.flush(); });
  ::setrlimit(RLIMIT_FSIZE, &old);
  ::signal(SIGXFSZ, handler);
  EXPECT_EQ(message, writer.path() + ": cannot write: File too large");
  EXPECT_EQ(events_of(writer.path()).size(), 1u) << "half an event is left";
}

TEST(Events, AClosedFileAndAFolderThatCannotBeMadeAreErrors) {
  const Folder folder;
  EventWriter writer(folder / "run");
  writer.close();
  writer.close();
  EXPECT_THROW(writer.scalar("a", 1, 1), FileError);
  write_atomically(folder / "file", ballast::bytes_of(std::string("x")));
  EXPECT_THROW(EventWriter(folder / "file"), FileError);
}

}  // namespace
}  // namespace ballast::io
