// What .npz needs of .npy.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "ballast/io/array.h"

namespace ballast::io {

/// The bytes before an array's elements in a .npy file (version 1).
std::string npy_header(const Array& array);

/// No header is longer, with what stands before it. NumPy's own take 128 bytes.
inline constexpr size_t kMaxNpyStart = (1 << 16) + 12;

/// Throws FileError unless a .npy file of `bytes` bytes that begins with `start` (kMaxNpyStart
/// bytes, or all of it) is as long as its header says. `name` stands for the file in errors.
void check_npy_start(std::span<const std::byte> start, uint64_t bytes, const std::string& name);

}  // namespace ballast::io
