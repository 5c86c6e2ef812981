#include "ballast/io/state.h"

#include "ballast/io/safetensors.h"

namespace ballast {
namespace io {

Tensor to_tensor(const Array& array) {
  Ref<Node> node(new Node);
  node->shape = array.shape;
  node->dtype = array.dtype;
  node->buffer = array.data ? array.data : Buffer::allocate(0);
  return Tensor(std::move(node));
}

Array to_array(const Tensor& tensor) {
  // Looking at the elements brings them into row-major order.
  dispatch(tensor.dtype(), [&](auto zero) { tensor.data<decltype(zero)>(); });
  return {tensor.dtype(), tensor.shape(), tensor.node().buffer};
}

}  // namespace io

void save(const std::vector<std::pair<std::string, Tensor>>& tensors, const std::string& path,
          const std::map<std::string, std::string>& metadata) {
  io::NamedArrays arrays;
  for (const auto& [name, t] : tensors) arrays.emplace_back(name, io::to_array(t));
  io::write_safetensors(path, arrays, metadata);
}

std::vector<std::pair<std::string, Tensor>> load(const std::string& path) {
  std::vector<std::pair<std::string, Tensor>> out;
  for (const auto& [name, array] : io::read_safetensors(path).tensors)
    out.emplace_back(name, io::to_tensor(array));
  return out;
}

}  // namespace ballast
