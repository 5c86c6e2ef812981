#include "ballast/io/state.h"

#include <algorithm>

#include "ballast/base/checksum.h"
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
  Ref<Node> node = make_ref<Node>();
  node->shape = array.shape;
  node->dtype = array.dtype;
  node->buffer = array.data ? array.data : Buffer::allocate(0);
  return Tensor(std::move(node));
}

Array to_array(const Tensor& tensor) {
  // Looking at the elements brings them into row-major order.
  dispatch_stored(tensor.dtype(), [&](auto zero) { tensor.data<decltype(zero)>(); });
  return {tensor.dtype(), tensor.shape(), tensor.node().buffer};
}

namespace {

enum class Format { kPt, kNpz, kSafeTensors };

Format format_of(std::span<const std::byte> bytes, const std::string& name) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (is_legacy_pt(bytes)) return Format::kPt;
  if (!text.starts_with("PK")) return Format::kSafeTensors;
  // Entries of .npz archives lie in no folder.
  const ZipReader archive(bytes, name, "a checkpoint");
  const bool arrays = std::ranges::all_of(
      archive.entries(), [](const ZipEntry& e) { return e.name.ends_with(".npy"); });
  return arrays ? Format::kNpz : Format::kPt;
}

}  // namespace

Object parse_checkpoint(std::span<const std::byte> bytes, const std::string& name) {
  const Format format = format_of(bytes, name);
  if (format == Format::kPt) return parse_pt(bytes, name);
  return object_of_arrays(format == Format::kNpz ? parse_npz(bytes, name)
                                                 : parse_safetensors(bytes, name).tensors);
}

Object read_checkpoint(const std::string& path, bool map) {
  const Ref<Buffer> file = map_file(path);
  if (map && format_of(bytes_of(*file), path) == Format::kPt) return read_pt(path, true);
  return parse_checkpoint(bytes_of(*file), path);
}

void write_checkpoint(const std::string& path, const Object& value) {
  if (is_pt(path)) return write_pt(path, value);
  save(state_dict_of(value), path);
}

std::string checksum_of(const NamedArrays& arrays) {
  Checksum sum;
  for (const auto& [name, a] : arrays) {
    sum.add(name).add(name_of(a.dtype)).add(int64_t{a.shape.rank()});
    for (const int64_t d : a.shape) sum.add(d);
    if (a.bytes() > 0) sum.add({a.data->data(), a.bytes()});
  }
  return sum.hex();
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

std::string checksum_of(const std::vector<std::pair<std::string, Tensor>>& tensors) {
  return io::checksum_of(io::arrays_of(tensors));
}

std::vector<std::pair<std::string, Tensor>> load(const std::string& path) {
  return io::state_dict_of(io::read_checkpoint(path));
}

}  // namespace ballast
