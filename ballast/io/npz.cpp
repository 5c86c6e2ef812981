#include <zip.h>

#include <memory>
#include <unordered_set>

#include "ballast/base/file.h"
#include "ballast/io/npy.h"
#include "ballast/io/npy_format.h"

namespace ballast::io {
namespace {

// Deflate cannot pack more than 1032 bytes into one (a match of 258 bytes takes at least two bits),
// so an entry that claims more lies about its size. https://zlib.net/zlib_tech.html
constexpr uint64_t kMaxDeflateRatio = 1032;
constexpr std::string_view kEnding = ".npy";

struct Discard {
  void operator()(zip_t* z) const { zip_discard(z); }
  void operator()(zip_file_t* f) const { zip_fclose(f); }
  void operator()(zip_source_t* s) const { zip_source_free(s); }
};
using Archive = std::unique_ptr<zip_t, Discard>;
using Source = std::unique_ptr<zip_source_t, Discard>;
using EntryFile = std::unique_ptr<zip_file_t, Discard>;

/// libzip's error, which owns its text.
struct ZipError {
  zip_error_t error;
  ZipError() { zip_error_init(&error); }
  ZipError(const ZipError&) = delete;
  ZipError& operator=(const ZipError&) = delete;
  ~ZipError() { zip_error_fini(&error); }
  const char* text() { return zip_error_strerror(&error); }
};

Archive open_archive(std::span<const std::byte> bytes, const std::string& name) {
  check<FileError>(!bytes.empty(), "{}: not an .npz file: empty", name);
  ZipError error;
  Source source(zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error.error));
  if (!source) fail<FileError>("{}: cannot read: {}", name, error.text());
  Archive archive(zip_open_from_source(source.get(), ZIP_RDONLY | ZIP_CHECKCONS, &error.error));
  if (!archive) fail<FileError>("{}: not an .npz file: {}", name, error.text());
  source.release();  // The archive owns it now.
  return archive;
}

struct Entry {
  uint64_t index = 0, bytes = 0;
  std::string name;
};

/// The entries that hold arrays, their declared sizes checked.
std::vector<Entry> array_entries(zip_t* archive, const std::string& file, uint64_t max_bytes) {
  std::vector<Entry> entries;
  std::unordered_set<std::string> names;
  uint64_t total = 0;
  const zip_int64_t count = zip_get_num_entries(archive, 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    zip_stat_t stat;
    check<FileError>(zip_stat_index(archive, i, 0, &stat) == 0, "{}: cannot read entry {}: {}",
                     file, i, zip_strerror(archive));
    const zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE;
    check<FileError>((stat.valid & needed) == needed, "{}: entry {} has no name or size", file, i);
    std::string name = stat.name;
    if (!name.ends_with(kEnding)) continue;
    name.resize(name.size() - kEnding.size());
    check<FileError>(names.insert(name).second, "{}: two arrays are called '{}'", file, name);
    check<FileError>(
        stat.size / kMaxDeflateRatio <= stat.comp_size,
        "{}: array '{}' claims to unpack {} bytes into {}, which no compression reaches", file,
        name, stat.comp_size, stat.size);
    check<FileError>(stat.size <= max_bytes - total,
                     "{}: unpacks to more than the {} bytes allowed here (array '{}' to {})", file,
                     max_bytes, name, stat.size);
    total += stat.size;
    entries.push_back({static_cast<uint64_t>(i), stat.size, std::move(name)});
  }
  return entries;
}

Ref<Buffer> unpack(zip_t* archive, const Entry& entry, const std::string& where) {
  EntryFile file(zip_fopen_index(archive, entry.index, 0));
  if (!file) fail<FileError>("{}: cannot unpack: {}", where, zip_strerror(archive));
  Ref<Buffer> buffer = Buffer::allocate(entry.bytes);
  uint64_t done = 0;
  while (done < entry.bytes) {
    const zip_int64_t n = zip_fread(file.get(), buffer->data() + done, entry.bytes - done);
    check<FileError>(n > 0, "{}: cannot unpack: {}", where,
                     n < 0 ? zip_file_strerror(file.get()) : "shorter than the archive says");
    done += n;
  }
  // The checksum is compared where the end is seen, which takes one read past it.
  std::byte past;
  const zip_int64_t n = zip_fread(file.get(), &past, 1);
  check<FileError>(n == 0, "{}: cannot unpack: {}", where, zip_file_strerror(file.get()));
  return buffer;
}

/// The zip archive of these arrays, as bytes.
Ref<Buffer> pack(const NamedArrays& arrays, const std::string& path) {
  if (arrays.empty()) {
    // Only the end record, 22 bytes; libzip would write no file at all.
    Ref<Buffer> end = Buffer::allocate(22);
    std::memset(end->data(), 0, 22);
    std::memcpy(end->data(), "PK\5\6", 4);
    return end;
  }
  ZipError error;
  Source source(zip_source_buffer_create(nullptr, 0, 0, &error.error));
  if (!source) fail<FileError>("{}: cannot write: {}", path, error.text());
  Archive archive(zip_open_from_source(source.get(), ZIP_TRUNCATE, &error.error));
  if (!archive) fail<FileError>("{}: cannot write: {}", path, error.text());
  zip_source_keep(source.get());  // Closing the archive drops its reference; ours remains.

  std::vector<std::string> contents;
  contents.reserve(arrays.size());
  for (const auto& [name, a] : arrays) {
    std::string& content = contents.emplace_back(npy_header(a));
    if (a.bytes() > 0) content.append(reinterpret_cast<const char*>(a.data->data()), a.bytes());
    Source entry(zip_source_buffer(archive.get(), content.data(), content.size(), 0));
    const zip_int64_t index =
        entry ? zip_file_add(archive.get(), (name + ".npy").c_str(), entry.get(), ZIP_FL_ENC_UTF_8)
              : -1;
    if (index >= 0) entry.release();
    // 1980-01-01 0:00, the earliest a zip file knows (and what NumPy writes).
    const bool ok = index >= 0 &&
                    zip_set_file_compression(archive.get(), index, ZIP_CM_STORE, 0) == 0 &&
                    zip_file_set_dostime(archive.get(), index, 0, 1 << 5 | 1, 0) == 0;
    check<FileError>(ok, "{}: cannot write array '{}': {}", path, name,
                     zip_strerror(archive.get()));
  }
  check<FileError>(zip_close(archive.get()) == 0, "{}: cannot write: {}", path,
                   zip_strerror(archive.get()));
  archive.release();

  check<FileError>(
      zip_source_open(source.get()) == 0 && zip_source_seek(source.get(), 0, SEEK_END) == 0,
      "{}: cannot write", path);
  const zip_int64_t size = zip_source_tell(source.get());
  Ref<Buffer> packed = Buffer::allocate(size);
  check<FileError>(zip_source_seek(source.get(), 0, SEEK_SET) == 0 &&
                       zip_source_read(source.get(), packed->data(), size) == size,
                   "{}: cannot write", path);
  zip_source_close(source.get());
  return packed;
}

}  // namespace

NamedArrays parse_npz(std::span<const std::byte> bytes, const std::string& name,
                      uint64_t max_bytes) {
  const Archive archive = open_archive(bytes, name);
  NamedArrays arrays;
  for (Entry& entry : array_entries(archive.get(), name, max_bytes)) {
    const std::string where = fmt::format("{}: array '{}'", name, entry.name);
    const Ref<Buffer> content = unpack(archive.get(), entry, where);
    arrays.emplace_back(std::move(entry.name), parse_npy(bytes_of(*content), where));
  }
  return arrays;
}

NamedArrays read_npz(const std::string& path, uint64_t max_bytes) {
  return parse_npz(bytes_of(*map_file(path)), path, max_bytes);
}

void write_npz(const std::string& path, const NamedArrays& arrays) {
  std::unordered_set<std::string> names;
  for (const auto& [name, a] : arrays)
    check<ValueError>(names.insert(name).second, "npz: two arrays are called '{}'", name);
  const Ref<Buffer> packed = pack(arrays, path);
  write_atomically(path, bytes_of(*packed));
}

}  // namespace ballast::io
