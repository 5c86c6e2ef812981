// What the exporters of single operations share. Not part of the public interface.
#pragma once

#include <array>
#include <cstring>

#include "ballast/io/onnx_export.h"

namespace ballast::io {

using Ints = std::vector<int64_t>;

/// The attributes of an operation that keeps their type to itself: N numbers.
template <class T, size_t N>
std::array<T, N> fields(const Node& n) {
  std::array<T, N> out;
  const auto bytes = n.attributes.bytes();
  check<NotImplementedError>(bytes.size() == sizeof out, "onnx: '{}' has other attributes",
                             n.op->name());
  std::memcpy(out.data(), bytes.data(), sizeof out);
  return out;
}

struct OnnxEntry {
  std::string_view op;
  OnnxGraph::Value (*run)(OnnxExporter&, const Node&);
};
/// The operations of layers: products, normalization, pooling, resizing.
std::span<const OnnxEntry> onnx_layer_entries();

}  // namespace ballast::io
