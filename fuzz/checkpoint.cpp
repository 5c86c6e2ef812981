#include "ballast/io/state.h"
#include "fuzz/input.h"

// Any of the formats, told apart by the content.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz_one([&] {
    ballast::io::state_dict_of(ballast::io::parse_checkpoint(as_bytes(data, size), "input"));
  });
}
