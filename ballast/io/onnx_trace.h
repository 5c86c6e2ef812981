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
  /// Constants that are the same for every row of a batch, with such bits for their dimensions.
  std::unordered_map<const Node*, uint32_t> repeated;

  /// The rows of the batch in this recording.
  static constexpr int64_t kRows = 2;
  bool depends(const Node& n) const { return position.contains(&n); }
  bool varies_at(const Node& n, int d) const { return varies[position.at(&n)] >> d & 1; }
};

/// Records `f` twice, as `onnx_bytes` describes, and returns the first recording. `dynamic`: the
/// inputs whose dimension 0 is the batch. Throws ValueError where they differ in more than its
/// size.
Trace trace(const OnnxFunction& f, std::span<const Tensor> examples,
            const std::vector<bool>& dynamic);

}  // namespace ballast::io
