// Protocol buffers' wire format, as far as writing needs it. Not part of the public interface.
// https://protobuf.dev/programming-guides/encoding/
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ballast::io {

/// A message under construction: fields by their number, in the order they are added.
class ProtoMessage {
 public:
  ProtoMessage& integer(int field, int64_t v) {
    tag(field, 0);
    varint(static_cast<uint64_t>(v));
    return *this;
  }
  ProtoMessage& real(int field, float v) {
    tag(field, 5);
    bytes_.append(reinterpret_cast<const char*>(&v), sizeof v);
    return *this;
  }
  ProtoMessage& real64(int field, double v) {
    tag(field, 1);
    bytes_.append(reinterpret_cast<const char*>(&v), sizeof v);
    return *this;
  }
  ProtoMessage& text(int field, std::string_view v) {
    tag(field, 2);
    varint(v.size());
    bytes_ += v;
    return *this;
  }
  ProtoMessage& message(int field, const ProtoMessage& m) { return text(field, m.bytes_); }

  const std::string& bytes() const { return bytes_; }

 private:
  void tag(int field, int type) { varint(static_cast<uint64_t>(field) << 3 | type); }
  void varint(uint64_t v) {
    for (; v >= 0x80; v >>= 7) bytes_ += static_cast<char>(v | 0x80);
    bytes_ += static_cast<char>(v);
  }

  std::string bytes_;
};

}  // namespace ballast::io
