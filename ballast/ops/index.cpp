#include "ballast/ops/index.h"

#include <algorithm>
#include <cstring>

#include "ballast/base/bytes.h"
#include "ballast/ops/compare.h"
#include "ballast/ops/create.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"
#include "ballast/ops/view.h"

namespace ballast {
namespace {

struct DimAttributes {
  int64_t dim;
};

/// Raises `E`, as PyTorch does: IndexError of whole slices, Error of single elements.
template <class E = IndexError>
void check_index(int64_t i, int64_t n) {
  check<E>(i >= 0 && i < n, "index out of range in self: {} for a dimension of size {}", i, n);
}

/// Checks the indices along a dimension of `shape`, where they are there.
template <class E = IndexError>
void check_indices(const CheckCall& c, const Shape& shape) {
  const int64_t n = shape[static_cast<int>(c.attributes.as<DimAttributes>().dim)];
  const auto index = c.known[1].as<int64_t>();
  bool wrong = false;
  for (int64_t i : index) wrong |= static_cast<uint64_t>(i) >= static_cast<uint64_t>(n);
  if (wrong)
    for (int64_t i : index) check_index<E>(i, n);
}

/// A tensor as outer x n x inner around the attribute's dimension.
struct Around {
  Around(const Shape& s, int64_t dim)
      : outer(s.span_numel(0, static_cast<int>(dim))),
        n(s[static_cast<int>(dim)]),
        inner(s.span_numel(static_cast<int>(dim) + 1, s.rank())) {}
  int64_t outer, n, inner;
};

/// Adds slices of the first input into zeros of the output's shape, at the positions of the second.
class IndexAddOp final : public Op {
 public:
  IndexAddOp() : Op("index_add", input_bit(1)) {}
  void check_values(const CheckCall& c) const override { check_indices(c, c.out); }
  void reference(const Call& c) const override {
    dispatch(c.out.dtype, [&](auto zero) {
      using T = decltype(zero);
      const Around to(c.out.shape, c.attributes.as<DimAttributes>().dim);
      const T* g = c.input<T>(0);
      const int64_t* index = c.input<int64_t>(1);
      const int64_t count = c.in[1].shape.numel();
      T* out = c.output<T>();
      std::fill_n(out, c.out.shape.numel(), T{0});
      for (int64_t o = 0; o < to.outer; ++o)
        for (int64_t k = 0; k < count; ++k) {
          check_index(index[k], to.n);
          T* row = out + (o * to.n + index[k]) * to.inner;
          for (int64_t i = 0; i < to.inner; ++i) row[i] = static_cast<T>(row[i] + *g++);
        }
    });
  }
  Gradients gradient(const Backward& b) const override {
    return {index_select(b.grad(), b.attributes<DimAttributes>().dim, b.input(1)), Tensor()};
  }
  uint32_t gradient_reads() const override { return 2; }
};

class IndexSelectOp final : public Op {
 public:
  IndexSelectOp() : Op("index_select", input_bit(1)) {}
  void check_values(const CheckCall& c) const override { check_indices(c, c.shapes[0]); }
  void reference(const Call& c) const override {
    const Around from(c.in[0].shape, c.attributes.as<DimAttributes>().dim);
    const int64_t* index = c.input<int64_t>(1);
    const int64_t count = c.in[1].shape.numel();
    const size_t row = bytes_of(from.inner, c.out.dtype);
    auto* out = static_cast<std::byte*>(c.out.data);
    auto* in = static_cast<const std::byte*>(c.in[0].data);
    for (int64_t k = 0; k < count; ++k) check_index(index[k], from.n);
    for (int64_t o = 0; o < from.outer; ++o)
      for (int64_t k = 0; k < count; ++k, out += row)
        std::memcpy(out, in + (o * from.n + index[k]) * row, row);
  }
  Gradients gradient(const Backward& b) const override {
    const int64_t dim = b.attributes<DimAttributes>().dim;
    return {index_sum(b.grad(), dim, b.input(1), b.input_shape(0)[static_cast<int>(dim)]),
            Tensor()};
  }
  bool takes_stored_types() const override { return true; }
  uint32_t gradient_reads() const override { return 2; }
};

/// Calls `f(offset in the index, offset in the tensor)` for every element of the index.
template <class F>
void for_each_indexed(const Operand& index, const Shape& shape, int64_t dim, F&& f) {
  const auto own = ops::strides_of(shape);
  auto strides = own;
  strides[dim] = 0;
  const auto* at = index.as<const int64_t>();
  int64_t i = 0;
  ops::for_each_offset(index.shape, strides, [&](int64_t offset) {
    check_index<Error>(at[i], shape[static_cast<int>(dim)]);
    f(i, offset + at[i] * own[dim]);
    ++i;
  });
}

class ScatterAddOp final : public Op {
 public:
  ScatterAddOp() : Op("scatter_add", input_bit(1)) {}
  void check_values(const CheckCall& c) const override { check_indices<Error>(c, c.out); }
  void reference(const Call& c) const override {
    dispatch(c.out.dtype, [&](auto zero) {
      using T = decltype(zero);
      const T* src = c.input<T>(2);
      T* out = c.output<T>();
      std::copy_n(c.input<T>(0), c.out.shape.numel(), out);
      for_each_indexed(c.in[1], c.out.shape, c.attributes.as<DimAttributes>().dim,
                       [&](int64_t i, int64_t to) { out[to] = static_cast<T>(out[to] + src[i]); });
    });
  }
  Gradients gradient(const Backward& b) const override {
    Gradients g{b.grad(), Tensor(), Tensor()};
    if (b.needs(2)) g[2] = gather(b.grad(), b.attributes<DimAttributes>().dim, b.input(1));
    return g;
  }
  uint32_t gradient_reads() const override { return 2; }
};

/// The first input with elements of the third put, not added, in their places.
class ScatterOp final : public Op {
 public:
  ScatterOp() : Op("scatter", input_bit(1)) {}
  void check_values(const CheckCall& c) const override { check_indices<Error>(c, c.out); }
  void reference(const Call& c) const override {
    dispatch_size(c.out.dtype, [&](auto zero) {
      using T = decltype(zero);
      const T* src = c.input<T>(2);
      T* out = c.output<T>();
      std::copy_n(c.input<T>(0), c.out.shape.numel(), out);
      for_each_indexed(c.in[1], c.out.shape, c.attributes.as<DimAttributes>().dim,
                       [&](int64_t i, int64_t to) { out[to] = src[i]; });
    });
  }
  Gradients gradient(const Backward& b) const override {
    const int64_t dim = b.attributes<DimAttributes>().dim;
    Gradients g{Tensor(), Tensor(), Tensor()};
    if (b.needs(0))
      g[0] = scatter(b.grad(), dim, b.input(1), zeros(b.input_shape(1), b.grad().dtype()));
    if (b.needs(2)) g[2] = gather(b.grad(), dim, b.input(1));
    return g;
  }
  bool takes_stored_types() const override { return true; }
  uint32_t gradient_reads() const override { return 2; }
};

class GatherOp final : public Op {
 public:
  GatherOp() : Op("gather", input_bit(1)) {}
  void check_values(const CheckCall& c) const override { check_indices<Error>(c, c.shapes[0]); }
  void reference(const Call& c) const override {
    dispatch_size(c.out.dtype, [&](auto zero) {
      using T = decltype(zero);
      const T* in = c.input<T>(0);
      T* out = c.output<T>();
      for_each_indexed(c.in[1], c.in[0].shape, c.attributes.as<DimAttributes>().dim,
                       [&](int64_t i, int64_t from) { out[i] = in[from]; });
    });
  }
  Gradients gradient(const Backward& b) const override {
    const Tensor g = b.grad();
    return {scatter_add(zeros(b.input_shape(0), g.dtype()), b.attributes<DimAttributes>().dim,
                        b.input(1), g),
            Tensor()};
  }
  bool takes_stored_types() const override { return true; }
  uint32_t gradient_reads() const override { return 2; }
};

/// Positions may be int32; kernels read int64.
Tensor positions(const Tensor& index) {
  return index.dtype() == DType::kInt32 ? cast(index, DType::kInt64) : index;
}

/// A tensor without dimensions counts as a vector of one element.
Tensor line(const Tensor& x) { return x.dim() > 0 ? x : reshape(x, Shape{1}); }

/// Checks what gather and scatter_add ask of their index.
int check_gather(const char* who, const Tensor& x, int64_t dim, const Tensor& index) {
  check(index.dtype() == DType::kInt64, "{}(): Expected dtype int32/int64 for index, but got {}",
        who, name_of(index.dtype()));
  check(index.dim() == x.dim(),
        "{}(): Index tensor must have the same number of dimensions as input tensor", who);
  const int at = x.shape().normalize(dim);
  for (int d = 0; d < x.dim(); ++d)
    check(d == at || index.shape()[d] <= x.shape()[d],
          "Size does not match at dimension {} expected index {} to be no larger than self {} "
          "apart from dimension {}",
          d, index.shape(), x.shape(), at);
  return at;
}

/// Records scatter or scatter_add. Of a source larger than the index, the part under it is read.
Tensor scattered(const Op& op, const Tensor& x, int64_t dim, const Tensor& index,
                 const Tensor& src) {
  if (index.dtype() == DType::kInt32) return scattered(op, x, dim, positions(index), src);
  if (index.numel() == 0) {  // of any type and shape, as in PyTorch
    x.shape().normalize(dim);
    return clone(x);
  }
  if (x.dim() == 0 || index.dim() == 0 || src.dim() == 0)
    return reshape(scattered(op, line(x), dim, line(index), line(src)), x.shape());
  const int at = check_gather(op.name(), x, dim, index);
  check(src.dtype() == x.dtype(), "scatter(): Expected self.dtype to be equal to src.dtype");
  check(src.dim() == x.dim(),
        "{}(): Index tensor must have the same number of dimensions as src tensor", op.name());
  Tensor read = src;
  for (int d = 0; d < x.dim(); ++d) {
    check(index.shape()[d] <= src.shape()[d],
          "Expected index {} to be no larger than src {} in all dimensions", index.shape(),
          src.shape());
    if (index.shape()[d] < src.shape()[d]) read = slice(read, d, 0, index.shape()[d]);
  }
  return record(op, x.shape(), x.dtype(), {x, index, read}, DimAttributes{at});
}

}  // namespace

Tensor index_select(const Tensor& x, int64_t dim, const Tensor& index) {
  if (index.dtype() == DType::kInt32) return index_select(x, dim, positions(index));
  check<IndexError>(index.dim() <= 1,
                    "index_select(): Index is supposed to be a vector, but got "
                    "dim: {}",
                    index.dim());
  check(index.dtype() == DType::kInt64,
        "index_select(): Expected dtype int64 for index but got: {}", name_of(index.dtype()));
  if (x.dim() == 0) {
    check<IndexError>(index.numel() == 1,
                      "index_select(): Index to scalar can have only 1 value, got {} value(s)",
                      index.numel());
    return reshape(index_select(reshape(x, Shape{1}), dim, reshape(index, Shape{1})), Shape{});
  }
  static const IndexSelectOp op;
  const int at = x.shape().normalize(dim);
  Shape s = x.shape();
  s[at] = index.numel();
  return record(op, s, x.dtype(), {x, index}, DimAttributes{at});
}

Tensor gather(const Tensor& x, int64_t dim, const Tensor& index) {
  if (index.dtype() == DType::kInt32) return gather(x, dim, positions(index));
  static const GatherOp op;
  if (index.numel() == 0) {  // of any type and shape, as in PyTorch
    x.shape().normalize(dim);
    const Tensor none = slice(reshape(x, Shape{x.numel()}), 0, 0, 0);
    return clone(reshape(none, index.shape()));
  }
  if (x.dim() == 0 || index.dim() == 0)
    return reshape(gather(line(x), dim, line(index)), index.shape());
  const int at = check_gather("gather", x, dim, index);
  return record(op, index.shape(), x.dtype(), {x, index}, DimAttributes{at});
}

Tensor scatter_add(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src) {
  static const ScatterAddOp op;
  return scattered(op, x, dim, index, src);
}

Tensor index_sum(const Tensor& x, int64_t dim, const Tensor& index, int64_t size) {
  if (index.dtype() == DType::kInt32) return index_sum(x, dim, positions(index), size);
  static const IndexAddOp op;
  if (x.dim() == 0) return index_sum(reshape(x, Shape{1}), dim, reshape(index, Shape{1}), size);
  check(index.dtype() == DType::kInt64, "index_add(): Expected dtype int64 for index but got: {}",
        name_of(index.dtype()));
  const int at = x.shape().normalize(dim);
  check<IndexError>(index.dim() <= 1, "index_add(): Index is supposed to be a vector, got {}",
                    index.shape());
  check(
      index.numel() == x.shape()[at],
      "index_add(): Number of indices ({}) should be equal to source.size(dim): ({}), for dim: {}",
      index.numel(), x.shape()[at], at);
  Shape s = x.shape();
  s[at] = size;
  return record(op, s, x.dtype(), {x, index}, DimAttributes{at});
}

Tensor index_add(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source,
                 double alpha) {
  check(source.dtype() == x.dtype(),
        "index_add(): self ({}) and source ({}) must have the same scalar type",
        ops::scalar_type_name(x.dtype()), ops::scalar_type_name(source.dtype()));
  if (x.dim() == 0)
    return reshape(index_add(reshape(x, Shape{1}), dim, index, reshape(source, Shape{1}), alpha),
                   Shape{});
  if (x.dtype() == DType::kBool)  // sums of truths are truths
    return cast(index_add(cast(x, DType::kInt64), dim, index, cast(source, DType::kInt64), alpha),
                DType::kBool);
  const Tensor sums = index_sum(source, dim, index, x.size(dim));
  check(sums.shape() == x.shape(),
        "source tensor shape must match self tensor shape, excluding the specified dimension. Got "
        "self.shape = {} source.shape = {}",
        x.shape(), source.shape());
  return x + (alpha == 1 ? sums : cast(sums * alpha, x.dtype()));
}

Tensor scatter(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src) {
  static const ScatterOp op;
  return scattered(op, x, dim, index, src);
}

Tensor scatter(const Tensor& x, int64_t dim, const Tensor& index, double value) {
  return scatter(x, dim, index, full(index.shape(), value, x.dtype()));
}

Tensor one_hot(const Tensor& labels, int64_t num_classes) {
  check(labels.dtype() == DType::kInt64,
        "one_hot is only applicable to index tensor of type LongTensor, got {}",
        name_of(labels.dtype()));
  check(num_classes >= -1, "num_classes should be positive, or -1 to find it, got {}", num_classes);
  check(labels.numel() > 0 || num_classes > 0,
        "Can not infer total number of classes from empty tensor.");
  int64_t largest = -1;
  for (int64_t label : labels.data<int64_t>()) {
    check(label >= 0, "Class values must be non-negative.");
    largest = std::max(largest, label);
  }
  if (num_classes < 0) num_classes = largest + 1;
  check(num_classes > 0, "num_classes should be positive");
  check(largest < num_classes, "Class values must be smaller than num_classes.");
  return cast(eq(unsqueeze(labels, -1), arange(num_classes)), DType::kInt64);
}

}  // namespace ballast
