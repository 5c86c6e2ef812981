// Element types.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "ballast/base/error.h"
#include "ballast/base/half.h"

namespace ballast {

/// Element type of a tensor. Its order says nothing: `promote` tells how types combine.
enum class DType : uint8_t {
  kBool,
  kUint8,
  kInt64,
  kFloat32,
  kFloat64,
  // The types from here on are stored only: operations read them as their compute type.
  kInt8,
  kInt16,
  kInt32,
  kUint16,
  kFloat16,
  kBFloat16,
};
inline constexpr int kDTypes = 11;
inline constexpr DType kAllDTypes[kDTypes] = {
    DType::kBool,  DType::kUint8, DType::kInt64,  DType::kFloat32, DType::kFloat64, DType::kInt8,
    DType::kInt16, DType::kInt32, DType::kUint16, DType::kFloat16, DType::kBFloat16};

/// What is known of a type.
struct DTypeFacts {
  const char* name;         // as PyTorch prints it: "float32"
  const char* scalar_name;  // as PyTorch's error messages have it: "Float"
  const char* c_name;       // as some of them have it: "float"
  char kind;                // as NumPy's: b, u, i, f
  uint8_t bytes;            // of an element
  DType compute;            // the type in which operations work on it, and whose result is rounded
                            // (or wrapped, of whole numbers) to it once
};
inline constexpr DTypeFacts kDTypeFacts[kDTypes] = {
    {"bool", "Bool", "bool", 'b', 1, DType::kBool},
    {"uint8", "Byte", "uint8_t", 'u', 1, DType::kUint8},
    {"int64", "Long", "int64_t", 'i', 8, DType::kInt64},
    {"float32", "Float", "float", 'f', 4, DType::kFloat32},
    {"float64", "Double", "double", 'f', 8, DType::kFloat64},
    {"int8", "Char", "int8_t", 'i', 1, DType::kInt64},
    {"int16", "Short", "int16_t", 'i', 2, DType::kInt64},
    {"int32", "Int", "int", 'i', 4, DType::kInt64},
    {"uint16", "UInt16", "uint16_t", 'u', 2, DType::kInt64},
    {"float16", "Half", "c10::Half", 'f', 2, DType::kFloat32},
    {"bfloat16", "BFloat16", "c10::BFloat16", 'f', 2, DType::kFloat32},
};
constexpr const DTypeFacts& facts_of(DType t) { return kDTypeFacts[static_cast<int>(t)]; }

/// Bytes of one element.
constexpr size_t size_of(DType t) { return facts_of(t).bytes; }
/// "float32", "int64", ... as PyTorch prints them.
const char* name_of(DType t);
constexpr bool is_floating(DType t) { return facts_of(t).kind == 'f'; }
/// The type in which operations on `t` work: itself, or for what is stored only, int64 or float32.
constexpr DType compute_type(DType t) { return facts_of(t).compute; }
/// Whether no kernel knows the type: it is stored, and converted where an operation reads it.
constexpr bool stored_only(DType t) { return t >= DType::kInt8; }
/// Whether operations compute in float32 and round the result.
constexpr bool is_half(DType t) { return t == DType::kFloat16 || t == DType::kBFloat16; }

/// The type of a result of both, as PyTorch's `promote_types`. Throws Error for uint16 with
/// another type of whole numbers.
DType promote(DType a, DType b);

/// Whether a number is within the range of a type, so that it can be filled with it. As in PyTorch,
/// unsigned types take negative numbers, too, and wrap them around; infinities and NaN are numbers
/// of every floating type, and bool takes all.
bool in_range(DType t, double v);

template <class T>
struct DTypeOf;
template <DType t>
struct DTypeIs {
  static constexpr DType value = t;
};
template <>
struct DTypeOf<bool> : DTypeIs<DType::kBool> {};
template <>
struct DTypeOf<uint8_t> : DTypeIs<DType::kUint8> {};
template <>
struct DTypeOf<int64_t> : DTypeIs<DType::kInt64> {};
template <>
struct DTypeOf<float> : DTypeIs<DType::kFloat32> {};
template <>
struct DTypeOf<double> : DTypeIs<DType::kFloat64> {};
template <>
struct DTypeOf<int8_t> : DTypeIs<DType::kInt8> {};
template <>
struct DTypeOf<int16_t> : DTypeIs<DType::kInt16> {};
template <>
struct DTypeOf<int32_t> : DTypeIs<DType::kInt32> {};
template <>
struct DTypeOf<uint16_t> : DTypeIs<DType::kUint16> {};
template <>
struct DTypeOf<Half> : DTypeIs<DType::kFloat16> {};
template <>
struct DTypeOf<BFloat16> : DTypeIs<DType::kBFloat16> {};
template <class T>
inline constexpr DType dtype_of = DTypeOf<T>::value;

/// Applies a macro to the C++ type of every element type.
#define BALLAST_FOR_EACH_TYPE(X) \
  X(bool)                        \
  X(uint8_t)                     \
  X(int64_t) X(float) X(double) X(int8_t) X(int16_t) X(int32_t) X(uint16_t) X(Half) X(BFloat16)

/// Calls `f` with a value of the C++ type that stands for the compute type `t`: `dispatch(t,
/// [&](auto zero) { ... })`. Kernels are made for these types only. Throws Error for others.
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
      return f(double{});
    default:
      fail("a kernel was asked to compute with {}, which is only stored", name_of(t));
  }
}

/// As `dispatch`, for every type: for what reads or writes elements and does not compute.
template <class F>
decltype(auto) dispatch_stored(DType t, F&& f) {
  switch (t) {
    case DType::kInt8:
      return f(int8_t{});
    case DType::kInt16:
      return f(int16_t{});
    case DType::kInt32:
      return f(int32_t{});
    case DType::kUint16:
      return f(uint16_t{});
    case DType::kFloat16:
      return f(Half{});
    case DType::kBFloat16:
      return f(BFloat16{});
    default:
      return dispatch(t, f);
  }
}

/// Calls `f` with an unsigned value of the size of an element: for what only moves elements.
template <class F>
decltype(auto) dispatch_size(DType t, F&& f) {
  switch (size_of(t)) {
    case 1:
      return f(uint8_t{});
    case 2:
      return f(uint16_t{});
    case 4:
      return f(uint32_t{});
    default:
      return f(uint64_t{});
  }
}

/// As `dispatch`, for the types in which products and pools are computed: floating types and int64.
template <class F>
decltype(auto) dispatch_number(DType t, const char* who, F&& f) {
  if (t == DType::kInt64) return f(int64_t{});
  if (t == DType::kFloat32) return f(float{});
  if (t == DType::kFloat64) return f(double{});
  fail("{}: expected a tensor of numbers, got {}", who, name_of(t));
}
/// In which reference kernels add up numbers of type T; whole numbers wrap around.
template <class T>
using SumOf = std::conditional_t<std::is_floating_point_v<T>, double, uint64_t>;

/// As `dispatch`, for floating types only; `who` names the operation in the error.
template <class F>
decltype(auto) dispatch_floating(DType t, const char* who, F&& f) {
  if (t == DType::kFloat32) return f(float{});
  if (t == DType::kFloat64) return f(double{});
  fail("{}: expected a floating-point tensor, got {}", who, name_of(t));
}

/// As `dispatch_floating`, for the half types, too.
template <class F>
decltype(auto) dispatch_real(DType t, const char* who, F&& f) {
  if (t == DType::kFloat16) return f(Half{});
  if (t == DType::kBFloat16) return f(BFloat16{});
  return dispatch_floating(t, who, f);
}

/// Converts `n` elements: to whole numbers towards zero and modulo their range, to floating-point
/// numbers to the nearest (of float64 or int64 to a half type by way of float32, as in PyTorch), to
/// bool by comparison with zero.
void convert_elements(const void* from, DType from_type, void* to, DType to_type, int64_t n);

}  // namespace ballast
