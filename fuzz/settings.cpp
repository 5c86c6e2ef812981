#include "cli/settings.h"

#include "fuzz/input.h"

// What is read is also written and read again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  return fuzz_one([&] {
    const ballast::cli::Settings s = ballast::cli::parse_settings(text, "input");
    const std::string written = ballast::cli::settings_text(s);
    if (ballast::cli::settings_text(ballast::cli::parse_settings(written, "written")) != written)
      __builtin_trap();
  });
}
