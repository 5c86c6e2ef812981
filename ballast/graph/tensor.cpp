#include "ballast/graph/tensor.h"

#include <algorithm>
#include <cstring>

#include "ballast/base/bytes.h"
#include "ballast/graph/external.h"
#include "ballast/graph/pending.h"

namespace ballast {
namespace {

thread_local bool t_grad_enabled = true;

// A chain of unevaluated nodes longer than this is evaluated as it is recorded: pending graphs are
// bounded, and so is the depth of every walk over them.
constexpr int kMaxDepth = 4096;

/// Adds an input; returns the bytes of memory that the node keeps alive by it.
int64_t add_input(Node& node, const Tensor& t) {
  look_again(t);
  Node& in = t.node();
  // Memory that someone else may change is read as it is now.
  if (in.external() && !take_back(in)) [[unlikely]] {
    Ref<Node> copy = snapshot(in);
    node.requires_grad |= copy->requires_grad;
    const int64_t bytes = static_cast<int64_t>(copy->buffer->bytes());
    node.inputs.push_back(std::move(copy));
    return bytes;
  }
  node.inputs.push_back(Ref<Node>(&in));
  node.requires_grad |= in.requires_grad;
  if (in.evaluated()) return static_cast<int64_t>(in.buffer->bytes());
  node.depth = std::max(node.depth, in.depth + 1);
  return 0;
}

bool has_stored_type(const Node& node, DType dtype) {
  bool found = stored_only(dtype);
  for (const auto& in : node.inputs) found |= stored_only(in->dtype);
  return found;
}

/// Gives an operation what it can work on: inputs of types that are only stored are converted.
void widen_inputs(Node& node) {
  for (Ref<Node>& in : node.inputs) {
    if (!stored_only(in->dtype)) continue;
    in = Ref<Node>(&Tensor(in).to(compute_type(in->dtype)).node());
    node.depth = std::max(node.depth, in->depth + 1);
  }
}

/// Whether a node can be made in few operations from what is evaluated.
bool nearly_there(const Node& n, int operations) {
  return n.evaluated() ||
         (operations > 0 && std::all_of(n.inputs.begin(), n.inputs.end(), [&](const auto& in) {
            return nearly_there(*in, operations - 1);
          }));
}

/// The elements of an operand where they are there, or nearly so and whole numbers (labels that
/// were cast, indices counted from the end).
Known known(Node& n) {
  constexpr int kFew = 3;
  if (n.numel() == 0 || stored_only(n.dtype)) return {};
  Node* from = &n;
  while (!from->evaluated() && from->op->repeats_input()) from = from->inputs[0].get();
  if (!from->evaluated() && !is_floating(from->dtype) && nearly_there(*from, kFew))
    Tensor(Ref<Node>(from)).eval();
  return from->evaluated() ? Known{from->data(), from->numel()} : Known{};
}

/// Raises the errors of values that can be seen already. (Backward() reads what has been checked;
/// and where the graph itself is what matters, it must not be evaluated.)
void check_values(const Node& node, const Op& op, const Shape& shape, DType dtype,
                  const Attributes& attributes) {
  const Pending& pending = Pending::here();
  if (pending.in_backward() || pending.paused()) return;
  InlineVector<Known, 4> values;
  InlineVector<Shape, 4> shapes;
  for (int i = 0; i < node.inputs.size(); ++i) {
    values.push_back(has_input(op.checks(), i) ? known(*node.inputs[i]) : Known{});
    shapes.push_back(node.inputs[i]->shape);
  }
  const auto count = static_cast<size_t>(values.size());
  op.check_values({{values.data(), count}, {shapes.data(), count}, shape, dtype, attributes});
}

bool all_evaluated(const Node& node) {
  return std::all_of(node.inputs.begin(), node.inputs.end(),
                     [](const auto& in) { return in->evaluated(); });
}

// Results of so many elements are refused when they are recorded where the system will not have
// memory for them.
constexpr int64_t kSuspicious = int64_t{1} << 32;

void check_size(const Op& op, const Shape& shape, DType dtype) {
  if (shape.numel() >= kSuspicious && !op.shows()) [[unlikely]]
    Buffer::require(bytes_of(shape, dtype));
}

Tensor finish(Ref<Node> node, int64_t held, const Op& op, const Shape& shape, DType dtype,
              const Attributes& attributes) {
  check_size(op, shape, dtype);
  DType computed = dtype;
  if (has_stored_type(*node, dtype) && !op.takes_stored_types()) [[unlikely]] {
    widen_inputs(*node);
    computed = compute_type(dtype);
  }
  if (op.checks() & ~Op::kAtOnce) [[unlikely]]
    check_values(*node, op, shape, computed, attributes);
  node->op = &op;
  node->shape = shape;
  node->dtype = computed;
  node->attributes = attributes;
  node->requires_grad = node->requires_grad && t_grad_enabled && is_floating(dtype);
  Pending& pending = Pending::here();
  pending.weigh(held);
  if (!node->requires_grad) pending.add(*node);
  const bool now = node->depth > kMaxDepth || (op.checks() == Op::kAtOnce && all_evaluated(*node));
  Tensor out(std::move(node));
  if (now) [[unlikely]]
    out.eval();
  else if (pending.heavy()) [[unlikely]]
    relieve_pending();
  // The one place where results are rounded, or wrapped, to the type they are stored in.
  return computed == dtype ? out : out.to(dtype);
}

/// What an operation shows of external memory, until it is made a view of it: nothing is read now.
Tensor shown(Ref<Node> node, const Tensor& x, const Op& op, const Shape& shape,
             const Attributes& attributes) {
  Node& in = x.node();
  node->op = &op;
  node->shape = shape;
  node->dtype = in.dtype;
  node->attributes = attributes;
  node->requires_grad = in.requires_grad && t_grad_enabled;
  node->inputs.push_back(Ref<Node>(&in));
  node->depth = in.evaluated() ? 0 : in.depth + 1;
  return Tensor(std::move(node));
}

}  // namespace

Gradients Op::gradient(const Backward&) const {
  fail<NotImplementedError>("{}: the derivative of this operation is not implemented", name());
}

Tensor Backward::input(int i) const { return Tensor(node_.inputs[i]); }
Tensor Backward::output() const { return Tensor(Ref<Node>(&node_)); }
bool Backward::needs(int i) const { return node_.inputs[i]->requires_grad; }
const Shape& Backward::input_shape(int i) const { return node_.inputs[i]->shape; }

// Chains of nodes can be long: they are taken apart in a loop, not by recursion. (The list has no
// destructor: other things of a thread, such as its pending state, may free nodes when it ends.)
void Node::destroy(Node* self) {
  if (self->pending && !self->pending->leave(*self)) return;
  constinit thread_local Node* first = nullptr;
  constinit thread_local bool running = false;
  self->next_dead = first;
  first = self;
  if (running) return;
  running = true;
  while (Node* n = first) {
    first = n->next_dead;
    delete n;
  }
  running = false;
}

GraphMutex& graph_mutex() {
  static GraphMutex mutex;
  return mutex;
}

uint64_t next_walk() {
  static uint64_t walk = 0;
  return ++walk;
}

Ref<Node> make_leaf(const Shape& shape, DType dtype) {
  Ref<Node> node = make_ref<Node>();
  node->shape = shape;
  node->dtype = dtype;
  node->buffer = Buffer::allocate(bytes_of(shape, dtype));
  return node;
}

Ref<Node> leaf_over(const Node& node) {
  Ref<Node> leaf = make_ref<Node>();
  leaf->shape = node.shape;
  leaf->dtype = node.dtype;
  std::lock_guard lock(graph_mutex());
  leaf->layout = node.layout;
  leaf->buffer = node.buffer;
  return leaf;
}

namespace {
// Views come and go on any thread.
std::mutex& views_mutex() {
  static std::mutex mutex;
  return mutex;
}
}  // namespace

bool View::contiguous() const {
  int64_t n = 1;
  for (int d = shape.rank() - 1; d >= 0; --d) {
    if (shape[d] != 1 && strides[d] != n) return false;
    n *= shape[d];
  }
  return true;
}

void ViewGroup::replace(Ref<Node> value) {
  if (kept->external() && value.get() != kept.get()) value = stored(value, kept->buffer);
  kept = std::move(value);
  for (TensorImpl* v : views) v->drop();
}

TensorImpl::~TensorImpl() {
  if (leaf_slot && leaf_slot->owner == this) leaf_slot->owner = nullptr;
  if (node_ && node_->slot && node_->slot->owner == this) node_->slot->owner = nullptr;
  if (group_ || view) leave();
}

/// Goes from the group of views: what the others need of a base stays with them, and the last view
/// of a base that is gone stands alone.
void TensorImpl::leave() {
  Ref<ViewGroup> group = group_;
  if (group) {
    group_ = {};
    std::lock_guard lock(views_mutex());
    group->base = nullptr;
    group->kept = node_;
  } else if (is_view()) {
    group = view->group;
    std::lock_guard lock(views_mutex());
    auto& views = group->views;
    views.erase(std::find(views.rbegin(), views.rend(), this).base() - 1);
    view->group = {};
  }
  if (!group || group->base || group->views.size() > 1) return;
  if (group->views.size() == 1) {
    if (group->kept->external()) return;  // the view keeps an eye on that memory
    TensorImpl* last = group->views.front();
    last->node();
    last->view->group = {};
    group->views.clear();
  }
  group->kept = {};
}

void TensorImpl::forget_views() {
  if (!group_) return;
  for (TensorImpl* v : group_->views) v->drop();
}

void TensorImpl::drop() {
  if (node_ && node_->grad_leaf) node_->overwritten = true;
  if (retains_grad()) node_->slot->owner = nullptr;
  node_ = {};
}

void TensorImpl::become_view(TensorImpl& base, View v) {
  TensorImpl* root = &base;
  if (base.is_view()) {
    v.group = base.view->group;
    root = nullptr;
  }
  std::lock_guard lock(views_mutex());
  if (root) {
    if (!root->group_) {
      root->group_ = make_ref<ViewGroup>();
      root->group_->base = root;
    }
    v.group = root->group_;
  }
  v.group->views.push_back(this);
  view = std::make_unique<View>(std::move(v));
}

GradSlot& TensorImpl::slot() {
  Node& n = *node();
  if (!n.slot) n.slot = make_ref<GradSlot>();
  return *n.slot;
}

void TensorImpl::assign(Ref<Node> value) {
  if (value.get() == node_.get()) return;
  if (is_view()) return assign_view(std::move(value));
  if (node_->external()) [[unlikely]]
    value = stored(value, node_->buffer);
  const bool retains = retains_grad();
  forget_views();
  drop();
  node_ = std::move(value);
  if (retains && node_->requires_grad && !node_->slot) slot().owner = this;
}

void TensorImpl::move(Ref<Node> same) {
  forget_views();
  node_ = std::move(same);
}

void TensorImpl::adopt(Node& leaf) {
  if (!leaf_slot) leaf_slot = make_ref<GradSlot>();
  leaf_slot->owner = this;
  leaf.requires_grad = leaf.grad_leaf = true;
  leaf.slot = leaf_slot;
}

void TensorImpl::set_leaf(Ref<Node> leaf, bool requires_grad) {
  if (requires_grad)
    adopt(*leaf);
  else if (leaf_slot)
    leaf_slot->owner = nullptr;  // hooks stay, for when it collects gradients again
  node_ = std::move(leaf);
}

void TensorImpl::rebind(Ref<Node> value) {
  if (value.get() == node().get()) return;
  leave();
  view.reset();
  drop();
  node_ = std::move(value);
}

template <class T>
Tensor Tensor::from(std::span<const T> values, const Shape& shape) {
  check<ValueError>(shape.numel() == static_cast<int64_t>(values.size()),
                    "a tensor of shape {} needs {} values, got {}", shape, shape.numel(),
                    values.size());
  Tensor t(make_leaf(shape, dtype_of<T>));
  if (!values.empty()) std::memcpy(t.node().data(), values.data(), values.size_bytes());
  return t;
}
#define BALLAST_INSTANTIATE(T) template Tensor Tensor::from(std::span<const T>, const Shape&);
BALLAST_FOR_EACH_TYPE(BALLAST_INSTANTIATE)
#undef BALLAST_INSTANTIATE

Tensor& Tensor::set_requires_grad(bool value) {
  Node& n = node();
  check(!value || is_floating(n.dtype),
        "only Tensors of floating point and complex dtype can require gradients, got {}",
        name_of(n.dtype));
  check(is_leaf(), "you can only change requires_grad flags of leaf variables.");
  if (value == n.requires_grad) return *this;
  // The node may be shared with graphs recorded before: they keep the value as it was.
  Ref<Node> leaf = leaf_over(eval().node());
  impl_->set_leaf(std::move(leaf), value);
  return *this;
}

NoGrad::NoGrad(bool off) : previous_(t_grad_enabled) { t_grad_enabled = previous_ && !off; }
NoGrad::~NoGrad() { t_grad_enabled = previous_; }
bool grad_enabled() { return t_grad_enabled; }
void set_grad_enabled(bool on) { t_grad_enabled = on; }

Tensor record(const Op& op, const Shape& shape, DType dtype, std::initializer_list<TensorIn> inputs,
              const Attributes& attributes) {
  Ref<Node> node = make_ref<Node>();
  int64_t held = 0;
  if (op.shows() && shows_external(*inputs.begin()->tensor)) [[unlikely]]
    return shown(std::move(node), *inputs.begin()->tensor, op, shape, attributes);
  for (const TensorIn& t : inputs) held += add_input(*node, *t.tensor);
  return finish(std::move(node), held, op, shape, dtype, attributes);
}

Tensor record(const Op& op, const Shape& shape, DType dtype, std::span<const Tensor> inputs,
              const Attributes& attributes) {
  Ref<Node> node = make_ref<Node>();
  int64_t held = 0;
  for (const Tensor& t : inputs) held += add_input(*node, t);
  return finish(std::move(node), held, op, shape, dtype, attributes);
}

std::vector<PendingState>& pending_state() {
  thread_local std::vector<PendingState> pending;
  return pending;
}

void update_state(const Tensor& state, const Tensor& value) {
  pending_state().push_back({Ref<TensorImpl>(state.impl()), state.impl()->node()});
  state.impl()->assign(Ref<Node>(&value.node()));
}

}  // namespace ballast
