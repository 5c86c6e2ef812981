#include "ballast/nn/sequential.h"

#include "ballast/nn/state.h"

namespace ballast::nn {

Tensor Sequential::forward(const Tensor& x) {
  Tensor y = x;
  for (const auto& child : state().children) y = (*child.module)(y);
  return y;
}

int64_t Sequential::size() const { return static_cast<int64_t>(state().children.size()); }

size_t Sequential::position(int64_t index) const {
  check<IndexError>(index >= -size() && index < size(), "index {} is out of range", index);
  return static_cast<size_t>(index < 0 ? index + size() : index);
}

Module& Sequential::operator[](int64_t index) const {
  return *state().children[position(index)].module;
}

void Sequential::swap(int64_t first, int64_t second) {
  auto &a = state().children[position(first)], &b = state().children[position(second)];
  std::swap(a, b);
  std::swap(a.name, b.name);
}

}  // namespace ballast::nn
