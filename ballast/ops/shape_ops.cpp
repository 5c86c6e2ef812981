#include "ballast/ops/shape_ops.h"

#include <fmt/ranges.h>

#include <cstring>

#include "ballast/base/bytes.h"
#include "ballast/graph/external.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/repeat.h"
#include "ballast/ops/support.h"
#include "ballast/ops/view.h"

namespace ballast {
namespace {

/// Row-major elements under another shape. Also `detach`: the same shape, unrecorded.
class ReshapeOp final : public Op {
 public:
  ReshapeOp() : Op("reshape") {}
  void reference(const Call& c) const override {
    std::memcpy(c.out.data, c.in[0].data, bytes_of(c.out.shape, c.out.dtype));
  }
  Gradients gradient(const Backward& b) const override {
    return {reshape(b.grad(), b.input_shape(0))};
  }
  Traits traits() const override { return {.kind = Traits::Kind::kView}; }
  bool takes_stored_types() const override { return true; }
  bool shows() const override { return true; }
  uint32_t gradient_reads() const override { return 0; }
};
const ReshapeOp& reshape_op() {
  static const ReshapeOp op;
  return op;
}

class CastOp final : public Op {
 public:
  CastOp() : Op("cast") {}
  bool elementwise() const override { return true; }
  void reference(const Call& c) const override {
    convert_elements(c.in[0].data, c.in[0].dtype, c.out.data, c.out.dtype, c.out.shape.numel());
  }
  bool takes_stored_types() const override { return true; }
  Gradients gradient(const Backward& b) const override {
    return {cast(b.grad(), b.input(0).dtype())};
  }
  uint32_t gradient_reads() const override { return 0; }
};

struct SliceAttributes {
  int64_t dim, start, step;
};

/// Spreads `g` over a tensor of zeros of the sliced shape: the gradient of a slice.
class SliceGradOp final : public Op {
 public:
  SliceGradOp() : Op("slice_grad") {}
  void reference(const Call& c) const override {
    const auto& a = c.attributes.as<SliceAttributes>();
    const Shape &in = c.in[0].shape, &out = c.out.shape;
    const int64_t outer = out.span_numel(0, a.dim);
    const size_t row = bytes_of(out.span_numel(a.dim + 1, out.rank()), c.out.dtype);
    auto* to = static_cast<std::byte*>(c.out.data);
    auto* from = static_cast<const std::byte*>(c.in[0].data);
    std::memset(to, 0, outer * out[a.dim] * row);
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < in[a.dim]; ++i)
        std::memcpy(to + (o * out[a.dim] + a.start + i * a.step) * row,
                    from + (o * in[a.dim] + i) * row, row);
  }
  Gradients gradient(const Backward& b) const override {
    const auto& a = b.attributes<SliceAttributes>();
    const int64_t n = b.input_shape(0)[a.dim];
    return {slice(b.grad(), a.dim, a.start, a.start + n * a.step, a.step)};
  }
  bool takes_stored_types() const override { return true; }
  uint32_t gradient_reads() const override { return 0; }
};

class SliceOp final : public Op {
 public:
  SliceOp() : Op("slice") {}
  void reference(const Call& c) const override {
    const auto& a = c.attributes.as<SliceAttributes>();
    const Shape &in = c.in[0].shape, &out = c.out.shape;
    const int64_t outer = out.span_numel(0, a.dim);
    const size_t row = bytes_of(out.span_numel(a.dim + 1, out.rank()), c.out.dtype);
    auto* to = static_cast<std::byte*>(c.out.data);
    auto* from = static_cast<const std::byte*>(c.in[0].data);
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < out[a.dim]; ++i)
        std::memcpy(to + (o * out[a.dim] + i) * row,
                    from + (o * in[a.dim] + a.start + i * a.step) * row, row);
  }
  Gradients gradient(const Backward& b) const override {
    static const SliceGradOp op;
    return {record(op, b.input_shape(0), b.grad().dtype(), {b.grad()},
                   b.attributes<SliceAttributes>())};
  }
  Traits traits() const override { return {.kind = Traits::Kind::kSlice}; }
  bool takes_stored_types() const override { return true; }
  bool shows() const override { return true; }
  bool follows_layout(const Attributes& a, int rank) const override {
    return rank >= 3 && a.as<SliceAttributes>().dim == 1 && a.as<SliceAttributes>().step == 1;
  }
  uint32_t gradient_reads() const override { return 0; }
};

class ExpandOp final : public Op {
 public:
  /// `pixels`: one value per sample and channel, repeated over the pixels.
  explicit ExpandOp(bool pixels) : Op(pixels ? "expand_pixels" : "expand"), pixels_(pixels) {}
  void reference(const Call& c) const override {
    dispatch_size(c.out.dtype, [&](auto zero) {
      using T = decltype(zero);
      const T* in = c.input<T>(0);
      T* out = c.output<T>();
      ops::for_each_offset(c.out.shape, ops::broadcast_strides(c.in[0].shape, c.out.shape),
                           [&](int64_t offset) { *out++ = in[offset]; });
    });
  }
  Gradients gradient(const Backward& b) const override {
    return {ops::sum_to(b.grad(), b.input_shape(0))};
  }
  bool takes_stored_types() const override { return true; }
  bool shows() const override { return true; }
  Traits traits() const override {
    return pixels_ ? Traits{.kind = Traits::Kind::kRepeat, .channels_last = Traits::kOutput}
                   : Traits{};
  }
  bool repeats_input() const override { return true; }
  bool follows_layout(const Attributes&, int /*rank*/) const override { return false; }
  uint32_t gradient_reads() const override { return 0; }

 private:
  bool pixels_;
};

}  // namespace

const Op& expand_op() {
  static const ExpandOp op(false);
  return op;
}
const Op& expand_pixels_op() {
  static const ExpandOp op(true);
  return op;
}

const Op& ops::expander(const Shape& from, const Shape& to) {
  const bool pixels = to.rank() >= 3 && from[0] == to[0] && from[1] == to[1] &&
                      from.span_numel(2, from.rank()) == 1;
  return pixels ? expand_pixels_op() : expand_op();
}
const Op& ops::reshape_op() { return ballast::reshape_op(); }

Tensor reshape(const Tensor& x, const Shape& shape) {
  check(shape.numel() == x.numel(), "shape '{}' is invalid for input of size {}", shape, x.numel());
  if (shape == x.shape()) return x;
  if (!ops::viewable(x, shape)) look_again(x);  // a copy holds what is there now
  return ops::reshaped(record(reshape_op(), shape, x.dtype(), {x}), x);
}

Tensor reshape(const Tensor& x, const std::vector<int64_t>& shape) {
  Shape s;
  int unknown = -1;
  for (size_t i = 0; i < shape.size(); ++i) {
    check(shape[i] >= -1, "invalid shape dimension {}", shape[i]);
    if (shape[i] == -1) {
      check(unknown < 0, "only one dimension can be inferred");
      unknown = static_cast<int>(i);
      s.push_back(1);
    } else {
      s.push_back(shape[i]);
    }
  }
  if (unknown >= 0) {
    const int64_t known = s.numel();
    check(known > 0 && x.numel() % known == 0, "shape '[{}]' is invalid for input of size {}",
          fmt::join(shape, ", "), x.numel());
    s[unknown] = x.numel() / known;
  }
  return reshape(x, s);
}

Tensor flatten(const Tensor& x, int64_t start, int64_t end) {
  const int from = x.shape().normalize(start), to = x.shape().normalize(end);
  check(from <= to, "flatten() has invalid args: start_dim cannot come after end_dim");
  if (x.dim() == 0) return reshape(x, Shape{1});
  Shape s;
  for (int i = 0; i < from; ++i) s.push_back(x.shape()[i]);
  s.push_back(x.shape().span_numel(from, to + 1));
  for (int i = to + 1; i < x.dim(); ++i) s.push_back(x.shape()[i]);
  return reshape(x, s);
}

Tensor slice(const Tensor& x, int64_t dim, int64_t start, int64_t end, int64_t step) {
  check(x.dim() > 0, "slice() cannot be applied to a 0-dim tensor.");
  check<ValueError>(step > 0, "slice step must be positive, got {}", step);
  const int d = x.shape().normalize(dim);
  const int64_t n = x.shape()[d];
  start = std::clamp(start < 0 ? start + n : start, int64_t{0}, n);
  end = std::clamp(end < 0 ? end + n : end, start, n);
  if (start == 0 && end == n && step == 1) return x;
  Shape s = x.shape();
  step = std::min(step, std::max<int64_t>(n, 1));  // a longer one leads no further
  s[d] = (end - start) / step + ((end - start) % step != 0);
  static const SliceOp op;
  return ops::sliced(record(op, s, x.dtype(), {x}, SliceAttributes{d, start, step}), x, d, start,
                     step);
}

Tensor expand(const Tensor& x, const Shape& shape) {
  check(broadcast(x.shape(), shape) == shape,
        "The expanded size {} cannot be made from a tensor of shape {}", shape, x.shape());
  if (shape == x.shape()) return x;
  const Op& op = shape.rank() == x.dim() ? ops::expander(x.shape(), shape) : expand_op();
  return ops::expanded(record(op, shape, x.dtype(), {x}), x);
}

Tensor cast(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  static const CastOp op;
  return record(op, x.shape(), dtype, {x});
}

Tensor Tensor::reshape(const std::vector<int64_t>& shape) const {
  return ballast::reshape(*this, shape);
}
Tensor Tensor::flatten(int64_t start, int64_t end) const {
  return ballast::flatten(*this, start, end);
}
Tensor Tensor::to(DType dtype) const { return cast(*this, dtype); }

Tensor Tensor::detach() const {
  NoGrad off;
  const Tensor value = node().evaluated() ? Tensor(leaf_over(node()))
                                          : record(reshape_op(), shape(), dtype(), {*this});
  return ops::detached(value, *this);
}

void Tensor::copy_(const Tensor& source) {
  NoGrad off;
  Tensor value = expand(cast(source, dtype()), shape()).detach();
  if (value.node().external()) value = clone(value);
  const Node& now = node();
  if (now.external()) return ops::write_memory(*this, value);
  Ref<Node> n = value.impl()->node();
  if (now.grad_leaf) {
    impl_->adopt(*n);
  } else if (now.requires_grad && !impl_->is_view()) {
    // It keeps its place in the graph, as in PyTorch, with other elements.
    n = leaf_over(value.eval().node());
    n->take_history(now);
    n->rewritten = true;
  }
  impl_->assign(n);
}

}  // namespace ballast
