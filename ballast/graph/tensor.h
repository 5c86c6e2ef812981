// Tensor: the handle users hold.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "ballast/graph/node.h"

namespace ballast {

/// What a tensor and its views share. Values belong to tensors and are never shared between them;
/// a view that was left behind by a write to its base, or to another view of it, makes its value
/// anew from the base when it is next looked at.
struct ViewGroup : public Counted<ViewGroup> {
  TensorImpl* base = nullptr;  // null once nobody holds the base any more
  Ref<Node> kept;              // its value then, as long as two views or more are left
  std::vector<TensorImpl*> views;

  /// Gives a base that nobody holds another value.
  void replace(Ref<Node> value);
};

/// Which elements of its base a view shows.
struct View {
  Ref<ViewGroup> group;  // null where the view has outlived all others: it stands alone
  int64_t offset = 0;    // both in elements of the row-major base
  std::array<int64_t, Shape::kMaxRank> strides{};
  Shape shape;
  bool detached = false;     // gradients do not flow back to the base
  bool of_detached = false;  // a view of a tensor that is such a view itself

  /// Whether the elements lie one after the other.
  bool contiguous() const;
};

/// What all copies of a Tensor share: its present value, and its gradient.
class TensorImpl : public Counted<TensorImpl>, public Recycled<TensorImpl> {
 public:
  explicit TensorImpl(Ref<Node> value) : node_(std::move(value)) {}
  ~TensorImpl();

  /// The present value.
  const Ref<Node>& node() {
    if (!node_) [[unlikely]]
      derive();
    return node_;
  }
  /// Replaces the value, in place: views show the new one, autograd follows it. Of a view: the part
  /// of the base that it shows.
  void assign(Ref<Node> value);
  /// Replaces the value by one of another place (and shape, perhaps): views keep showing the old.
  void rebind(Ref<Node> value);
  /// Takes the same value, elsewhere in memory.
  void move(Ref<Node> same);
  /// The value's memory is about to be written to: views must look again.
  void forget_views();
  /// Makes this a view of `base`, of which it shows what `view` says.
  void become_view(TensorImpl& base, View view);
  /// Whether writing to this tensor means writing to a base.
  bool is_view() const { return view && view->group; }
  /// Marks a value that this tensor is about to take as a leaf whose gradient it collects.
  void adopt(Node& leaf);
  /// Takes a leaf with the elements it has already, which collects gradients or does not.
  void set_leaf(Ref<Node> leaf, bool requires_grad);
  /// Where gradients go that reach the present value; made on demand.
  GradSlot& slot();

  Ref<TensorImpl> grad;
  std::unique_ptr<View> view;  // null for what is no view and has been none
  Ref<GradSlot> leaf_slot;     // of a gradient leaf, and of what has been one

  /// Whether this is a leaf that collects its gradient; or no leaf, and keeps it all the same.
  bool collects_grad() const { return leaf_slot && leaf_slot->owner; }
  bool retains_grad() const {
    return node_ && !node_->grad_leaf && node_->slot && node_->slot->owner == this;
  }

 private:
  friend struct ViewGroup;
  void derive();  // defined in ops/, as is what `assign` does to a view
  void assign_view(Ref<Node> value);
  void leave();
  void drop();

  Ref<Node> node_;        // null: to be derived
  Ref<ViewGroup> group_;  // of a base that has views
};

/// An n-dimensional array, as in PyTorch: copying the handle aliases. Operations are recorded when
/// called (shapes and types are checked there) and computed when a value is looked at: `item`,
/// `data`, `values`, an optimizer's `step`, saving.
class Tensor {
 public:
  /// An undefined tensor.
  Tensor() = default;
  explicit Tensor(Ref<Node> node) : impl_(make_ref<TensorImpl>(std::move(node))) {}
  explicit Tensor(Ref<TensorImpl> impl) : impl_(std::move(impl)) {}

  /// Copies `values` into a row-major tensor. Throws ValueError unless their count fits `shape`.
  template <class T>
  static Tensor from(std::span<const T> values, const Shape& shape);
  template <class T>
  static Tensor from(const std::vector<T>& values, const Shape& shape) {
    return from(std::span<const T>(values), shape);
  }
  /// Copies `values` into a tensor of rank 1.
  template <class T>
  static Tensor from(std::initializer_list<T> values) {
    return from(std::span<const T>(values.begin(), values.size()),
                Shape{static_cast<int64_t>(values.size())});
  }

  bool defined() const { return static_cast<bool>(impl_); }
  const Shape& shape() const { return node().shape; }
  int64_t size(int64_t dim) const { return shape()[shape().normalize(dim)]; }
  int dim() const { return shape().rank(); }
  int64_t numel() const { return shape().numel(); }
  DType dtype() const { return node().dtype; }

  // Autograd.
  bool requires_grad() const { return node().requires_grad; }
  bool is_leaf() const { return !node().requires_grad || node().grad_leaf; }
  /// Marks a leaf as one whose gradient `backward()` computes. Throws for integer types and
  /// non-leaves.
  Tensor& set_requires_grad(bool value = true);
  /// The accumulated gradient; undefined where there is none.
  Tensor grad() const { return impl_->grad ? Tensor(impl_->grad) : Tensor(); }
  void set_grad(const Tensor& g) { impl_->grad = g.impl_; }
  /// Adds this value's derivative to the `grad` of every leaf it was computed from. Without an
  /// argument the value must be a scalar. Throws as PyTorch does where it cannot. (Defined in
  /// grad/.)
  void backward(const Tensor& gradient = {}, bool retain_graph = false) const;
  /// The same value, cut off from the graph.
  Tensor detach() const;

  // Values. (Defined in sweep/.)
  /// Computes the value now (and keeps what a later `backward()` will need).
  const Tensor& eval() const;
  /// The only element. Throws where there is not exactly one.
  template <class T = double>
  T item() const;
  /// Row-major elements, evaluated; valid while this value lives. Throws TypeError for another
  /// dtype.
  template <class T>
  std::span<const T> data() const;
  /// A copy of the elements.
  template <class T>
  std::vector<T> values() const {
    auto d = data<T>();
    return std::vector<T>(d.begin(), d.end());
  }
  /// Moves the elements, row-major, to memory that no other tensor shares, unless they lie there.
  /// The value and its history stay the same.
  void unshare();
  /// Writable row-major elements, no longer shared with any other tensor; not recorded by autograd.
  template <class T>
  std::span<T> mutable_data();

  /// Replaces this tensor's value (all copies of the handle see it), as PyTorch's `copy_` under
  /// `no_grad`: shape must match after broadcasting; the dtype is kept. (Defined in ops/.)
  void copy_(const Tensor& source);

  // Conveniences that spell as in PyTorch. (Defined in ops/.)
  Tensor reshape(const std::vector<int64_t>& shape) const;
  Tensor view(const std::vector<int64_t>& shape) const { return reshape(shape); }
  Tensor flatten(int64_t start = 0, int64_t end = -1) const;
  Tensor to(DType dtype) const;
  Tensor permute(const std::vector<int64_t>& dims) const;
  Tensor transpose(int64_t dim0, int64_t dim1) const;
  Tensor t() const;
  Tensor squeeze() const;
  Tensor squeeze(int64_t dim) const;
  Tensor unsqueeze(int64_t dim) const;
  Tensor sum(const std::vector<int64_t>& dims = {}, bool keepdim = false) const;
  Tensor mean(const std::vector<int64_t>& dims = {}, bool keepdim = false) const;
  Tensor max() const;
  Tensor min() const;
  Tensor argmax() const;
  Tensor argmax(int64_t dim, bool keepdim = false) const;
  Tensor softmax(int64_t dim) const;
  Tensor log_softmax(int64_t dim) const;

  Node& node() const {
    check(defined(), "an undefined tensor was used");
    return *impl_->node();
  }
  TensorImpl* impl() const { return impl_.get(); }
  /// Whether both handles alias the same tensor.
  bool is(const Tensor& o) const { return impl_ == o.impl_; }

 private:
  Ref<TensorImpl> impl_;
};

/// While it lives, operations of this thread are not recorded for autograd.
class NoGrad {
 public:
  explicit NoGrad(bool off = true);
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool previous_;
};
bool grad_enabled();
void set_grad_enabled(bool on);

/// An input of `record`: lists of inputs copy no handles.
struct TensorIn {
  TensorIn(const Tensor& t) : tensor(&t) {}  // NOLINT(google-explicit-constructor)
  const Tensor* tensor;
};

/// Records `op`: the one way nodes are made. The caller has checked its inputs and worked out shape
/// and type.
Tensor record(const Op& op, const Shape& shape, DType dtype, std::initializer_list<TensorIn> inputs,
              const Attributes& attributes = {});
Tensor record(const Op& op, const Shape& shape, DType dtype, std::span<const Tensor> inputs,
              const Attributes& attributes = {});
template <class A>
requires(!std::is_same_v<A, Attributes>) Tensor
    record(const Op& op, const Shape& shape, DType dtype, std::initializer_list<TensorIn> inputs,
           const A& a) {
  return record(op, shape, dtype, inputs, Attributes(a));
}

/// Schedules the new value of a piece of state (running statistics): the next evaluation on this
/// thread computes it too, whatever it was asked for, so that side effects of training happen
/// exactly once.
void update_state(const Tensor& state, const Tensor& value);
/// The state scheduled on this thread and not yet evaluated; taken by the evaluator.
struct PendingState {
  Ref<TensorImpl> state;
  Ref<Node> before;  // its value until then
};
std::vector<PendingState>& pending_state();

}  // namespace ballast
