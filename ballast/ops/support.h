// Helpers that several operations share. Not part of the public interface.
#pragma once

#include <algorithm>
#include <array>
#include <limits>

#include "ballast/base/bytes.h"
#include "ballast/base/integer.h"
#include "ballast/base/interrupt.h"
#include "ballast/base/random.h"
#include "ballast/graph/tensor.h"

namespace ballast::ops {

/// Throws where a kernel's size, stride, padding or dilation is beyond what 31 bits hold, as in
/// PyTorch's pooling: sums and products of two of them then fit 64.
inline void check_window_option(const char* who, int64_t value) {
  check(
      value <= std::numeric_limits<int32_t>::max() && value >= std::numeric_limits<int32_t>::min(),
      "{}: integer out of range: {}", who, value);
}

/// Throws where the system is sure to have no memory for such a tensor: for work that takes long
/// before it is allocated.
inline void require_memory(const Shape& shape, DType dtype) {
  Buffer::require(bytes_of(shape, dtype));
}

/// Row-major strides, in elements.
inline std::array<int64_t, Shape::kMaxRank> strides_of(const Shape& s) {
  std::array<int64_t, Shape::kMaxRank> strides{};
  int64_t n = 1;
  for (int i = s.rank() - 1; i >= 0; --i) {
    strides[i] = n;
    n *= s[i];
  }
  return strides;
}

/// Strides with which a row-major `in` is read at the coordinates of `out`, which it broadcasts to.
inline std::array<int64_t, Shape::kMaxRank> broadcast_strides(const Shape& in, const Shape& out) {
  const auto own = strides_of(in);
  std::array<int64_t, Shape::kMaxRank> strides{};
  for (int i = 0; i < in.rank(); ++i) strides[out.rank() - in.rank() + i] = in[i] == 1 ? 0 : own[i];
  return strides;
}

/// Calls `f(offset)` for every element of `shape` in row-major order, with the offset that
/// `strides` give. Can be interrupted.
template <class F>
void for_each_offset(const Shape& shape, const std::array<int64_t, Shape::kMaxRank>& strides,
                     F&& f) {
  std::array<int64_t, Shape::kMaxRank> at{};
  int64_t offset = 0;
  in_slices(shape.numel(), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      f(offset);
      for (int d = shape.rank() - 1; d >= 0; --d) {
        offset += strides[d];
        if (++at[d] < shape[d]) break;
        offset -= at[d] * strides[d];
        at[d] = 0;
      }
    }
  });
}

/// "Float", "Long", ...: the names PyTorch's error messages give to types.
inline const char* scalar_type_name(DType t) { return facts_of(t).scalar_name; }

/// What reducing dimensions leaves of a shape.
struct Reduced {
  uint64_t mask = 0;  // bit d: dimension d is reduced
  Shape reduced;      // without these dimensions
  Shape kept;         // with them, of size 1
};
/// For `dims` (all, where empty). Throws IndexError for a dimension outside the rank, Error for one
/// named twice.
Reduced reduce_dims(const Shape& shape, const std::vector<int64_t>& dims);

/// Strides that lead from the coordinates of `in` to the reduced `out`: zero along what is reduced.
inline std::array<int64_t, Shape::kMaxRank> reduced_strides(const Shape& in, const Shape& out,
                                                            uint64_t mask) {
  const auto strides = strides_of(out);
  std::array<int64_t, Shape::kMaxRank> to{};
  for (int d = 0, o = 0; d < in.rank(); ++d)
    if (!(mask >> d & 1)) to[d] = strides[o++];
  return to;
}

/// The type of an operation's result on both: what both promote to, except that a tensor without
/// dimensions, and more so a number, widens another only into another kind (whole numbers become
/// floating-point numbers).
inline DType result_type(const Tensor& a, const Tensor& b) {
  const auto weight = [](const Tensor& t) { return t.node().number ? 0 : t.dim() == 0 ? 1 : 2; };
  const int of_a = weight(a), of_b = weight(b);
  if (of_a == of_b) return promote(a.dtype(), b.dtype());
  const DType strong = of_a > of_b ? a.dtype() : b.dtype();
  const DType weak = of_a > of_b ? b.dtype() : a.dtype();
  const bool other_kind = strong == DType::kBool || (!is_floating(strong) && is_floating(weak));
  return other_kind ? promote(strong, weak) : strong;
}

/// `x` as a factor or divisor of a result of type `t`: converted, but where it is one
/// floating-point number and t a half type. Such a number is not rounded before it is computed
/// with.
inline Tensor operand(const Tensor& x, DType t) {
  return is_half(t) && x.dim() == 0 && is_floating(x.dtype()) ? x.to(compute_type(t)) : x.to(t);
}

/// Half tensors as float32, others (also undefined ones) as they are. A function that is made of
/// several operations rounds once where it begins with `if (is_half(x.dtype())) return
/// cast(f(widened(x), ...), x.dtype());`.
inline Tensor widened(const Tensor& x) {
  return x.defined() && is_half(x.dtype()) ? x.to(DType::kFloat32) : x;
}

/// Calls `f` with the elements of `x`, which was just made, as a span of float or double; of a half
/// type with floats, which are then rounded.
template <class F>
void fill_floating(const Tensor& x, const char* who, F&& f) {
  const auto n = static_cast<size_t>(x.numel());
  if (is_half(x.dtype())) {
    std::vector<float> values(n);
    f(std::span<float>(values));
    convert_elements(values.data(), DType::kFloat32, x.node().data(), x.dtype(), x.numel());
    return;
  }
  dispatch_floating(x.dtype(), who, [&](auto zero) {
    f(std::span<decltype(zero)>(reinterpret_cast<decltype(zero)*>(x.node().data()), n));
  });
}

/// A new tensor of normal numbers, those that PyTorch draws for its type.
Tensor drawn_normal(const Shape& shape, DType dtype, double mean, double std, Generator& generator);

/// Sums `g` over the dimensions along which `shape` was broadcast to get g's shape.
Tensor sum_to(const Tensor& g, const Shape& shape);

}  // namespace ballast::ops
