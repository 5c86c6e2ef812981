#include "ballast/io/pickle.h"

#include "fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz_one([&] { ballast::io::unpickle(as_bytes(data, size), "input"); });
}
