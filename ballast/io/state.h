// Named tensors in files.
#pragma once

#include <map>
#include <string>

#include "ballast/graph/tensor.h"
#include "ballast/io/array.h"

namespace ballast {

namespace io {

/// The elements of an array as a tensor. The memory is shared until one of the two sides' tensors
/// is written to; elements must not be changed through the array meanwhile.
Tensor to_tensor(const Array& array);
/// The elements of a tensor, evaluated, row-major. Shares memory in the same way.
Array to_array(const Tensor& tensor);

}  // namespace io

/// Writes named tensors to a safetensors file, atomically. Throws as `io::write_safetensors`.
void save(const std::vector<std::pair<std::string, Tensor>>& tensors, const std::string& path,
          const std::map<std::string, std::string>& metadata = {});
/// Reads a safetensors file. Throws FileError as `io::read_safetensors`.
std::vector<std::pair<std::string, Tensor>> load(const std::string& path);

}  // namespace ballast
