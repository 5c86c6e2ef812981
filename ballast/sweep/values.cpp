// Looking at the values of a tensor: it is evaluated, and seen row-major.
#include <cstring>
#include <mutex>

#include "ballast/graph/eval.h"
#include "ballast/plan/plan.h"
#include "ballast/sweep/convert.h"

namespace ballast {

const Tensor& Tensor::eval() const {
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
    check<NotImplementedError>(v.contiguous() && v.group->base,
                               "mutable_data: the elements of this view do not lie one after the "
                               "other; use copy_, or clone it");
    const std::span<T> all = Tensor(Ref<TensorImpl>(v.group->base)).mutable_data<T>();
    return all.subspan(v.offset, numel());
  }
  data<T>();
  impl_->forget_views();
  Node& n = node();
  if (n.buffer->refs() > 1 || n.buffer->external() || n.refs() > 1) {
    Ref<Node> own = make_leaf(n.shape, n.dtype);
    std::memcpy(own->data(), n.data(), n.numel() * sizeof(T));
    own->requires_grad = n.requires_grad;
    own->grad_leaf = n.grad_leaf;
    own->slot = n.slot;
    // It keeps its history, and with it its place in the graph.
    own->op = n.op;
    own->inputs = n.inputs;
    own->attributes = n.attributes;
    own->released = n.released;
    impl_->assign(std::move(own));
  }
  return {reinterpret_cast<T*>(node().data()), static_cast<size_t>(node().numel())};
}

template <class T>
T Tensor::item() const {
  check(numel() == 1, "a Tensor with {} elements cannot be converted to Scalar", numel());
  eval();
  return dispatch(dtype(), [&](auto zero) {
    return static_cast<T>(*reinterpret_cast<const decltype(zero)*>(node().data()));
  });
}

#define BALLAST_INSTANTIATE(T)                      \
  template std::span<const T> Tensor::data() const; \
  template std::span<T> Tensor::mutable_data();     \
  template T Tensor::item() const;
BALLAST_INSTANTIATE(bool)
BALLAST_INSTANTIATE(uint8_t)
BALLAST_INSTANTIATE(int64_t)
BALLAST_INSTANTIATE(float)
BALLAST_INSTANTIATE(double)
#undef BALLAST_INSTANTIATE

}  // namespace ballast
