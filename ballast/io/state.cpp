#include "ballast/io/state.h"

#include "ballast/base/file.h"
#include "ballast/io/npy.h"
#include "ballast/io/pt.h"
#include "ballast/io/safetensors.h"
#include "ballast/io/zip.h"

namespace ballast {
namespace io {
namespace {

NamedArrays arrays_of(const std::vector<std::pair<std::string, Tensor>>& tensors) {
  NamedArrays arrays;
  for (const auto& [name, t] : tensors) arrays.emplace_back(name, to_array(t));
  return arrays;
}

Object object_of_arrays(const NamedArrays& arrays) {
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const auto& [name, a] : arrays) tensors.emplace_back(name, to_tensor(a));
  return object_of(tensors);
}

bool is_pt(const std::string& path) { return path.ends_with(".pt") || path.ends_with(".pth"); }

}  // namespace

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

Object parse_checkpoint(std::span<const std::byte> bytes, const std::string& name) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (is_legacy_pt(bytes)) return parse_pt(bytes, name);
  if (!text.starts_with("PK")) return object_of_arrays(parse_safetensors(bytes, name).tensors);
  // Entries of .npz archives lie in no folder.
  bool arrays = true;
  const ZipReader archive(bytes, name, "a checkpoint");
  for (const ZipEntry& e : archive.entries()) arrays &= e.name.ends_with(".npy");
  return arrays ? object_of_arrays(parse_npz(bytes, name)) : parse_pt(bytes, name);
}

Object read_checkpoint(const std::string& path) {
  return parse_checkpoint(bytes_of(*map_file(path)), path);
}

void write_checkpoint(const std::string& path, const Object& value) {
  if (is_pt(path)) return write_pt(path, value);
  save(state_dict_of(value), path);
}

}  // namespace io

void save(const std::vector<std::pair<std::string, Tensor>>& tensors, const std::string& path,
          const std::map<std::string, std::string>& metadata) {
  const bool pt = io::is_pt(path), npz = path.ends_with(".npz");
  check<ValueError>(metadata.empty() || !(pt || npz),
                    "save: only safetensors files hold metadata, not '{}'", path);
  if (pt) return io::write_pt(path, io::object_of(tensors));
  if (npz) return io::write_npz(path, io::arrays_of(tensors));
  io::write_safetensors(path, io::arrays_of(tensors), metadata);
}

std::vector<std::pair<std::string, Tensor>> load(const std::string& path) {
  return io::state_dict_of(io::read_checkpoint(path));
}

}  // namespace ballast
