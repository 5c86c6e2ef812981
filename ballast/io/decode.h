// Element types that files have and arrays have not, turned into the nearest that arrays have.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ballast::io {

static_assert(std::endian::native == std::endian::little, "files are little-endian, and so are we");

/// IEEE 754 half precision, as stored. Converts exactly.
struct Half {
  uint16_t bits;
  operator float() const {  // NOLINT(google-explicit-constructor): a number like any other
    const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
    const uint32_t exponent = (bits >> 10) & 31, mantissa = bits & 0x3ff;
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000 | mantissa << 13);
    if (exponent == 0) {
      const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
      return sign ? -magnitude : magnitude;
    }
    // The exponents' biases are 15 and 127.
    return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  }
};

/// The upper half of a float32, as stored. Converts exactly.
struct BFloat16 {
  uint16_t bits;
  operator float() const {  // NOLINT(google-explicit-constructor): a number like any other
    return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  }
};

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
