#include <unistd.h>

#include <string>

#include "ballast/base/file.h"
#include "ballast/data/file.h"
#include "fuzz/input.h"

// Samples and labels out of a table or of arrays; the first byte chooses the kind of file.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string path = "/dev/shm/ballast-fuzz-" + std::to_string(::getpid());
  static const char* const endings[] = {".csv", ".npy", ".npz"};
  if (size == 0) return 0;
  const std::string file = path + endings[data[0] % 3];
  std::FILE* f = std::fopen(file.c_str(), "wb");
  if (!f) __builtin_trap();
  std::fwrite(data + 1, 1, size - 1, f);
  std::fclose(f);
  fuzz_one([&] { ballast::data::load_arrays(file); });
  std::remove(file.c_str());
  return 0;
}
