// PyTorch's checkpoints, .pt and .pth: what torch.save writes.
//
// Since PyTorch 1.6 a file is a zip archive: NAME/data.pkl holds the value as a pickle,
// NAME/data/0, 1, ... the elements of its tensors. Before, it was a row of pickles followed by the
// elements.
#pragma once

#include <span>
#include <string>

#include "ballast/io/object.h"

namespace ballast::io {

/// A pickle is broken, or holds what a checkpoint may not.
class UnpicklingError : public FileError {
 public:
  using FileError::FileError;
};

enum class PtFormat : uint8_t { kZip, kLegacy };

/// Reads a file of either format. Nothing in the file is ever called: it may hold dictionaries,
/// lists, tuples, sets, text, bytes, numbers, shapes, dtypes, devices, tensors and parameters, and
/// whatever else it names is refused. bool, uint8, int64, float32 and float64 tensors are read as
/// they are; float16 and bfloat16 become float32, the other integers up to 32 bits int64. What
/// occurs twice is shared as in the file. Time and memory are bounded by the file's size: a view
/// that repeats elements may take 16 times that and 256 MiB. Throws FileError, and of its kind
/// UnpicklingError for what the file should not hold.
/// With `map` tensors that show all of an uncompressed storage in a type of ours are views of the
/// file, of which only what is looked at is read: it must not change meanwhile (to be replaced, as
/// `save` does, is no change). Writing to such a tensor changes the tensor, not the file.
Object read_pt(const std::string& path, bool map = false);
/// The same from memory; `name` stands for the file in errors.
Object parse_pt(std::span<const std::byte> bytes, const std::string& name);
/// Whether the bytes begin as a file in the legacy format does.
bool is_legacy_pt(std::span<const std::byte> bytes);

/// Writes a file, atomically, that torch.load(..., weights_only=True) reads (with kLegacy also that
/// of PyTorch before 1.4). Tensors are evaluated; those that share memory share it in the file. The
/// same content gives the same bytes. Throws ValueError for values nested too deep, FileError where
/// the file cannot be written.
void write_pt(const std::string& path, const Object& value, PtFormat format = PtFormat::kZip);
/// The bytes of such a file. `name` is that of the folder in the archive.
std::string pt_bytes(const Object& value, PtFormat format = PtFormat::kZip,
                     const std::string& name = "archive");

}  // namespace ballast::io
