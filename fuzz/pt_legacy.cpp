#include <string>

#include "ballast/io/pt.h"
#include "fuzz/input.h"

// The format before PyTorch 1.6, all of whose files begin alike: the input is what follows. What is
// read is also written and read again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string start("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
  const std::string file = start + std::string(reinterpret_cast<const char*>(data), size);
  return fuzz_one([&] {
    const ballast::io::Object value = ballast::io::parse_pt(as_bytes(file), "input");
    const std::string written = ballast::io::pt_bytes(value, ballast::io::PtFormat::kLegacy);
    ballast::io::parse_pt(as_bytes(written), "written");
  });
}
