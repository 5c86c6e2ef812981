#include "ballast/base/dtype.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <type_traits>

namespace ballast {
namespace {

using enum DType;

// Rows and columns in the order of the enumeration. kNone: the types cannot be combined.
constexpr DType kNone = static_cast<DType>(255);
constexpr DType kPromoted[kDTypes][kDTypes] = {
    // bool
    {kBool, kUint8, kInt64, kFloat32, kFloat64, kInt8, kInt16, kInt32, kNone, kFloat16, kBFloat16},
    // uint8
    {kUint8, kUint8, kInt64, kFloat32, kFloat64, kInt16, kInt16, kInt32, kNone, kFloat16,
     kBFloat16},
    // int64
    {kInt64, kInt64, kInt64, kFloat32, kFloat64, kInt64, kInt64, kInt64, kNone, kFloat16,
     kBFloat16},
    // float32
    {kFloat32, kFloat32, kFloat32, kFloat32, kFloat64, kFloat32, kFloat32, kFloat32, kFloat32,
     kFloat32, kFloat32},
    // float64
    {kFloat64, kFloat64, kFloat64, kFloat64, kFloat64, kFloat64, kFloat64, kFloat64, kFloat64,
     kFloat64, kFloat64},
    // int8
    {kInt8, kInt16, kInt64, kFloat32, kFloat64, kInt8, kInt16, kInt32, kNone, kFloat16, kBFloat16},
    // int16
    {kInt16, kInt16, kInt64, kFloat32, kFloat64, kInt16, kInt16, kInt32, kNone, kFloat16,
     kBFloat16},
    // int32
    {kInt32, kInt32, kInt64, kFloat32, kFloat64, kInt32, kInt32, kInt32, kNone, kFloat16,
     kBFloat16},
    // uint16
    {kNone, kNone, kNone, kFloat32, kFloat64, kNone, kNone, kNone, kUint16, kFloat16, kBFloat16},
    // float16
    {kFloat16, kFloat16, kFloat16, kFloat32, kFloat64, kFloat16, kFloat16, kFloat16, kFloat16,
     kFloat16, kFloat32},
    // bfloat16
    {kBFloat16, kBFloat16, kBFloat16, kFloat32, kFloat64, kBFloat16, kBFloat16, kBFloat16,
     kBFloat16, kFloat32, kBFloat16},
};

/// The number as a whole number of 64 bits; what lies outside them, and NaN, is the least of all,
/// as x86 converts it.
template <class T>
int64_t truncated(T v) {
  if constexpr (std::is_floating_point_v<T>)
    return v >= T(-0x1p63) && v < T(0x1p63) ? static_cast<int64_t>(v)
                                            : std::numeric_limits<int64_t>::min();
  else
    return static_cast<int64_t>(v);
}

template <class To, class From>
To converted(From v) {
  if constexpr (std::is_same_v<To, bool>)
    return v != From{0};
  else if constexpr (std::is_floating_point_v<To>)
    return static_cast<To>(v);
  else
    return static_cast<To>(truncated(v));
}

template <class To, class From>
void convert(const From* from, To* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = converted<To>(from[i]);
}

/// Calls f with a value of a type that is stored only.
template <class F>
void dispatch_narrow(DType t, F&& f) {
  dispatch_stored(t, [&]<class T>(T zero) {
    if constexpr (stored_only(dtype_of<T>)) f(zero);
  });
}

template <DType t>
struct Computed;
template <>
struct Computed<kInt64> {
  using Type = int64_t;
};
template <>
struct Computed<kFloat32> {
  using Type = float;
};

void widen(const void* from, DType type, void* to, int64_t n) {
  dispatch_narrow(type, [&]<class T>(T) {
    using Wide = typename Computed<compute_type(dtype_of<T>)>::Type;
    const T* in = static_cast<const T*>(from);
    Wide* out = static_cast<Wide*>(to);
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<Wide>(in[i]);
  });
}

void narrow(const void* from, DType type, void* to, int64_t n) {
  dispatch_narrow(type, [&]<class T>(T) {
    using Wide = typename Computed<compute_type(dtype_of<T>)>::Type;
    const Wide* in = static_cast<const Wide*>(from);
    T* out = static_cast<T*>(to);
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<T>(in[i]);
  });
}

/// Beyond the range of int32 a floating-point number becomes the least of them, as x86 converts it.
void saturate(std::byte* made, int64_t n) {
  auto* numbers = reinterpret_cast<int64_t*>(made);
  for (int64_t i = 0; i < n; ++i)
    if (numbers[i] != static_cast<int32_t>(numbers[i]))
      numbers[i] = std::numeric_limits<int32_t>::min();
}

void convert_wide(const void* from, DType from_type, void* to, DType to_type, int64_t n) {
  dispatch(from_type, [&]<class From>(From) {
    dispatch(to_type, [&]<class To>(To) {
      if constexpr (std::is_same_v<From, To>)
        std::memcpy(to, from, n * sizeof(To));
      else
        convert(static_cast<const From*>(from), static_cast<To*>(to), n);
    });
  });
}

}  // namespace

const char* name_of(DType t) { return facts_of(t).name; }

bool in_range(DType t, double v) {
  if (t == kBool || t == kInt64) return true;  // a double does not tell the largest int64
  if (is_floating(t)) {
    const double most = t == kFloat16    ? 65504
                        : t == kBFloat16 ? 0x1.FEp127
                        : t == kFloat32  ? std::numeric_limits<float>::max()
                                         : std::numeric_limits<double>::max();
    return !std::isfinite(v) || std::abs(v) <= most;
  }
  const bool sign = facts_of(t).kind == 'i';
  const double end = std::ldexp(1.0, 8 * facts_of(t).bytes - sign);
  return v < end && (sign ? v >= -end : v > -end);
}

DType promote(DType a, DType b) {
  const DType t = kPromoted[static_cast<int>(a)][static_cast<int>(b)];
  check(t != kNone,
        "Promotion for uint16, uint32, uint64 types is not supported, attempted to promote {} and "
        "{}",
        facts_of(a).scalar_name, facts_of(b).scalar_name);
  return t;
}

void convert_elements(const void* from, DType from_type, void* to, DType to_type, int64_t n) {
  if (n == 0) return;
  // By way of the compute types, a piece at a time.
  constexpr int64_t kPiece = 512;
  alignas(16) std::byte read[8 * kPiece], made[8 * kPiece];
  const auto* in = static_cast<const std::byte*>(from);
  auto* out = static_cast<std::byte*>(to);
  const DType wide_from = compute_type(from_type), wide_to = compute_type(to_type);
  for (int64_t done = 0; done < n; done += kPiece) {
    const int64_t count = std::min(kPiece, n - done);
    const void* wide = in + done * size_of(from_type);
    if (stored_only(from_type)) {
      widen(wide, from_type, read, count);
      wide = read;
    }
    std::byte* target = out + done * size_of(to_type);
    if (!stored_only(to_type)) {
      convert_wide(wide, wide_from, target, to_type, count);
      continue;
    }
    if (wide_from != wide_to) {
      convert_wide(wide, wide_from, made, wide_to, count);
      wide = made;
      if (to_type == kInt32 && is_floating(wide_from)) saturate(made, count);
    }
    narrow(wide, to_type, target, count);
  }
}

}  // namespace ballast
