#include "tests/support/zip_bytes.h"

#include <zlib.h>

#include <cstdint>

namespace ballast::testing {
namespace {

struct Entry {
  std::string name, packed;
  uint64_t size = 0;
  uint32_t crc = 0;
  uint16_t method = 0;
};

template <class... T>
void put(std::string& to, T... values) {
  (to.append(reinterpret_cast<const char*>(&values), sizeof values), ...);
}

uint32_t crc_of(uint32_t before, const std::string& s) {
  return static_cast<uint32_t>(crc32_z(before, reinterpret_cast<const Bytef*>(s.data()), s.size()));
}

/// What the local header and the directory have in common.
void put_common(std::string& to, const Entry& e, bool large, uint16_t extra) {
  const uint16_t version = large ? 45 : 20, none = 0, first_day = 0x21;
  put(to, version, none, e.method, none, first_day, e.crc);
  put(to, large ? ~uint32_t{0} : static_cast<uint32_t>(e.packed.size()));
  put(to, large ? ~uint32_t{0} : static_cast<uint32_t>(e.size));
  put(to, static_cast<uint16_t>(e.name.size()), extra);
}

/// The format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3 and 4.5.3.
std::string archive(const std::vector<Entry>& entries, bool large) {
  std::string out, directory;
  for (const Entry& e : entries) {
    const uint64_t offset = out.size(), packed = e.packed.size();
    put(out, uint32_t{0x04034b50});
    put_common(out, e, large, large ? 20 : 0);
    out += e.name;
    if (large) put(out, uint16_t{1}, uint16_t{16}, e.size, packed);
    out += e.packed;
    put(directory, uint32_t{0x02014b50}, uint16_t{45});
    put_common(directory, e, large, large ? 28 : 0);
    put(directory, uint16_t{0}, uint16_t{0}, uint16_t{0}, uint32_t{0});
    put(directory, large ? ~uint32_t{0} : static_cast<uint32_t>(offset));
    directory += e.name;
    if (large) put(directory, uint16_t{1}, uint16_t{24}, e.size, packed, offset);
  }
  const uint64_t start = out.size(), count = entries.size(), size = directory.size();
  out += directory;
  if (large) {
    const uint64_t end = out.size();
    put(out, uint32_t{0x06064b50}, uint64_t{44}, uint16_t{45}, uint16_t{45}, uint64_t{0});
    put(out, count, count, size, start);
    put(out, uint32_t{0x07064b50}, uint32_t{0}, end, uint32_t{1});
  }
  const uint16_t short_count = large ? 0xffff : static_cast<uint16_t>(count);
  put(out, uint32_t{0x06054b50}, uint32_t{0}, short_count, short_count);
  put(out, large ? ~uint32_t{0} : static_cast<uint32_t>(size));
  put(out, large ? ~uint32_t{0} : static_cast<uint32_t>(start), uint16_t{0});
  return out;
}

}  // namespace

std::string zip64_of(const std::vector<std::pair<std::string, std::string>>& files) {
  std::vector<Entry> entries;
  for (const auto& [name, content] : files)
    entries.push_back({name, content, content.size(), crc_of(0, content)});
  return archive(entries, true);
}

std::string compressed_zip_of(const std::string& name, const std::string& piece, int repeats) {
  Entry e{.name = name, .packed = {}, .size = piece.size() * repeats, .method = 8};
  z_stream z{};
  deflateInit2(&z, 1, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY);
  std::string input = piece, room(1 << 16, '\0');
  for (int i = 1; i <= repeats; ++i) {
    z.next_in = reinterpret_cast<Bytef*>(input.data());
    z.avail_in = static_cast<uInt>(input.size());
    e.crc = crc_of(e.crc, piece);
    do {
      z.next_out = reinterpret_cast<Bytef*>(room.data());
      z.avail_out = static_cast<uInt>(room.size());
      deflate(&z, i == repeats ? Z_FINISH : Z_NO_FLUSH);
      e.packed.append(room, 0, room.size() - z.avail_out);
    } while (z.avail_out == 0);
  }
  deflateEnd(&z);
  return archive({e}, false);
}

}  // namespace ballast::testing
