// Pieces of text that settings and files are read from.
#pragma once

#include <string_view>

namespace ballast {

/// Without the blanks and tabs on both sides.
inline std::string_view trim(std::string_view s) {
  const auto space = [](char c) { return c == ' ' || c == '\t'; };
  while (!s.empty() && space(s.front())) s.remove_prefix(1);
  while (!s.empty() && space(s.back())) s.remove_suffix(1);
  return s;
}

}  // namespace ballast
