#include "ballast/graph/external.h"

#include <cstring>
#include <mutex>
#include <unordered_map>

#include "ballast/base/bytes.h"

namespace ballast {
namespace {

/// The elements of the input: gradients go to the tensor that shows the memory they came from, or
/// to the value that was written there.
const Op& snapshot_op() {
  class SnapshotOp final : public Op {
   public:
    SnapshotOp() : Op("snapshot") {}
    void reference(const Call& c) const override {
      std::memcpy(c.out.data, c.in[0].data, bytes_of(c.out.shape, c.out.dtype));
    }
    Gradients gradient(const Backward& b) const override { return {b.grad()}; }
    bool takes_stored_types() const override { return true; }
    uint32_t gradient_reads() const override { return 0; }
  };
  static const SnapshotOp op;
  return op;
}

void follow(Node& node, const Ref<Node>& from) {
  node.op = &snapshot_op();
  node.inputs.push_back(from);
  node.requires_grad = true;
}

/// What lies behind buffers that are lent.
struct Loans {
  std::mutex mutex;
  std::unordered_map<const Buffer*, Ref<Buffer>> own;

  static Loans& all() {
    static auto* loans = new Loans;
    return *loans;
  }
  void begin(const Buffer* loan, Ref<Buffer> memory) {
    std::lock_guard lock(mutex);
    own[loan] = std::move(memory);
  }
  Ref<Buffer> of(const Buffer* loan) {
    std::lock_guard lock(mutex);
    const auto found = own.find(loan);
    return found == own.end() ? Ref<Buffer>() : found->second;
  }
  void end(const Buffer* loan) {
    decltype(own)::node_type gone;  // freed when the lock is
    std::lock_guard lock(mutex);
    gone = own.extract(loan);
  }
};

}  // namespace

Ref<Node> snapshot(Node& node) {
  Ref<Node> copy = make_leaf(node.shape, node.dtype);
  std::memcpy(copy->data(), node.data(), bytes_of(node.shape, node.dtype));
  if (node.requires_grad && grad_enabled()) follow(*copy, Ref<Node>(&node));
  return copy;
}

Ref<Node> stored(const Ref<Node>& value, const Ref<Buffer>& memory) {
  const Tensor t(value);
  dispatch_stored(value->dtype, [&](auto zero) { t.data<decltype(zero)>(); });
  std::memmove(memory->data(), value->data(), bytes_of(value->shape, value->dtype));
  Ref<Node> n = make_ref<Node>();
  n->shape = value->shape;
  n->dtype = value->dtype;
  n->buffer = memory;
  if (value->grad_leaf) {
    n->take_history(*value);
    n->slot = value->slot;
  } else if (value->requires_grad) {
    follow(*n, value);
  }
  return n;
}

Ref<Buffer> lent(Ref<Buffer> own) {
  auto loan = std::make_shared<const Buffer*>(nullptr);
  Ref<Buffer> b = Buffer::wrap(own->data(), own->bytes(), [loan] { Loans::all().end(*loan); });
  *loan = b.get();
  Loans::all().begin(b.get(), std::move(own));
  return b;
}

bool take_back(Node& node) {
  if (node.buffer->refs() > 1) return false;
  Ref<Buffer> own = Loans::all().of(node.buffer.get());
  if (!own) return false;
  std::lock_guard lock(graph_mutex());
  node.buffer.publish(std::move(own));
  return true;
}

}  // namespace ballast
