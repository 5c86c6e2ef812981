// safetensors, Hugging Face's format for named tensors (https://huggingface.co/docs/safetensors):
//   8 bytes          n, the header's length, little-endian
//   n bytes          JSON: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
//   ...,
//                           "__metadata__": {"key": "text", ...}}
//   the rest         the elements, row-major, little-endian, without holes or overlaps
#pragma once

#include <map>
#include <span>
#include <string>

#include "ballast/io/array.h"

namespace ballast::io {

/// Contents of a safetensors file. `tensors` are in the header's order.
struct SafeTensors {
  NamedArrays tensors;
  std::map<std::string, std::string> metadata;
};

/// The longest header that is accepted; the reference implementation's bound.
inline constexpr uint64_t kMaxSafeTensorsHeader = 100'000'000;

/// Reads a file. BOOL, U8, I64, F32 and F64 are read as they are; F16 and BF16 become float32, the
/// other integers up to 32 bits int64. Everything is checked before any element is read: lengths,
/// JSON, duplicate names and fields, types, shapes, and that the tensors tile the data exactly.
/// Throws FileError with the file, the tensor and what was expected.
SafeTensors read_safetensors(const std::string& path);
/// The same from memory; `name` stands for the file in errors.
SafeTensors parse_safetensors(std::span<const std::byte> bytes, const std::string& name);

/// Writes a file, atomically (see `write_atomically`). The header keeps the order of `tensors` and
/// is padded to 8 bytes; the data is laid out by falling element size, so each tensor is aligned.
/// The same content always gives the same bytes. Throws ValueError on a duplicate or reserved name
/// and on text that is not UTF-8, FileError where the file cannot be written.
void write_safetensors(const std::string& path, const NamedArrays& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace ballast::io
