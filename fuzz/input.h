// How a fuzz target calls a parser.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "ballast/base/error.h"

/// Runs `parse`; an Error is the right answer to a bad input, anything else is a finding.
template <class F>
int fuzz_one(F&& parse) {
  try {
    parse();
  } catch (const ballast::Error&) {
  }
  return 0;
}

inline std::span<const std::byte> as_bytes(const uint8_t* data, size_t size) {
  return std::as_bytes(std::span(data, size));
}
inline std::span<const std::byte> as_bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}
