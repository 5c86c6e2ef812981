#include <cstring>
#include <string>

#include "ballast/io/pt.h"
#include "ballast/io/zip.h"
#include "fuzz/input.h"

namespace {

struct Text : ballast::FileSink {
  std::string bytes;
  void write(const void* data, size_t n) override {
    bytes.append(static_cast<const char*>(data), n);
  }
};

}  // namespace

// A sound archive around a pickle that need not be: mutations of a whole file seldom get past the
// archive's checksums. The first byte chooses the byte order and the sizes of storages 0 and 1.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string first((data[0] & 15) * 4, '\x3f'), second((data[0] >> 4 & 7) * 8, '\x01');
  const std::string order = data[0] & 128 ? "big" : "little";
  Text file;
  ballast::io::ZipWriter zip(file);
  zip.add("a/data.pkl", {as_bytes(data + 1, size - 1)});
  zip.add("a/byteorder", {as_bytes(order)});
  zip.add("a/data/0", {as_bytes(first)});
  zip.add("a/data/1", {as_bytes(second)});
  zip.finish();
  return fuzz_one([&] {
    const ballast::io::Object value = ballast::io::parse_pt(as_bytes(file.bytes), "input");
    const std::string written = ballast::io::pt_bytes(value);
    ballast::io::parse_pt(as_bytes(written), "written");
  });
}
