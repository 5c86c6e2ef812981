#include "ballast/io/npy.h"

#include "fuzz/input.h"

// A zip file says what it is in its first two bytes; both readers are tried with their own kind.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz_one([&] {
    if (size > 1 && data[0] == 'P' && data[1] == 'K')
      ballast::io::parse_npz(as_bytes(data, size), "input", 1 << 24);
    else
      ballast::io::parse_npy(as_bytes(data, size), "input");
  });
}
