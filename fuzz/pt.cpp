#include "ballast/io/pt.h"

#include "fuzz/input.h"

// A zip archive or the legacy format, as the first bytes say. What is read is also written and read
// again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz_one([&] {
    const ballast::io::Object value = ballast::io::parse_pt(as_bytes(data, size), "input");
    const std::string bytes = ballast::io::pt_bytes(value);
    ballast::io::parse_pt(std::as_bytes(std::span(bytes.data(), bytes.size())), "written");
  });
}
