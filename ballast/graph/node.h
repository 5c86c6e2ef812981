// Nodes of the lazy graph.
#pragma once

#include <mutex>

#include "ballast/base/buffer.h"
#include "ballast/graph/op.h"

namespace ballast {

class TensorImpl;

/// One value: a leaf (memory), or an operation on other nodes that has been recorded and perhaps
/// not yet evaluated. Immutable as a value; evaluation fills in the memory and drops the inputs.
class Node : public Counted<Node> {
 public:
  const Op* op = nullptr;  // null for leaves, also once evaluated and not needed by autograd
  Shape shape;
  DType dtype = DType::kFloat32;
  Layout layout = Layout::kRowMajor;  // of the memory
  bool requires_grad = false;
  bool grad_leaf = false;    // autograd stops here and accumulates into the owner's grad
  bool released = false;     // backward() has been through: the inputs are no longer kept for it
  bool overwritten = false;  // a gradient leaf whose owner has been given another value since
  InlineVector<Ref<Node>, 4> inputs;
  Attributes attributes;
  Ref<Buffer> buffer;  // null until evaluated

  TensorImpl* owner = nullptr;  // of a gradient leaf: whose grad to accumulate into
  int depth = 0;                // longest chain of unevaluated nodes below this one

  // Scratch of the graph walk that runs now (under the graph lock); see sweep/eval.cpp.
  uint64_t walk = 0;
  int32_t index = 0;

  bool evaluated() const { return static_cast<bool>(buffer); }
  std::byte* data() const { return buffer->data(); }
  int64_t numel() const { return shape.numel(); }

  static void destroy(Node* self);
};

/// A leaf with unspecified contents.
Ref<Node> make_leaf(const Shape& shape, DType dtype);

/// Walks over the graph use the scratch fields of shared nodes: one walk at a time. Recursive,
/// because recording an operation during a walk may evaluate.
std::recursive_mutex& graph_mutex();
/// A number no other walk has.
uint64_t next_walk();

template <class T>
const T& Backward::attributes() const {
  return node_.attributes.as<T>();
}

}  // namespace ballast
