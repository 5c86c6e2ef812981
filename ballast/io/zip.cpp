#include "ballast/io/zip.h"

#include <zlib.h>

#include <algorithm>
#include <concepts>
#include <cstring>

namespace ballast::io {
namespace {

// Deflate cannot pack more than 1032 bytes into one (a match of 258 bytes takes at least two bits),
// so an entry that claims more lies about its size. https://zlib.net/zlib_tech.html
constexpr uint64_t kMaxDeflateRatio = 1032;

struct Close {
  void operator()(zip_file_t* f) const { zip_fclose(f); }
  void operator()(zip_source_t* s) const { zip_source_free(s); }
};

/// libzip's error, which owns its text.
struct ZipError {
  zip_error_t error;
  ZipError() { zip_error_init(&error); }
  ZipError(const ZipError&) = delete;
  ZipError& operator=(const ZipError&) = delete;
  ~ZipError() { zip_error_fini(&error); }
  const char* text() { return zip_error_strerror(&error); }
};

/// Whether a name stays below the folder it would be unpacked into.
bool stays_below(std::string_view name) {
  if (name.empty() || name[0] == '/' || name.find('\\') != name.npos) return false;
  for (size_t at = 0; at <= name.size();) {
    const size_t end = std::min(name.find('/', at), name.size());
    if (name.substr(at, end - at) == "..") return false;
    at = end + 1;
  }
  return true;
}

}  // namespace

ZipReader::ZipReader(std::span<const std::byte> bytes, std::string file, const char* kind)
    : bytes_(bytes), file_(std::move(file)) {
  check<FileError>(!bytes.empty(), "{}: not {}: empty", file_, kind);
  ZipError error;
  std::unique_ptr<zip_source_t, Close> source(
      zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error.error));
  if (!source) fail<FileError>("{}: cannot read: {}", file_, error.text());
  archive_.reset(zip_open_from_source(source.get(), ZIP_RDONLY | ZIP_CHECKCONS, &error.error));
  if (!archive_) fail<FileError>("{}: not {}: {}", file_, kind, error.text());
  source.release();  // The archive owns it now.
  read_directory();
}

void ZipReader::read_directory() {
  const zip_int64_t count = zip_get_num_entries(archive_.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    zip_stat_t stat;
    check<FileError>(zip_stat_index(archive_.get(), i, 0, &stat) == 0,
                     "{}: cannot read entry {}: {}", file_, i, zip_strerror(archive_.get()));
    const zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE;
    check<FileError>((stat.valid & needed) == needed, "{}: entry {} has no name or size", file_, i);
    check<FileError>(stays_below(stat.name),
                     "{}: entry {} has the name '{}', which leaves a folder", file_, i, stat.name);
    check<FileError>(
        stat.size / kMaxDeflateRatio <= stat.comp_size,
        "{}: entry '{}' claims to unpack {} bytes into {}, which no compression reaches", file_,
        stat.name, stat.comp_size, stat.size);
    entries_.push_back({static_cast<uint64_t>(i), stat.size, stat.name});
  }
}

const ZipEntry* ZipReader::find(const std::string& name) const {
  const zip_int64_t at = zip_name_locate(archive_.get(), name.c_str(), ZIP_FL_ENC_RAW);
  return at < 0 ? nullptr : &entries_[at];
}

class ZipReader::Stream {
 public:
  Stream(const ZipReader& reader, const ZipEntry& entry, const std::string& what)
      : name_(reader.file_ + ": " + what),
        file_(zip_fopen_index(reader.archive_.get(), entry.index, 0)) {
    if (!file_)
      fail<FileError>("{}: cannot unpack: {}", name_, zip_strerror(reader.archive_.get()));
  }
  void read(std::byte* to, uint64_t bytes) {
    for (uint64_t done = 0; done < bytes;) {
      const zip_int64_t n = zip_fread(file_.get(), to + done, bytes - done);
      check<FileError>(n > 0, "{}: cannot unpack: {}", name_,
                       n < 0 ? zip_file_strerror(file_.get()) : "shorter than the archive says");
      done += n;
    }
  }
  /// The checksum is compared where the end is seen, which takes one read past it.
  void expect_end() {
    std::byte past;
    const zip_int64_t n = zip_fread(file_.get(), &past, 1);
    check<FileError>(n == 0, "{}: cannot unpack: {}", name_, zip_file_strerror(file_.get()));
  }

 private:
  std::string name_;
  std::unique_ptr<zip_file_t, Close> file_;
};

Ref<Buffer> ZipReader::unpack(const ZipEntry& entry, const std::string& what) const {
  Stream stream(*this, entry, what);
  Ref<Buffer> buffer = Buffer::allocate(entry.bytes);
  stream.read(buffer->data(), entry.bytes);
  stream.expect_end();
  return buffer;
}

std::vector<std::byte> ZipReader::start_of(const ZipEntry& entry, uint64_t bytes,
                                           const std::string& what) const {
  std::vector<std::byte> start(std::min(bytes, entry.bytes));
  Stream(*this, entry, what).read(start.data(), start.size());
  return start;
}

// The format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
namespace {

constexpr uint32_t kLocalHeader = 0x04034b50, kDirectoryEntry = 0x02014b50, kEnd = 0x06054b50,
                   kEnd64 = 0x06064b50, kEnd64Locator = 0x07064b50;
constexpr uint32_t kNot32 = 0xffffffff;  // stands where a 64-bit field follows
constexpr uint16_t kVersion = 20, kVersion64 = 45;
constexpr uint16_t kUtf8 = 0x800, kStored = 0;
constexpr uint32_t kFirstDay = 1 << 21 | 1 << 16;  // 1980-01-01 0:00, the earliest there is

/// The little-endian number at `at`, or nothing where that is outside.
template <std::unsigned_integral T>
std::optional<T> field(std::span<const std::byte> bytes, uint64_t at) {
  if (at > bytes.size() || bytes.size() - at < sizeof(T)) return {};
  T v;
  std::memcpy(&v, bytes.data() + at, sizeof v);
  return v;
}

/// Where the directory begins.
std::optional<uint64_t> directory_start(std::span<const std::byte> bytes) {
  constexpr uint64_t kEndSize = 22, kMaxComment = 0xffff, kLocatorSize = 20;
  if (bytes.size() < kEndSize) return {};
  uint64_t end = bytes.size() - kEndSize;
  const uint64_t first = end > kMaxComment ? end - kMaxComment : 0;
  while (field<uint32_t>(bytes, end) != kEnd)
    if (end-- == first) return {};
  const auto start = field<uint32_t>(bytes, end + 16);
  if (start != kNot32) return start;
  if (end < kLocatorSize || field<uint32_t>(bytes, end - kLocatorSize) != kEnd64Locator) return {};
  const auto end64 = field<uint64_t>(bytes, end - kLocatorSize + 8);
  if (!end64 || *end64 > bytes.size() || field<uint32_t>(bytes, *end64) != kEnd64) return {};
  return field<uint64_t>(bytes, *end64 + 48);
}

/// The offset in the 64-bit extra field of a directory's entry: what follows the sizes that are
/// there.
std::optional<uint64_t> offset64(std::span<const std::byte> bytes, uint64_t extra, uint64_t end,
                                 int sizes_before) {
  while (extra + 4 <= end) {
    const auto id = field<uint16_t>(bytes, extra), size = field<uint16_t>(bytes, extra + 2);
    if (!id || !size) return {};
    if (*id == 1) return field<uint64_t>(bytes, extra + 4 + 8 * sizes_before);
    extra += 4 + *size;
  }
  return {};
}

/// Little-endian fields.
class Record {
 public:
  template <std::unsigned_integral T>
  Record& put(T v) {
    bytes_.append(reinterpret_cast<const char*>(&v), sizeof(T));
    return *this;
  }
  Record& text(const std::string& s) {
    bytes_ += s;
    return *this;
  }
  size_t size() const { return bytes_.size(); }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

uint32_t field32(uint64_t v) { return v >= kNot32 ? kNot32 : static_cast<uint32_t>(v); }

/// The fields that the local header and the directory have in common.
void put_common(Record& r, bool large, uint32_t crc, uint64_t bytes, const std::string& name,
                size_t extra) {
  r.put(large ? kVersion64 : kVersion).put(kUtf8).put(kStored).put(kFirstDay).put(crc);
  r.put(field32(bytes)).put(field32(bytes));
  r.put(static_cast<uint16_t>(name.size())).put(static_cast<uint16_t>(extra));
}

uint32_t checksum(std::initializer_list<std::span<const std::byte>> pieces) {
  uLong crc = crc32_z(0, nullptr, 0);
  for (const auto& p : pieces)
    if (!p.empty()) crc = crc32_z(crc, reinterpret_cast<const Bytef*>(p.data()), p.size());
  return static_cast<uint32_t>(crc);
}

}  // namespace

std::optional<std::span<const std::byte>> ZipReader::stored(const ZipEntry& entry) const {
  std::optional<uint64_t> at = directory_start(bytes_);
  for (uint64_t i = 0; at; ++i) {
    if (*at > bytes_.size() || field<uint32_t>(bytes_, *at) != kDirectoryEntry) return {};
    const auto method = field<uint16_t>(bytes_, *at + 10), name = field<uint16_t>(bytes_, *at + 28),
               extra = field<uint16_t>(bytes_, *at + 30), note = field<uint16_t>(bytes_, *at + 32);
    const auto packed = field<uint32_t>(bytes_, *at + 20), size = field<uint32_t>(bytes_, *at + 24),
               offset32 = field<uint32_t>(bytes_, *at + 42);
    if (!offset32) return {};
    const uint64_t extra_at = *at + 46 + *name, note_at = extra_at + *extra;
    if (i < entry.index) {
      at = note_at + *note;
      continue;
    }
    const std::optional<uint64_t> header =
        offset32 != kNot32
            ? *offset32
            : offset64(bytes_, extra_at, note_at, (size == kNot32) + (packed == kNot32));
    if (method != kStored || !header || *header > bytes_.size()) return {};
    const auto local_name = field<uint16_t>(bytes_, *header + 26),
               local_extra = field<uint16_t>(bytes_, *header + 28);
    if (field<uint32_t>(bytes_, *header) != kLocalHeader || !local_extra) return {};
    const uint64_t content = *header + 30 + *local_name + *local_extra;
    if (content > bytes_.size() || bytes_.size() - content < entry.bytes) return {};
    return bytes_.subspan(content, entry.bytes);
  }
  return {};
}

void ZipWriter::write(const std::string& bytes) {
  sink_.write(bytes.data(), bytes.size());
  at_ += bytes.size();
}

void ZipWriter::add(const std::string& name,
                    std::initializer_list<std::span<const std::byte>> pieces) {
  check<ValueError>(name.size() < 1 << 15, "a zip entry's name of {} bytes is too long",
                    name.size());
  uint64_t bytes = 0;
  for (const auto& p : pieces) bytes += p.size();
  const Written entry{name, at_, bytes, checksum(pieces)};

  Record extra;
  const bool large = bytes >= kNot32;
  if (large) extra.put(uint16_t{1}).put(uint16_t{16}).put(bytes).put(bytes);
  // What is missing to the alignment is filled by an extra field, whose own head takes 4 bytes.
  const uint64_t content = at_ + 30 + name.size() + extra.size();
  if (content % alignment_ != 0) {
    const size_t padding = (alignment_ - (content + 4) % alignment_) % alignment_;
    extra.put(uint16_t{0x4246}).put(static_cast<uint16_t>(padding));
    extra.text(std::string(padding, 'Z'));
  }
  Record header;
  header.put(kLocalHeader);
  put_common(header, large, entry.crc, bytes, name, extra.size());
  write(header.text(name).text(extra.bytes()).bytes());
  for (const auto& p : pieces) {
    if (!p.empty()) sink_.write(p.data(), p.size());
    at_ += p.size();
  }
  entries_.push_back(entry);
}

void ZipWriter::finish() {
  const uint64_t start = at_;
  for (const Written& e : entries_) {
    Record extra;
    const bool large = e.bytes >= kNot32 || e.offset >= kNot32;
    if (large) {
      const uint16_t size = (e.bytes >= kNot32 ? 16 : 0) + (e.offset >= kNot32 ? 8 : 0);
      extra.put(uint16_t{1}).put(size);
      if (e.bytes >= kNot32) extra.put(e.bytes).put(e.bytes);
      if (e.offset >= kNot32) extra.put(e.offset);
    }
    Record r;
    r.put(kDirectoryEntry).put(large ? kVersion64 : kVersion);
    put_common(r, large, e.crc, e.bytes, e.name, extra.size());
    r.put(uint16_t{0}).put(uint16_t{0}).put(uint16_t{0}).put(uint32_t{0}).put(field32(e.offset));
    write(r.text(e.name).text(extra.bytes()).bytes());
  }
  const uint64_t size = at_ - start, count = entries_.size();
  Record end;
  if (count >= 0xffff || start >= kNot32 || size >= kNot32) {
    const uint64_t end64 = at_;
    end.put(kEnd64).put(uint64_t{44}).put(kVersion64).put(kVersion64);
    end.put(uint32_t{0}).put(uint32_t{0}).put(count).put(count).put(size).put(start);
    end.put(kEnd64Locator).put(uint32_t{0}).put(end64).put(uint32_t{1});
  }
  const uint16_t short_count = static_cast<uint16_t>(std::min<uint64_t>(count, 0xffff));
  end.put(kEnd).put(uint32_t{0}).put(short_count).put(short_count);
  end.put(field32(size)).put(field32(start)).put(uint16_t{0});
  write(end.bytes());
}

}  // namespace ballast::io
