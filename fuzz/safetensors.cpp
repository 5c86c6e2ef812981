#include "ballast/io/safetensors.h"

#include "fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz_one([&] { ballast::io::parse_safetensors(as_bytes(data, size), "input"); });
}
