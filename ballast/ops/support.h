// Helpers that several operations share. Not part of the public interface.
#pragma once

#include <algorithm>
#include <array>

#include "ballast/graph/tensor.h"

namespace ballast::ops {

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
/// `strides` give.
template <class F>
void for_each_offset(const Shape& shape, const std::array<int64_t, Shape::kMaxRank>& strides,
                     F&& f) {
  const int64_t n = shape.numel();
  std::array<int64_t, Shape::kMaxRank> at{};
  int64_t offset = 0;
  for (int64_t i = 0; i < n; ++i) {
    f(offset);
    for (int d = shape.rank() - 1; d >= 0; --d) {
      offset += strides[d];
      if (++at[d] < shape[d]) break;
      offset -= at[d] * strides[d];
      at[d] = 0;
    }
  }
}

/// "Float", "Long", ...: the names PyTorch's error messages give to types.
inline const char* scalar_type_name(DType t) {
  switch (t) {
    case DType::kBool:
      return "Bool";
    case DType::kUint8:
      return "Byte";
    case DType::kInt64:
      return "Long";
    case DType::kFloat32:
      return "Float";
    case DType::kFloat64:
      break;
  }
  return "Double";
}

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

/// The type in which an operation on both is computed: the wider one, except that a tensor without
/// dimensions widens another only into another kind (integers become floating-point numbers).
inline DType result_type(const Tensor& a, const Tensor& b) {
  if ((a.dim() == 0) == (b.dim() == 0)) return std::max(a.dtype(), b.dtype());
  const DType wide = a.dim() ? a.dtype() : b.dtype(), scalar = a.dim() ? b.dtype() : a.dtype();
  const bool other_kind = wide == DType::kBool || (!is_floating(wide) && is_floating(scalar));
  return other_kind ? std::max(wide, scalar) : wide;
}

/// Sums `g` over the dimensions along which `shape` was broadcast to get g's shape.
Tensor sum_to(const Tensor& g, const Shape& shape);

}  // namespace ballast::ops
