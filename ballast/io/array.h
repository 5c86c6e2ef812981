// Plain arrays: what files hold before they become tensors.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ballast/base/buffer.h"
#include "ballast/base/dtype.h"
#include "ballast/base/shape.h"

namespace ballast::io {

/// A dense array in row-major order. Copies share the data.
struct Array {
  DType dtype = DType::kFloat32;
  Shape shape{0};
  Ref<Buffer> data;

  /// An array of that type and shape, contents unspecified. Throws ValueError where the size
  /// overflows.
  static Array empty(DType dtype, const Shape& shape) {
    size_t bytes = 0;
    check<ValueError>(
        !__builtin_mul_overflow(static_cast<size_t>(shape.numel()), size_of(dtype), &bytes),
        "an array of shape {} and type {} has too many bytes", shape.str(), name_of(dtype));
    return {dtype, shape, Buffer::allocate(bytes)};
  }
  /// An array of zeros.
  static Array zeros(DType dtype, const Shape& shape) {
    Array a = empty(dtype, shape);
    if (a.bytes() > 0) std::memset(a.data->data(), 0, a.bytes());
    return a;
  }
  /// An array with a copy of `values`. Throws ValueError unless there is one for each element.
  template <class T>
  static Array of(const Shape& shape, const std::vector<T>& values) {
    Array a = empty(dtype_of<T>, shape);
    check<ValueError>(static_cast<size_t>(a.numel()) == values.size(),
                      "an array of shape {} cannot hold {} values", shape.str(), values.size());
    std::copy(values.begin(), values.end(), a.as<T>().begin());
    return a;
  }

  int64_t numel() const { return shape.numel(); }
  size_t bytes() const { return static_cast<size_t>(numel()) * size_of(dtype); }

  /// The elements. Throws TypeError unless `T` is the element type.
  template <class T>
  std::span<T> as() const {
    check<TypeError>(dtype == dtype_of<T>, "an array of {} was read as {}", name_of(dtype),
                     name_of(dtype_of<T>));
    if (!data) return {};
    return {reinterpret_cast<T*>(data->data()), static_cast<size_t>(numel())};
  }
};

/// The bytes that a file takes for elements of `each` bytes; none where they overflow when read.
/// Shapes are multiplied freely, so an empty dimension does not excuse the others.
inline std::optional<uint64_t> stored_bytes(const Shape& shape, size_t each) {
  uint64_t n = 1;
  bool empty = false;
  for (const int64_t d : shape) {
    empty |= d == 0;
    if (__builtin_mul_overflow(n, static_cast<uint64_t>(std::max<int64_t>(d, 1)), &n) ||
        n > INT64_MAX / sizeof(int64_t))
      return {};
  }
  return empty ? 0 : n * each;
}

/// Arrays with their names, in the order of the file.
using NamedArrays = std::vector<std::pair<std::string, Array>>;

/// The array called `name`, or null.
inline const Array* find(const NamedArrays& arrays, const std::string& name) {
  for (const auto& [n, a] : arrays)
    if (n == name) return &a;
  return nullptr;
}

}  // namespace ballast::io
