// NumPy's files: .npy holds one array, .npz is a zip of them.
// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <span>
#include <string>

#include "ballast/io/array.h"

namespace ballast::io {

/// Reads a .npy file (versions 1 to 3, either byte order, row- or column-major). bool, uint8,
/// int64, float32 and float64 are read as they are; float16 becomes float32, the other integers
/// int64. The header is parsed, never executed; Python objects and structured types are refused.
/// Throws FileError with the file and what was expected.
Array read_npy(const std::string& path);
/// The same from memory; `name` stands for the file in errors.
Array parse_npy(std::span<const std::byte> bytes, const std::string& name);
/// Writes a .npy file, atomically, with the bytes NumPy writes. Throws FileError.
void write_npy(const std::string& path, const Array& array);

/// The most bytes an .npz file may unpack to, unless the caller knows better.
inline constexpr uint64_t kMaxUnpacked = uint64_t{1} << 34;

/// Reads the arrays of an .npz file, in the file's order and without their `.npy` endings; entries
/// of other kinds are passed over. Nothing is unpacked before the sizes that the file declares have
/// been checked against `max_bytes` and against what compression can reach. Throws FileError.
NamedArrays read_npz(const std::string& path, uint64_t max_bytes = kMaxUnpacked);
/// The same from memory, which must outlive the call only.
NamedArrays parse_npz(std::span<const std::byte> bytes, const std::string& name,
                      uint64_t max_bytes = kMaxUnpacked);
/// Writes an .npz file, uncompressed and atomically; the same content gives the same bytes. Throws
/// ValueError on a duplicate name, FileError where the file cannot be written.
void write_npz(const std::string& path, const NamedArrays& arrays);

}  // namespace ballast::io
