#include "ballast/io/zip.h"

#include "fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz_one([&] {
    const ballast::io::ZipReader archive(as_bytes(data, size), "input", "an archive");
    for (const ballast::io::ZipEntry& entry : archive.entries()) {
      if (archive.find(entry.name)->index != entry.index) __builtin_trap();
      archive.unpack(entry, entry.name);
    }
  });
}
