#include "ballast/io/csv.h"

#include "fuzz/input.h"

// The first byte chooses the options.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  ballast::io::CsvOptions options;
  options.has_labels = data[0] & 1;
  options.allow_nonfinite = data[0] & 2;
  options.delimiter = "\0\0,;"[data[0] >> 2 & 3];
  options.header = static_cast<ballast::io::CsvHeader>((data[0] >> 4) % 3);
  return fuzz_one([&] { ballast::io::parse_csv(text, "input", options); });
}
