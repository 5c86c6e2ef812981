// Element types.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ballast/base/error.h"

namespace ballast {

/// Element type of a tensor. The order is the order of promotion: an operation on two types yields
/// the later one (as PyTorch's promotion does for these five).
enum class DType : uint8_t { kBool, kUint8, kInt64, kFloat32, kFloat64 };

/// Bytes of one element.
constexpr size_t size_of(DType t) {
  switch (t) {
    case DType::kBool:
    case DType::kUint8:
      return 1;
    case DType::kFloat32:
      return 4;
    default:
      return 8;
  }
}

/// "float32", "int64", ... as PyTorch prints them.
const char* name_of(DType t);

constexpr bool is_floating(DType t) { return t == DType::kFloat32 || t == DType::kFloat64; }

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<bool> {
  static constexpr DType value = DType::kBool;
};
template <>
struct DTypeOf<uint8_t> {
  static constexpr DType value = DType::kUint8;
};
template <>
struct DTypeOf<int64_t> {
  static constexpr DType value = DType::kInt64;
};
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::kFloat32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::kFloat64;
};
template <class T>
inline constexpr DType dtype_of = DTypeOf<T>::value;

/// Calls `f` with a value of the C++ type that stands for `t`: `dispatch(t, [&](auto zero) { ...
/// })`.
template <class F>
decltype(auto) dispatch(DType t, F&& f) {
  switch (t) {
    case DType::kBool:
      return f(bool{});
    case DType::kUint8:
      return f(uint8_t{});
    case DType::kInt64:
      return f(int64_t{});
    case DType::kFloat32:
      return f(float{});
    case DType::kFloat64:
      break;
  }
  return f(double{});
}

/// As `dispatch`, for floating types only; `who` names the operation in the error.
template <class F>
decltype(auto) dispatch_floating(DType t, const char* who, F&& f) {
  if (t == DType::kFloat32) return f(float{});
  if (t == DType::kFloat64) return f(double{});
  fail("{}: expected a floating-point tensor, got {}", who, name_of(t));
}

}  // namespace ballast
