#include "ballast/base/text.h"

#include <fmt/core.h>

#include <cstdint>

namespace ballast {
namespace {

/// The length of the valid character that `text` begins with, or 0. (The Unicode Standard, table
/// 3-7: no longer forms than needed, no surrogates, nothing above U+10FFFF.)
size_t character(std::string_view text) {
  const auto byte = [&](size_t i) -> uint8_t { return i < text.size() ? text[i] : 0; };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first < 0xc2   ? 0
                        : first < 0xe0 ? 2
                        : first < 0xf0 ? 3
                        : first < 0xf5 ? 4
                                       : 0;
  if (length == 0) return 0;
  const uint8_t low = first == 0xe0   ? 0xa0
                      : first == 0xf0 ? 0x90
                                      : 0x80,
                high = first == 0xed   ? 0x9f
                       : first == 0xf4 ? 0x8f
                                       : 0xbf;
  if (byte(1) < low || byte(1) > high) return 0;
  for (size_t i = 2; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  return length;
}

}  // namespace

std::string as_utf8(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t n = character(text);
    if (n > 0)
      out += text.substr(0, n);
    else
      out += fmt::format("\\x{:02x}", static_cast<uint8_t>(text[0]));
    text.remove_prefix(n > 0 ? n : 1);
  }
  return out;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t n = character(text);
    if (n == 0) return false;
    text.remove_prefix(n);
  }
  return true;
}

}  // namespace ballast
