// Reading elements as files store them.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "ballast/base/half.h"

namespace ballast::io {

static_assert(std::endian::native == std::endian::little, "files are little-endian, and so are we");

/// A byte that is true unless it is zero (files may hold any byte; a C++ bool may not).
struct BoolByte {
  uint8_t bits;
  operator bool() const { return bits != 0; }  // NOLINT(google-explicit-constructor)
};

/// Reads `n` elements of the stored type `From`, at any alignment and in either byte order, into
/// elements of type `To`.
template <class From, class To>
void decode(const std::byte* in, To* out, size_t n, bool swap_bytes = false) {
  for (size_t i = 0; i < n; ++i, in += sizeof(From)) {
    std::byte raw[sizeof(From)];
    if (swap_bytes)
      for (size_t b = 0; b < sizeof(From); ++b) raw[b] = in[sizeof(From) - 1 - b];
    else
      std::memcpy(raw, in, sizeof(From));
    out[i] = static_cast<To>(std::bit_cast<From>(raw));
  }
}

}  // namespace ballast::io
