#include "ballast/base/shape.h"

namespace ballast {

std::string Shape::str() const {
  std::string s = "[";
  for (int i = 0; i < rank_; ++i) s += (i ? ", " : "") + std::to_string(dims_[i]);
  return s + "]";
}

Shape broadcast(const Shape& a, const Shape& b) {
  const int rank = std::max(a.rank(), b.rank());
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  Shape out = longer;
  for (int i = 1; i <= rank; ++i) {
    const int64_t x = i <= a.rank() ? a[a.rank() - i] : 1, y = i <= b.rank() ? b[b.rank() - i] : 1;
    check(x == y || x == 1 || y == 1,
          "The size of tensor a ({}) must match the size of tensor b ({}) at non-singleton "
          "dimension {}",
          x, y, rank - i);
    out[rank - i] = x == 1 ? y : x;
  }
  return out;
}

}  // namespace ballast
