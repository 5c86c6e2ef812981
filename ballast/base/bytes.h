// The one place where a tensor's elements become bytes.
#pragma once

#include "ballast/base/dtype.h"
#include "ballast/base/shape.h"

namespace ballast {

/// Bytes of `count` elements. Throws PyTorch's Error where size_t does not hold them.
inline size_t bytes_of(int64_t count, DType dtype) {
  int64_t bytes;
  check(!__builtin_mul_overflow(count, static_cast<int64_t>(size_of(dtype)), &bytes) && count >= 0,
        "Storage size calculation overflowed with sizes=[{}]", count);
  return static_cast<size_t>(bytes);
}

/// Bytes of a dense tensor. Throws PyTorch's Error where int64 does not hold them.
inline size_t bytes_of(const Shape& shape, DType dtype) {
  int64_t bytes;
  check(!__builtin_mul_overflow(shape.numel(), static_cast<int64_t>(size_of(dtype)), &bytes),
        "Storage size calculation overflowed with sizes={}", shape);
  return static_cast<size_t>(bytes);
}

}  // namespace ballast
