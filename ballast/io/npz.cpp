#include <unordered_set>

#include "ballast/base/file.h"
#include "ballast/io/npy.h"
#include "ballast/io/npy_format.h"
#include "ballast/io/zip.h"

namespace ballast::io {
namespace {

constexpr std::string_view kEnding = ".npy";

}  // namespace

NamedArrays parse_npz(std::span<const std::byte> bytes, const std::string& file,
                      uint64_t max_bytes) {
  const ZipReader archive(bytes, file, "an .npz file");
  std::vector<const ZipEntry*> entries;
  uint64_t total = 0;
  for (const ZipEntry& e : archive.entries()) {
    if (!e.name.ends_with(kEnding)) continue;
    check<FileError>(e.bytes <= max_bytes - total,
                     "{}: unpacks to more than the {} bytes allowed here ('{}' to {})", file,
                     max_bytes, e.name, e.bytes);
    total += e.bytes;
    entries.push_back(&e);
  }
  NamedArrays arrays;
  for (const ZipEntry* e : entries) {
    const std::string name = e->name.substr(0, e->name.size() - kEnding.size());
    const std::string what = fmt::format("array '{}'", name);
    // An entry of zeros unpacks to a thousand times its size: no memory before its header, which
    // lies at its beginning, says the same size.
    check_npy_start(archive.start_of(*e, kMaxNpyStart, what), e->bytes, file + ": " + what);
    const Ref<Buffer> content = archive.unpack(*e, what);
    arrays.emplace_back(name, parse_npy(bytes_of(*content), file + ": " + what));
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
  write_atomically(path, [&](FileSink& sink) {
    ZipWriter archive(sink);
    for (const auto& [name, a] : arrays) {
      const std::string header = npy_header(a);
      const std::byte* data = a.bytes() > 0 ? a.data->data() : nullptr;
      archive.add(name + std::string(kEnding), {bytes_of(header), {data, a.bytes()}});
    }
    archive.finish();
  });
}

}  // namespace ballast::io
