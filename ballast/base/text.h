// Pieces of text that settings and files are read from.
#pragma once

#include <string>
#include <string_view>

namespace ballast {

/// Without the blanks and tabs on both sides.
inline std::string_view trim(std::string_view s) {
  const auto space = [](char c) { return c == ' ' || c == '\t'; };
  while (!s.empty() && space(s.front())) s.remove_prefix(1);
  while (!s.empty() && space(s.back())) s.remove_suffix(1);
  return s;
}

/// `text` with each byte that is no part of valid UTF-8 written as \xNN, so that any reader can
/// show it: names of files and what stands in damaged ones may hold any bytes.
std::string as_utf8(std::string_view text);
/// Whether all of it is valid UTF-8.
bool is_utf8(std::string_view text);

}  // namespace ballast
