// The two half-size floating-point numbers, as values.
#pragma once

#include <bit>
#include <cstdint>

namespace ballast {

/// IEEE 754 half precision (binary16): 11 digits, up to 65504. A number is rounded to the nearest
/// when it is made, halfway cases to even; it is computed with as a float.
struct Half {
  uint16_t bits = 0;

  Half() = default;
  explicit constexpr Half(float f) : bits(round(f)) {}
  static constexpr Half from_bits(uint16_t bits) {
    Half h;
    h.bits = bits;
    return h;
  }
  constexpr operator float()
      const {  // NOLINT(google-explicit-constructor): a number like any other
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

 private:
  static constexpr uint16_t round(float f) {
    const uint32_t all = std::bit_cast<uint32_t>(f);
    const uint32_t sign = all >> 16 & 0x8000, magnitude = all & 0x7fffffff;
    uint32_t result = 0;
    if (magnitude > 0x7f800000) {
      result = 0x7e00;  // one NaN for all
    } else if (magnitude >= 0x477ff000) {
      result = 0x7c00;  // 65520 and more round to infinity
    } else if (magnitude >= 0x38800000) {
      // Adding half of the last digit kept, less one where that digit is even, carries as needed.
      result = (magnitude - (112u << 23) + 0xfff + (magnitude >> 13 & 1)) >> 13;
    } else if (magnitude > 0x33000000) {
      // Below 2^-14 the numbers are multiples of 2^-24: as many bits fall away as the exponent
      // says.
      const uint32_t shift = 126 - (magnitude >> 23), digits = (magnitude & 0x7fffff) | 0x800000;
      result = (digits + (1u << (shift - 1)) - 1 + (digits >> shift & 1)) >> shift;
    }
    return static_cast<uint16_t>(sign | result);
  }
};

/// The upper half of a float: 8 digits, the range of float. Rounded and computed with as `Half`.
struct BFloat16 {
  uint16_t bits = 0;

  BFloat16() = default;
  explicit constexpr BFloat16(float f) : bits(round(f)) {}
  static constexpr BFloat16 from_bits(uint16_t bits) {
    BFloat16 b;
    b.bits = bits;
    return b;
  }
  constexpr operator float()
      const {  // NOLINT(google-explicit-constructor): a number like any other
    return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  }

 private:
  static constexpr uint16_t round(float f) {
    const uint32_t all = std::bit_cast<uint32_t>(f);
    if ((all & 0x7fffffff) > 0x7f800000) return 0x7fc0;  // one NaN for all
    return static_cast<uint16_t>((all + 0x7fff + (all >> 16 & 1)) >> 16);
  }
};

}  // namespace ballast
