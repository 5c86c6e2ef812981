// A checksum of bytes, to find damage and to tell contents apart; no defence against forgery.
#pragma once

#include <fmt/core.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ballast {

/// 64 bits over bytes: the hash 1a of Fowler, Noll and Vo. A change of one byte always changes
/// them.
class Checksum {
 public:
  Checksum& add(std::span<const std::byte> bytes) {
    for (const std::byte b : bytes) value_ = (value_ ^ static_cast<uint8_t>(b)) * 1099511628211u;
    return *this;
  }
  Checksum& add(int64_t number) { return add(std::as_bytes(std::span(&number, 1))); }
  /// The text with its length, so that two texts in a row differ from others with the same letters.
  Checksum& add(std::string_view text) {
    return add(static_cast<int64_t>(text.size())).add(std::as_bytes(std::span(text)));
  }
  uint64_t value() const { return value_; }
  /// 16 hexadecimal digits.
  std::string hex() const { return fmt::format("{:016x}", value_); }

 private:
  uint64_t value_ = 14695981039346656037u;
};

}  // namespace ballast
