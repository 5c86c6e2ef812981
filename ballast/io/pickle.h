// Python's pickles, as far as PyTorch's checkpoints use them. Not part of the public interface.
//
// A pickle is a program for a stack machine that may call any function of Python's. This reader
// has no way to call anything: it knows the few names below and builds what each stands for
// itself; every other name, and every other instruction, is refused.
// Instructions: https://github.com/python/cpython/blob/main/Lib/pickletools.py
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ballast/io/object.h"
#include "ballast/io/pt.h"

namespace ballast::io {

/// The most values a pickle may make, and how deep they may be nested.
inline constexpr size_t kMaxPickledValues = size_t{1} << 24;
inline constexpr int kMaxPickledDepth = 200;

/// An element type of PyTorch's, and how its elements become ours.
struct StoredType {
  const char* name;     // torch.NAME
  const char* storage;  // torch.NAMEStorage; empty where there is none
  size_t bytes;
  DType dtype;
  /// Copies the elements with these sizes and strides, row by row.
  void (*gather)(const std::byte* from, const Shape& shape, std::span<const int64_t> strides,
                 void* to, bool swap_bytes);
};
/// The supported types.
std::span<const StoredType> stored_types();
/// The one that holds `t` as it is.
const StoredType& stored_type(DType t);

/// A block of elements that tensors lie in; kept outside of the pickle.
struct PickledStorage {
  std::string key;
  const StoredType* type = nullptr;  // null: bytes without a type
  uint64_t bytes = 0;
};

/// A tensor, as a view of a storage.
struct PickledTensor {
  uint32_t storage = 0;
  int64_t offset = 0;  // in elements
  Shape shape;
  std::vector<int64_t> strides;
  bool requires_grad = false;
  const StoredType* type = nullptr;
  Tensor tensor;  // of the value; its memory is still to be filled in
};

/// What a pickle holds.
struct Unpickled {
  Object value;
  std::vector<PickledStorage> storages;
  std::vector<PickledTensor> tensors;  // those that occur in `value`
  size_t end = 0;                      // position after the pickle
};

/// Reads the pickle at the start of `bytes`; `file` is for errors. Time and memory are proportional
/// to the pickle's length. Throws UnpicklingError.
Unpickled unpickle(std::span<const std::byte> bytes, const std::string& file);

/// What `pickle` writes, and the storages that its tensors lie in.
struct Pickled {
  std::string bytes;
  std::vector<std::pair<std::string, Tensor>> storages;  // by key; the whole of each tensor
};
/// Writes a value as PyTorch's own pickles are written (protocol 2). With `legacy`, as PyTorch
/// before 1.6 did. Throws ValueError where the value is nested too deep.
Pickled pickle(const Object& value, bool legacy);

}  // namespace ballast::io
