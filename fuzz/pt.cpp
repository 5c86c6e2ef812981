#include "ballast/io/pt.h"

#include "ballast/io/zip.h"
#include "fuzz/input.h"

namespace {

/// Looks at both ends of what a mapped file's tensors would show.
void look_at_stored_entries(std::span<const std::byte> bytes) {
  if (bytes.size() < 2 || bytes[0] != std::byte{'P'}) return;
  const ballast::io::ZipReader archive(bytes, "input", "an archive");
  [[maybe_unused]] volatile std::byte seen{};
  for (const ballast::io::ZipEntry& e : archive.entries())
    if (const auto content = archive.stored(e); content && !content->empty()) {
      seen = content->front();
      seen = content->back();
    }
}

}  // namespace

// A zip archive or the legacy format, as the first bytes say. What is read is also written and read
// again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz_one([&] {
    look_at_stored_entries(as_bytes(data, size));
    const ballast::io::Object value = ballast::io::parse_pt(as_bytes(data, size), "input");
    const std::string bytes = ballast::io::pt_bytes(value);
    ballast::io::parse_pt(std::as_bytes(std::span(bytes.data(), bytes.size())), "written");
  });
}
