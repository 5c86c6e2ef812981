// Nodes of the lazy graph.
#pragma once

#include <atomic>
#include <mutex>
#include <vector>

#include "ballast/base/buffer.h"
#include "ballast/base/recycled.h"
#include "ballast/graph/op.h"

namespace ballast {

class TensorImpl;
class Tensor;
class Pending;

/// Called with the gradient of a value when all of it has arrived; may replace it.
class GradHook : public Counted<GradHook> {
 public:
  virtual ~GradHook() = default;
  virtual void run(Tensor& grad) = 0;
};

/// Where the gradient of a value goes: to a tensor, past the hooks. All values that a leaf has had
/// share one.
struct GradSlot : public Counted<GradSlot> {
  TensorImpl* owner = nullptr;  // whose grad to accumulate into (of a leaf) or to set
  std::vector<Ref<GradHook>> hooks;
  std::vector<Ref<GradHook>> accumulated;  // of a leaf: run once its grad has been accumulated
};

/// One value: a leaf (memory), or an operation on other nodes that has been recorded and perhaps
/// not yet evaluated. Immutable as a value; evaluation fills in the memory and drops the inputs.
/// Threads may share a node: what an evaluation changes is written under the graph lock, the memory
/// last, and may be read without the lock once `evaluated()`.
class Node : public Counted<Node>, public Recycled<Node> {
 public:
  const Op* op = nullptr;  // null for leaves, also once evaluated and not needed by autograd
  Shape shape;
  DType dtype = DType::kFloat32;
  Layout layout = Layout::kRowMajor;  // of the memory
  bool requires_grad = false;
  bool grad_leaf = false;    // autograd stops here and accumulates into the owner's grad
  bool released = false;     // backward() has been through: the inputs are no longer kept for it
  bool overwritten = false;  // a gradient leaf whose owner has been given another value since
  bool rewritten = false;    // the elements are not those that `op` made: written to since
  bool number = false;       // a number of the program's: its type gives way to that of tensors
  InlineVector<Ref<Node>, 4> inputs;
  Attributes attributes;
  Ref<Buffer> buffer;  // null until evaluated

  Ref<GradSlot> slot;  // null unless this is a gradient leaf, or somebody asked for its gradient
  int depth = 0;       // longest chain of unevaluated nodes below this one

  // The place of this node among the pending ones of a thread; see graph/pending.h. Only that
  // thread reads and writes it.
  Pending* pending = nullptr;  // its list, once it has been on one: the same from then on
  Node *older = nullptr, *newer = nullptr;
  int64_t evaluations = 0;     // of that thread, before the node was put on the list
  bool listed = false;         // the node is on the list now
  bool from_backward = false;  // the node was put there by backward()
  bool failed = false;         // its evaluation threw: it is left to whoever looks at its value

  // Scratch of the graph walk that runs now (under the graph lock); see sweep/eval.cpp.
  union {
    uint64_t walk = 0;
    Node* next_dead;  // of a node that `destroy` has been given
  };
  int32_t index = 0;

  bool evaluated() const { return buffer.published(); }
  /// Of an evaluated node. Looking at its elements brings channels-last memory into row-major
  /// order, in a buffer of its own; row-major memory stays in place.
  bool row_major() const { return atomic_layout().load(std::memory_order_acquire) == Layout(); }
  void publish_row_major() { atomic_layout().store(Layout(), std::memory_order_release); }
  /// Whether someone else may change the memory at any time.
  bool external() const { return evaluated() && row_major() && buffer->external(); }
  /// Takes another node's place in the graph: what it was computed from.
  void take_history(const Node& n) {
    requires_grad = n.requires_grad;
    grad_leaf = n.grad_leaf;
    released = n.released;
    rewritten = n.rewritten;
    op = n.op;
    inputs = n.inputs;
    attributes = n.attributes;
  }
  std::byte* data() const { return buffer->data(); }
  int64_t numel() const { return shape.numel(); }
  /// What the gradient rule will read, of the gradients that are asked for.
  uint32_t backward_reads() const {
    uint32_t needed = 0;
    for (int i = 0; i < inputs.size(); ++i)
      if (inputs[i]->requires_grad) needed |= input_bit(i);
    return op->reads_for(needed);
  }

  static void destroy(Node* self);

 private:
  friend class Pending;
  std::atomic_ref<Layout> atomic_layout() const {
    return std::atomic_ref<Layout>(const_cast<Layout&>(layout));
  }
};

/// A leaf with unspecified contents.
Ref<Node> make_leaf(const Shape& shape, DType dtype);
/// A leaf that shares the memory of an evaluated node.
Ref<Node> leaf_over(const Node& node);

/// Walks over the graph use the scratch fields of shared nodes: one walk at a time. Recursive,
/// because recording an operation during a walk may evaluate.
class GraphMutex {
 public:
  void lock() {
    if (!mutex_.try_lock()) wait_.load()(mutex_);
  }
  void unlock() { mutex_.unlock(); }
  /// How a thread waits for the lock: a walk may call back into a language with a lock of its own,
  /// which whoever waits here must let go of.
  using Wait = void (*)(std::recursive_mutex&);
  void wait_by(Wait wait) { wait_.store(wait); }

 private:
  std::recursive_mutex mutex_;
  std::atomic<Wait> wait_{[](std::recursive_mutex& m) { m.lock(); }};
};
GraphMutex& graph_mutex();
/// A number no other walk has.
uint64_t next_walk();

template <class T>
const T& Backward::attributes() const {
  return node_.attributes.as<T>();
}

}  // namespace ballast
