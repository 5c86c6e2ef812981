// What a computation does, recorded. Not part of the public interface.
#pragma once

#include <unordered_map>
#include <vector>

#include "ballast/io/onnx.h"

namespace ballast::io {

/// A recording of a computation: the nodes between inputs and outputs.
struct Trace {
  std::vector<Tensor> inputs, outputs;
  /// What depends on the inputs, each after what it reads; the inputs come first.
  std::vector<Node*> nodes;
  std::unordered_map<const Node*, size_t> position;  // in `nodes`
  std::unordered_map<const Node*, int> uses;         // by nodes and outputs
  /// Bit d of element i: the size of dimension d of nodes[i] is the batch's.
  std::vector<uint32_t> varies;

  bool depends(const Node& n) const { return position.contains(&n); }
  bool varies_at(const Node& n, int d) const { return varies[position.at(&n)] >> d & 1; }
};

/// Records `f` twice, as `onnx_bytes` describes, and returns the first recording. Throws ValueError
/// where they differ in more than the batch size.
Trace trace(const OnnxFunction& f, std::span<const Tensor> examples, bool dynamic_batch);

}  // namespace ballast::io
