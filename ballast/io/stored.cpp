#include <cstring>

#include "ballast/io/decode.h"
#include "ballast/io/pickle.h"

namespace ballast::io {
namespace {

/// Row by row: the last dimension in a loop of its own, the others counted up like a clock.
template <class From, class To>
void gather(const std::byte* from, const Shape& shape, std::span<const int64_t> strides, void* to,
            bool swap_bytes) {
  To* out = static_cast<To*>(to);
  const int rank = shape.rank();
  const int64_t row = rank > 0 ? shape[rank - 1] : 1, step = rank > 0 ? strides[rank - 1] : 1;
  const int64_t size = sizeof(From);
  int64_t index[Shape::kMaxRank] = {}, at = 0;
  for (int64_t left = shape.numel(); left > 0; left -= row, out += row) {
    if (step == 1)
      decode<From>(from + at * size, out, row, swap_bytes);
    else
      for (int64_t i = 0; i < row; ++i)
        decode<From>(from + (at + i * step) * size, out + i, 1, swap_bytes);
    for (int d = rank - 2; d >= 0; --d) {
      if (shape[d] == 1) continue;  // whose stride may be any number
      at += strides[d];
      if (++index[d] < shape[d]) break;
      at -= strides[d] * shape[d];
      index[d] = 0;
    }
  }
}

template <class From, class To>
constexpr StoredType stored(const char* name, const char* storage) {
  return {name, storage, sizeof(From), dtype_of<To>, &gather<From, To>};
}

// In the order of DType, then those that tensors here cannot have, with the nearest that they can.
constexpr StoredType kTypes[] = {
    stored<BoolByte, bool>("bool", "BoolStorage"),
    stored<uint8_t, uint8_t>("uint8", "ByteStorage"),
    stored<int64_t, int64_t>("int64", "LongStorage"),
    stored<float, float>("float32", "FloatStorage"),
    stored<double, double>("float64", "DoubleStorage"),
    stored<int8_t, int8_t>("int8", "CharStorage"),
    stored<int16_t, int16_t>("int16", "ShortStorage"),
    stored<int32_t, int32_t>("int32", "IntStorage"),
    stored<uint16_t, uint16_t>("uint16", ""),
    stored<Half, Half>("float16", "HalfStorage"),
    stored<BFloat16, BFloat16>("bfloat16", "BFloat16Storage"),
    stored<uint32_t, int64_t>("uint32", ""),
};

}  // namespace

std::span<const StoredType> stored_types() { return kTypes; }

const StoredType& stored_type(DType t) { return kTypes[static_cast<int>(t)]; }

}  // namespace ballast::io
