// Looking at the values of a tensor: it is evaluated, and seen row-major.
#include <cstring>
#include <mutex>

#include "ballast/base/bytes.h"
#include "ballast/graph/eval.h"
#include "ballast/graph/external.h"
#include "ballast/plan/plan.h"
#include "ballast/sweep/convert.h"

namespace ballast {

namespace {

/// Moves an evaluated, row-major value to memory that no other has, unless it lies there or in
/// memory that others are meant to see. Returns the node that was left behind, if one was.
Ref<Node> leave_shared(TensorImpl& tensor) {
  tensor.forget_views();
  Node& n = *tensor.node();
  if (n.buffer->external()) take_back(n);
  if (n.buffer->external() || (n.buffer->refs() == 1 && n.refs() == 1)) return {};
  check<NotImplementedError>(!tensor.is_view(),
                             "the elements of this view belong to another tensor; clone() it");
  Ref<Node> own = make_leaf(n.shape, n.dtype);
  std::memcpy(own->data(), n.data(), bytes_of(n.shape, n.dtype));
  own->take_history(n);
  own->slot = n.slot;
  Ref<Node> left = tensor.node();
  tensor.move(std::move(own));
  return left;
}

}  // namespace

const Tensor& Tensor::eval() const {
  if (defined()) look_again(*this);
  if (!node().evaluated()) ballast::eval(std::span<const Tensor>(this, 1));
  return *this;
}

template <class T>
std::span<const T> Tensor::data() const {
  check<TypeError>(dtype() == dtype_of<T>, "expected a tensor of dtype {}, got {}",
                   name_of(dtype_of<T>), name_of(dtype()));
  eval();
  Node& n = node();
  if (!n.row_major()) {
    std::lock_guard lock(graph_mutex());
    if (n.layout == Layout::kChannelsLast && !plan::layouts_coincide(n.shape)) {
      Ref<Buffer> b = Buffer::allocate(n.buffer->bytes());
      const Operand in{n.data(), n.shape, n.dtype}, out{b->data(), n.shape, n.dtype};
      sweep::convert_layout(in, out, false);
      n.buffer.publish(b);
    }
    n.publish_row_major();
  }
  return {reinterpret_cast<const T*>(n.data()), static_cast<size_t>(n.numel())};
}

template <class T>
std::span<T> Tensor::mutable_data() {
  if (impl_->is_view()) {
    const View& v = *impl_->view;
    const Ref<Node>& kept = v.group->kept;
    const bool external = kept && kept->external();
    check<NotImplementedError>(v.contiguous() && (v.group->base || external),
                               "mutable_data: the elements of this view do not lie one after the "
                               "other; use copy_, or clone it");
    if (!v.group->base)
      return {reinterpret_cast<T*>(kept->data()) + v.offset, static_cast<size_t>(numel())};
    const std::span<T> all = Tensor(Ref<TensorImpl>(v.group->base)).mutable_data<T>();
    return all.subspan(v.offset, numel());
  }
  data<T>();
  if (const Ref<Node> left = leave_shared(*impl_); left && left->grad_leaf)
    left->overwritten = true;
  Node& n = node();
  n.rewritten = n.op != nullptr;
  return {reinterpret_cast<T*>(n.data()), static_cast<size_t>(n.numel())};
}

void Tensor::unshare() {
  dispatch_stored(dtype(), [&](auto zero) { data<decltype(zero)>(); });
  leave_shared(*impl_);
}

template <class T>
T Tensor::item() const {
  check(numel() == 1, "a Tensor with {} elements cannot be converted to Scalar", numel());
  eval();
  return dispatch_stored(dtype(), [&](auto zero) {
    return static_cast<T>(*reinterpret_cast<const decltype(zero)*>(node().data()));
  });
}

#define BALLAST_INSTANTIATE(T)                      \
  template std::span<const T> Tensor::data() const; \
  template std::span<T> Tensor::mutable_data();     \
  template T Tensor::item() const;
BALLAST_FOR_EACH_TYPE(BALLAST_INSTANTIATE)
#undef BALLAST_INSTANTIATE

}  // namespace ballast
