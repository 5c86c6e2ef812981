#include "ballast/ops/view.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "ballast/base/bytes.h"
#include "ballast/base/integer.h"
#include "ballast/graph/external.h"
#include "ballast/ops/compare.h"
#include "ballast/ops/create.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

using Strides = std::array<int64_t, Shape::kMaxRank>;

/// Which elements of a row-major tensor: the attributes hold one dimension less than tensors may
/// have.
struct RegionAttributes {
  int64_t offset;
  int64_t strides[Shape::kMaxRank - 1];
};

RegionAttributes region(const Shape& shape, int64_t offset, const Strides& strides) {
  check<NotImplementedError>(shape.rank() < Shape::kMaxRank,
                             "views of {} dimensions cannot be written to", shape.rank());
  RegionAttributes a{offset, {}};
  std::copy_n(strides.begin(), shape.rank(), a.strides);
  return a;
}

Strides strides_in(const RegionAttributes& a) {
  Strides s{};
  std::ranges::copy(a.strides, s.begin());
  return s;
}

/// base with the elements of a region replaced by `value`.
class WriteRegionOp final : public Op {
 public:
  WriteRegionOp() : Op("copy_slices") {}
  void reference(const Call& c) const override {
    const auto& a = c.attributes.as<RegionAttributes>();
    dispatch_size(c.out.dtype, [&](auto zero) {
      using T = decltype(zero);
      T* out = c.output<T>();
      std::memcpy(out, c.in[0].data, c.out.shape.numel() * sizeof(T));
      const T* value = c.input<T>(1);
      ops::for_each_offset(c.in[1].shape, strides_in(a),
                           [&](int64_t offset) { out[a.offset + offset] = *value++; });
    });
  }
  Gradients gradient(const Backward& b) const override;
  bool takes_stored_types() const override { return true; }
  uint32_t gradient_reads() const override { return 0; }
};

/// The elements of a region.
class ReadRegionOp final : public Op {
 public:
  ReadRegionOp() : Op("as_strided") {}
  void reference(const Call& c) const override {
    const auto& a = c.attributes.as<RegionAttributes>();
    dispatch_size(c.out.dtype, [&](auto zero) {
      using T = decltype(zero);
      const T* in = c.input<T>(0);
      T* out = c.output<T>();
      ops::for_each_offset(c.out.shape, strides_in(a),
                           [&](int64_t offset) { *out++ = in[a.offset + offset]; });
    });
  }
  Gradients gradient(const Backward& b) const override;
  bool takes_stored_types() const override { return true; }
  uint32_t gradient_reads() const override { return 0; }
  bool shows() const override { return true; }
};

/// The sum of what a region's overlapping elements received: the gradient of reading it.
class AddRegionOp final : public Op {
 public:
  AddRegionOp() : Op("as_strided_backward") {}
  void reference(const Call& c) const override {
    const auto& a = c.attributes.as<RegionAttributes>();
    dispatch_floating(c.out.dtype, "as_strided", [&](auto zero) {
      using T = decltype(zero);
      T* out = c.output<T>();
      std::fill_n(out, c.out.shape.numel(), T(0));
      const T* in = c.input<T>(0);
      ops::for_each_offset(c.in[0].shape, strides_in(a),
                           [&](int64_t offset) { out[a.offset + offset] += *in++; });
    });
  }
  Gradients gradient(const Backward& b) const override;
  uint32_t gradient_reads() const override { return 0; }
};

Tensor write_region(const Tensor& base, const Tensor& value, const RegionAttributes& a) {
  static const WriteRegionOp op;
  return record(op, base.shape(), base.dtype(), {base, value}, a);
}
Tensor read_region(const Tensor& x, const Shape& shape, const RegionAttributes& a) {
  static const ReadRegionOp op;
  return record(op, shape, x.dtype(), {x}, a);
}
Tensor add_region(const Tensor& g, const Shape& shape, const RegionAttributes& a) {
  static const AddRegionOp op;
  return record(op, shape, g.dtype(), {g}, a);
}

/// The first input; what the second was computed from gets zeros for its gradient.
class OverwriteOp final : public Op {
 public:
  OverwriteOp() : Op("overwrite") {}
  void reference(const Call& c) const override {
    std::memcpy(c.out.data, c.in[0].data, bytes_of(c.out.shape, c.out.dtype));
  }
  Gradients gradient(const Backward& b) const override {
    Gradients g{Tensor(), Tensor()};
    if (b.needs(0)) g[0] = b.grad();
    if (b.needs(1)) g[1] = zeros(b.input_shape(1), b.grad().dtype());
    return g;
  }
  bool takes_stored_types() const override { return true; }
  uint32_t gradient_reads() const override { return 0; }
};

Gradients WriteRegionOp::gradient(const Backward& b) const {
  const auto& a = b.attributes<RegionAttributes>();
  Gradients g{Tensor(), Tensor()};
  if (b.needs(0)) g[0] = write_region(b.grad(), zeros(b.input_shape(1), b.grad().dtype()), a);
  if (b.needs(1)) g[1] = read_region(b.grad(), b.input_shape(1), a);
  return g;
}
Gradients ReadRegionOp::gradient(const Backward& b) const {
  return {add_region(b.grad(), b.input_shape(0), b.attributes<RegionAttributes>())};
}
Gradients AddRegionOp::gradient(const Backward& b) const {
  return {read_region(b.grad(), b.input_shape(0), b.attributes<RegionAttributes>())};
}

/// Strides under which elements that lie at `from` can be seen in another shape; none where they
/// cannot. Old dimensions that lie evenly make a run, which new dimensions must fill exactly.
std::optional<Strides> strides_under(const Shape& shape, const Shape& old, const Strides& from) {
  if (shape.numel() == 0) return ops::strides_of(shape);
  Strides out{};
  int d = shape.rank() - 1;
  int64_t base = old.rank() ? from[old.rank() - 1] : 1, run = 1, filled = 1;
  for (int o = old.rank() - 1; o >= 0; --o) {
    run *= old[o];
    if (o > 0 && (old[o - 1] == 1 || from[o - 1] == run * base)) continue;
    while (d >= 0 && (filled < run || shape[d] == 1)) {
      out[d] = filled * base;
      filled *= shape[d--];
    }
    if (filled != run) return std::nullopt;
    if (o > 0) base = from[o - 1], run = filled = 1;
  }
  while (d >= 0) out[d--] = 1;
  return out;
}

Strides own_strides(const Tensor& x) {
  return x.impl()->view ? x.impl()->view->strides : ops::strides_of(x.shape());
}

bool shares_elements(const View& v) {
  if (v.shape.numel() == 0) return false;
  for (int d = 0; d < v.shape.rank(); ++d)
    if (v.shape[d] > 1 && v.strides[d] == 0) return true;
  return false;
}

Tensor value_of(const ViewGroup& group) {
  return Tensor(group.base ? group.base->node() : group.kept);
}

bool shows_all(const View& v, const Shape& base) {
  return v.offset == 0 && v.contiguous() && v.shape.numel() == base.numel();
}

template <class T>
void write_elements(T* to, const View& v, const Tensor& value) {
  const T* from = value.data<T>().data();
  const NoInterrupt on;
  ops::for_each_offset(v.shape, v.strides,
                       [&](int64_t offset) { to[v.offset + offset] = *from++; });
}

/// Writes to external memory: who else looks at it shall see that.
void write_external(Node& n, const View& v, const Tensor& value) {
  value.eval();
  dispatch_stored(value.dtype(), [&](auto zero) {
    write_elements(reinterpret_cast<decltype(zero)*>(n.data()), v, value);
  });
}

/// Writes to the memory of a base, which nobody else reads afterwards.
void write_memory(TensorImpl& base, const View& v, const Tensor& value) {
  value.eval();
  Tensor whole{Ref<TensorImpl>(&base)};
  dispatch_stored(value.dtype(), [&](auto zero) {
    write_elements(whole.mutable_data<decltype(zero)>().data(), v, value);
  });
}

void read_elements(const Buffer& to, const Node& memory, const View& v) {
  const NoInterrupt on;
  dispatch_size(memory.dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* from = reinterpret_cast<const T*>(memory.data()) + v.offset;
    T* next = reinterpret_cast<T*>(to.data());
    ops::for_each_offset(v.shape, v.strides, [&](int64_t offset) { *next++ = from[offset]; });
  });
}

/// What a view shows of a base in external memory; its history is that of `recorded`. Elements that
/// lie apart are copied, and each is copied once, however often it is shown.
Ref<Node> part_of_external(const Node& base, const View& v, const Node* recorded) {
  const bool tracked = recorded && recorded->requires_grad;
  if (!tracked && shares_elements(v)) {
    View once = v;
    for (int d = 0; d < v.shape.rank(); ++d)
      if (v.strides[d] == 0) once.shape[d] = std::min<int64_t>(v.shape[d], 1);
    Ref<Node> elements = make_leaf(once.shape, base.dtype);
    read_elements(*elements->buffer, base, once);
    return expand(Tensor(std::move(elements)), v.shape).impl()->node();
  }
  Ref<Node> n = make_ref<Node>();
  n->shape = v.shape;
  n->dtype = base.dtype;
  const size_t bytes = bytes_of(v.shape, base.dtype);
  if (v.contiguous()) {
    n->buffer = Buffer::wrap(base.data() + bytes_of(v.offset, base.dtype), bytes,
                             [memory = base.buffer] {});
  } else {
    n->buffer = Buffer::allocate(bytes);
    read_elements(*n->buffer, base, v);
  }
  if (tracked) n->take_history(*recorded);
  return n;
}

Tensor external_value(const Tensor& base, const View& v) {
  if (v.detached || !base.requires_grad()) return Tensor(part_of_external(base.node(), v, nullptr));
  const Tensor recorded = read_region(base, v.shape, region(v.shape, v.offset, v.strides));
  return Tensor(part_of_external(base.node(), v, &recorded.node()));
}

bool same_elements(const Node& a, const Node& b) {
  return std::memcmp(a.data(), b.data(), bytes_of(a.shape, a.dtype)) == 0;
}

/// The value of a view's base once the view has been given `value`; null where that can be written
/// to its memory.
Ref<Node> base_written(const View& v, const Ref<Node>& value) {
  const Tensor base = value_of(*v.group);
  const bool follows = !v.detached && grad_enabled() &&
                       ((value->requires_grad && !value->grad_leaf) || !base.is_leaf());
  if (!follows && (v.group->base || base.node().external())) return {};
  NoGrad off(!follows);
  const Tensor from = follows ? base : base.detach();
  const Tensor now = follows ? Tensor(value) : Tensor(value).detach();
  const Tensor whole = shows_all(v, base.shape())
                           ? reshape(now, base.shape())
                           : write_region(from, now, region(v.shape, v.offset, v.strides));
  return whole.impl()->node();
}

}  // namespace

void TensorImpl::derive() {
  const View& v = *view;
  const bool before = grad_enabled();
  set_grad_enabled(!v.detached);
  const Tensor base = value_of(*v.group);
  Tensor value;
  if (base.node().external())
    value = external_value(base, v);
  else if (!shows_all(v, base.shape()))
    value = read_region(base, v.shape, region(v.shape, v.offset, v.strides));
  else if (v.detached)
    value = base.detach();
  if (!value.defined() || value.shape() != v.shape)
    value = reshape(value.defined() ? value : base, v.shape);
  set_grad_enabled(before);
  if (!collects_grad()) {
    node_ = Ref<Node>(&value.node());
    return;
  }
  value.eval();
  Ref<Node> leaf = leaf_over(value.node());
  adopt(*leaf);
  node_ = std::move(leaf);
}

void look_at_memory(TensorImpl& impl) {
  const View& v = *impl.view;
  const Node& memory = *(v.group->base ? v.group->base->node() : v.group->kept);
  if (!memory.external() || v.contiguous()) return;
  std::lock_guard lock(graph_mutex());
  Node& n = *impl.node();
  Ref<Node> now;
  if (!n.evaluated()) {
    now = part_of_external(memory, v, nullptr);
    const bool both = !now->evaluated() && !n.evaluated();
    if (both && same_elements(*now->inputs[0], *n.inputs[0])) return;
  } else if (n.refs() == 1 && n.buffer->refs() == 1) {
    return read_elements(*n.buffer, memory, v);
  } else {
    // Others keep the value as it was when they took it.
    now = make_leaf(v.shape, memory.dtype);
    read_elements(*now->buffer, memory, v);
    if (same_elements(*now, n)) return;
    now->take_history(n);
    now->slot = n.slot;
  }
  impl.move(std::move(now));
}

void TensorImpl::assign_view(Ref<Node> value) {
  const View& v = *view;
  check(!shares_elements(v),
        "unsupported operation: more than one element of the written-to tensor refers to a single "
        "memory location. Please clone() the tensor before performing the operation.");
  check<NotImplementedError>(
      !v.of_detached || !grad_enabled() || !value->requires_grad,
      "a value that requires a gradient cannot be written to a part of a detached tensor: clone() "
      "the tensor first");
  const Ref<ViewGroup> group = v.group;
  const Ref<Node> whole = base_written(v, value);
  if (!whole && group->base) {
    write_memory(*group->base, v, Tensor(value).detach());
  } else if (!whole) {
    write_external(*group->kept, v, Tensor(value).detach());
    group->replace(group->kept);
  } else if (group->base) {
    group->base->assign(whole);
  } else {
    group->replace(whole);
  }
  // What needs a gradient, seen through a view that gives none to its base, starts here.
  if (!v.detached || !value->requires_grad) return;
  const Ref<Node> base = group->base ? group->base->node() : group->kept;
  if (!base->external())
    node_ = std::move(value);
  else if (!value->grad_leaf)
    node_ = part_of_external(*base, v, value.get());
}

/// The view of x that `v` describes, whose offset counts from x's first element.
static Tensor region_of(const Tensor& x, View v) {
  const View* own = x.impl()->is_view() ? x.impl()->view.get() : nullptr;
  if (own && !(own->detached && x.requires_grad())) return ops::as_view({}, x, std::move(v));
  const Tensor out = read_region(x, v.shape, region(v.shape, v.offset, v.strides));
  return ops::as_view(out, x, std::move(v));
}

Tensor as_strided(const Tensor& x, const Shape& shape, const std::vector<int64_t>& strides,
                  std::optional<int64_t> offset) {
  check(static_cast<int>(strides.size()) == shape.rank(),
        "mismatch in length of strides and shape");
  const View* own = x.impl()->is_view() ? x.impl()->view.get() : nullptr;
  const bool followed = own && !(own->detached && x.requires_grad());
  check<NotImplementedError>(followed || is_contiguous(x),
                             "as_strided: the tensor that this is a view of is gone; clone() it");
  const int64_t first = own ? own->offset : 0, from = offset.value_or(first);
  // The memory is that of the base, or x's own.
  const int64_t begin = followed ? 0 : first;
  const int64_t end = followed ? value_of(*own->group).numel() : first + x.numel();
  View v;
  v.offset = from - first;
  v.shape = shape;
  Checked last = from;
  for (int d = 0; d < shape.rank(); ++d) {
    check(strides[d] >= 0, "as_strided: Negative strides are not supported at the moment, got {}",
          strides[d]);
    v.strides[d] = strides[d];
    if (shape[d] > 0) last = last + (Checked(shape[d]) - 1) * strides[d];
  }
  check(from >= begin && (shape.numel() == 0 || last.value() < end),
        "as_strided: elements {} to {} of memory that has {} to {}", from, last.value(), begin,
        end - 1);
  return region_of(x, std::move(v));
}

Tensor unfold(const Tensor& x, int64_t dim, int64_t size, int64_t step) {
  const int d = x.shape().normalize(dim);
  const int64_t length = x.dim() ? x.shape()[d] : 1;
  check(size >= 0, "size is {} but must be >= 0", size);
  check(size <= length, "maximum size for tensor at dimension {} is {} but size is {}", dim, length,
        size);
  check(step > 0, "step is {} but must be > 0", step);
  View v;
  v.strides = ops::memory_strides(x);
  v.shape = x.shape();
  v.shape.push_back(size);
  v.strides[x.dim()] = x.dim() ? v.strides[d] : 1;
  if (x.dim()) {
    v.shape[d] = (length - size) / step + 1;
    v.strides[d] *= step;
  }
  // A tensor that collects gradients of its own apart from its base's is copied.
  const bool apart = x.impl()->is_view() && x.impl()->view->detached && x.requires_grad();
  if (apart && !is_contiguous(x)) return unfold(clone(x), dim, size, step);
  return region_of(x, std::move(v));
}

std::vector<int64_t> strides(const Tensor& x) {
  const Strides s = own_strides(x);
  return {s.begin(), s.begin() + x.dim()};
}

bool is_contiguous(const Tensor& x) { return !x.impl()->view || x.impl()->view->contiguous(); }

Tensor contiguous(const Tensor& x) { return is_contiguous(x) ? x : clone(x); }

Tensor clone(const Tensor& x) {
  look_again(x);
  Node& n = x.node();
  if (n.external()) return Tensor(snapshot(n));
  // Values never change: where no gradient must tell the two apart, they can share one.
  if (!n.requires_grad) return Tensor(x.impl()->node());
  const Shape line{x.numel()}, row{1, x.numel()};
  const Tensor other = reshape(x, x.shape() == line ? row : line);
  return Tensor(reshape(other, x.shape()).impl()->node());
}

namespace {
void write(const Tensor& x, const Tensor& value, bool computed) {
  Tensor v = value;
  if (v.shape() != x.shape()) {
    check(broadcast(x.shape(), v.shape()) == x.shape(),
          "output with shape {} doesn't match the broadcast shape {}", x.shape(),
          broadcast(x.shape(), v.shape()));
    v = expand(v, x.shape());
  }
  v = cast(v, x.dtype());
  if (!grad_enabled() || !(x.requires_grad() || v.requires_grad())) return Tensor(x).copy_(v);
  check(!(x.requires_grad() && x.is_leaf()),
        "a leaf Variable that requires grad is being used in an in-place operation.");
  TensorImpl& impl = *x.impl();
  if (impl.is_view() && !impl.view->detached) {
    check(!value_of(*impl.view->group).node().grad_leaf,
          "a view of a leaf Variable that requires grad is being used in an in-place operation.");
  }
  // Tensors do not share what belongs to one of them: a leaf, or memory that others write to.
  if (v.node().grad_leaf || v.node().external()) v = clone(v);
  // A part of a base is written by an operation that keeps what the base was computed from.
  const bool whole = !impl.is_view() || shows_all(*impl.view, value_of(*impl.view->group).shape());
  if (whole && grad_enabled() && x.requires_grad() && !(computed && v.requires_grad())) {
    static const OverwriteOp op;
    v = record(op, x.shape(), x.dtype(), {v, x});
  }
  impl.assign(Ref<Node>(&v.node()));
}
}  // namespace

void write(const Tensor& x, const Tensor& value) { write(x, value, true); }
void overwrite(const Tensor& x, const Tensor& value) { write(x, value, false); }

namespace ops {

Tensor as_view(Tensor out, const Tensor& x, View v) {
  if (out.is(x)) return out;
  if (out.defined()) v.shape = out.shape();
  const View* own = x.impl()->is_view() ? x.impl()->view.get() : nullptr;
  if (own) {
    v.offset += own->offset;
    v.of_detached = own->detached && !v.detached;
    v.detached |= own->detached;
  }
  v.detached |= x.requires_grad() && !(out.defined() ? out.requires_grad() : grad_enabled());
  // Memory that someone else may change is seen as it is at any time, not as it was recorded.
  const ViewGroup* group = own ? own->group.get() : nullptr;
  const Node& base = !group ? x.node() : group->base ? *group->base->node() : *group->kept;
  if (!out.defined())
    out = Tensor(make_ref<TensorImpl>(Ref<Node>()));
  else if (base.external())
    out = Tensor(part_of_external(base, v, &out.node()));
  out.impl()->become_view(*x.impl(), std::move(v));
  return out;
}

Strides memory_strides(const Tensor& x) {
  return x.impl()->is_view() ? x.impl()->view->strides : ops::strides_of(x.shape());
}

Tensor fresh(const Tensor& out, std::span<const Tensor> of) {
  // Views of one base know one group; its base may be gone.
  const auto memory = [](const Tensor& t) -> const void* {
    if (!t.impl()->is_view()) return t.impl();
    const ViewGroup& g = *t.impl()->view->group;
    return g.base ? static_cast<const void*>(g.base) : &g;
  };
  const bool shared =
      std::ranges::any_of(of, [&](const Tensor& x) { return memory(x) == memory(out); });
  return shared ? clone(out) : out;
}

Tensor reshaped(Tensor out, const Tensor& x) {
  View v;
  if (x.impl()->is_view()) {
    const auto s = strides_under(out.shape(), x.shape(), memory_strides(x));
    if (!s) return out;
    v.strides = *s;
  } else {
    v.strides = ops::strides_of(out.shape());
  }
  return as_view(std::move(out), x, std::move(v));
}

Tensor permuted(Tensor out, const Tensor& x, std::span<const int> dims) {
  View v;
  const Strides from = memory_strides(x);
  for (size_t d = 0; d < dims.size(); ++d) v.strides[d] = from[dims[d]];
  return as_view(std::move(out), x, std::move(v));
}

Tensor sliced(Tensor out, const Tensor& x, int dim, int64_t start, int64_t step) {
  View v;
  v.strides = memory_strides(x);
  v.offset = start * v.strides[dim];
  v.strides[dim] *= step;
  return as_view(std::move(out), x, std::move(v));
}

Tensor expanded(Tensor out, const Tensor& x) {
  View v;
  const Strides from = memory_strides(x);
  const int lead = out.dim() - x.dim();
  for (int d = 0; d < x.dim(); ++d)
    v.strides[lead + d] = x.shape()[d] == out.shape()[lead + d] ? from[d] : 0;
  return as_view(std::move(out), x, std::move(v));
}

Tensor detached(Tensor out, const Tensor& x) {
  View v;
  v.strides = memory_strides(x);
  v.detached = true;
  return as_view(std::move(out), x, std::move(v));
}

Ref<Buffer> lend(const Tensor& x) {
  ViewGroup* const group = x.impl()->is_view() ? x.impl()->view->group.get() : nullptr;
  if (group && !group->base) {
    Node& kept = *group->kept;
    Tensor(group->kept).eval();
    if (kept.external()) return kept.buffer;
    Tensor whole(leaf_over(kept));
    whole.unshare();
    Ref<Node> own = Ref<Node>(&whole.node());
    own->buffer = lent(own->buffer);
    own->take_history(kept);
    own->slot = kept.slot;
    const Ref<Buffer> memory = own->buffer;
    group->replace(std::move(own));
    return memory;
  }
  Tensor base = group ? Tensor(Ref<TensorImpl>(group->base)) : x;
  base.eval();
  if (base.node().external()) return base.node().buffer;
  base.unshare();
  Ref<Buffer>& memory = base.node().buffer;
  memory = lent(memory);
  return memory;
}

void write_memory(const Tensor& x, const Tensor& value) {
  View all;
  all.shape = x.shape();
  all.strides = ops::strides_of(x.shape());
  ballast::write_memory(*x.impl(), all, value);
}

bool viewable(const Tensor& x, const Shape& shape) {
  return x.numel() != shape.numel() || is_contiguous(x) ||
         strides_under(shape, x.shape(), own_strides(x)).has_value();
}

void check_viewable(const Tensor& x, const Shape& shape) {
  check(viewable(x, shape),
        "view size is not compatible with input tensor's size and stride (at least one dimension "
        "spans across two contiguous subspaces). Use .reshape(...) instead.");
}

}  // namespace ops
}  // namespace ballast
