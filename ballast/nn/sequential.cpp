#include "ballast/nn/sequential.h"

#include "ballast/nn/state.h"

namespace ballast::nn {

Tensor Sequential::forward(const Tensor& x) {
  Tensor y = x;
  for (const auto& child : state().children) y = (*child.module)(y);
  return y;
}

int64_t Sequential::size() const { return static_cast<int64_t>(state().children.size()); }

Module& Sequential::operator[](int64_t index) const {
  check<IndexError>(index >= -size() && index < size(), "index {} is out of range", index);
  return *state().children[index < 0 ? index + size() : index].module;
}

}  // namespace ballast::nn
