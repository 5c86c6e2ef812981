// Named tensors, and whole checkpoints, in files of any format.
#pragma once

#include <map>
#include <string>

#include "ballast/graph/tensor.h"
#include "ballast/io/array.h"
#include "ballast/io/object.h"

namespace ballast {

namespace io {

/// The elements of an array as a tensor. The memory is shared until one of the two sides' tensors
/// is written to; elements must not be changed through the array meanwhile.
Tensor to_tensor(const Array& array);
/// The elements of a tensor, evaluated, row-major. Shares memory in the same way.
Array to_array(const Tensor& tensor);

/// Reads a checkpoint: PyTorch's (either format), safetensors or .npz, told apart by what the file
/// holds. The latter two give a dictionary of tensors. `map` is for PyTorch's files, see `read_pt`.
/// Throws FileError.
Object read_checkpoint(const std::string& path, bool map = false);
/// The same from memory; `name` stands for the file in errors.
Object parse_checkpoint(std::span<const std::byte> bytes, const std::string& name);
/// Writes a checkpoint, atomically: PyTorch's format for .pt and .pth, which holds any value, .npz
/// and otherwise safetensors, which hold dictionaries of tensors. Throws TypeError for a value that
/// the format cannot hold, FileError where the file cannot be written.
void write_checkpoint(const std::string& path, const Object& value);

/// A checksum of arrays: of their names, types, shapes and elements.
std::string checksum_of(const NamedArrays& arrays);

}  // namespace io

/// Writes named tensors, atomically: for a path that ends with .pt or .pth as PyTorch's checkpoint,
/// with .npz as NumPy's archive, and otherwise as a safetensors file, the only one that takes
/// `metadata`. Throws ValueError for metadata elsewhere, and as `io::write_safetensors`.
void save(const std::vector<std::pair<std::string, Tensor>>& tensors, const std::string& path,
          const std::map<std::string, std::string>& metadata = {});
/// That of tensors.
std::string checksum_of(const std::vector<std::pair<std::string, Tensor>>& tensors);
/// Reads named tensors from any file that `io::read_checkpoint` reads and that holds a dictionary
/// of tensors. Throws FileError, or TypeError naming the entry that is no tensor.
std::vector<std::pair<std::string, Tensor>> load(const std::string& path);

}  // namespace ballast
