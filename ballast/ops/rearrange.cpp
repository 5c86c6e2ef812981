#include "ballast/ops/rearrange.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "ballast/base/bytes.h"
#include "ballast/ops/compare.h"
#include "ballast/ops/create.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"
#include "ballast/ops/view.h"

namespace ballast {
namespace {

/// Copies `n` elements of `size` bytes that lie `stride` elements apart.
void copy_strided(std::byte* to, const std::byte* from, int64_t n, int64_t stride, size_t size) {
  auto run = [&](auto unit) {
    using T = decltype(unit);
    auto* out = reinterpret_cast<T*>(to);
    auto* in = reinterpret_cast<const T*>(from);
    for (int64_t i = 0; i < n; ++i) out[i] = in[i * stride];
  };
  if (stride == 1)
    std::memcpy(to, from, n * size);
  else if (size == 8)
    run(uint64_t{});
  else if (size == 4)
    run(uint32_t{});
  else if (size == 2)
    run(uint16_t{});
  else
    run(uint8_t{});
}

/// Where each dimension of the result comes from: four bits each.
struct PermuteAttributes {
  uint64_t from;
  int operator[](int d) const { return static_cast<int>(from >> 4 * d & 15); }
};

class PermuteOp final : public Op {
 public:
  PermuteOp() : Op("permute") {}
  void reference(const Call& c) const override {
    const auto& a = c.attributes.as<PermuteAttributes>();
    const auto own = ops::strides_of(c.in[0].shape);
    const Shape& out = c.out.shape;
    if (out.numel() == 0) return;
    // Lines along the last dimensions that stay together are copied whole.
    int last = out.rank() - 1;
    int64_t line = out[last];
    const int64_t stride = own[a[last]];
    for (; last > 0 && own[a[last - 1]] == own[a[last]] * out[last]; --last) line *= out[last - 1];
    Shape outer;
    std::array<int64_t, Shape::kMaxRank> strides{};
    for (int d = 0; d < last; ++d) {
      outer.push_back(out[d]);
      strides[d] = own[a[d]];
    }
    const size_t size = size_of(c.out.dtype);
    auto* to = static_cast<std::byte*>(c.out.data);
    auto* from = static_cast<const std::byte*>(c.in[0].data);
    ops::for_each_offset(outer, strides, [&](int64_t offset) {
      copy_strided(to, from + offset * size, line, stride, size);
      to += line * size;
    });
  }
  Gradients gradient(const Backward& b) const override {
    const auto& a = b.attributes<PermuteAttributes>();
    std::vector<int64_t> back(b.grad().dim());
    for (size_t d = 0; d < back.size(); ++d) back[a[static_cast<int>(d)]] = static_cast<int64_t>(d);
    return {permute(b.grad(), back)};
  }
  bool takes_stored_types() const override { return true; }
  bool shows() const override { return true; }
  uint32_t gradient_reads() const override { return 0; }
};

struct DimAttributes {
  int64_t dim;
};

class CatOp final : public Op {
 public:
  CatOp() : Op("cat") {}
  void reference(const Call& c) const override {
    const int dim = static_cast<int>(c.attributes.as<DimAttributes>().dim);
    const Shape& out = c.out.shape;
    const int64_t outer = out.span_numel(0, dim);
    const size_t row = bytes_of(out.span_numel(dim, out.rank()), c.out.dtype);
    auto* to = static_cast<std::byte*>(c.out.data);
    for (const Operand& in : c.in) {
      const size_t part = bytes_of(in.shape.span_numel(dim, out.rank()), c.out.dtype);
      auto* from = static_cast<const std::byte*>(in.data);
      if (part > 0)
        for (int64_t o = 0; o < outer; ++o) std::memcpy(to + o * row, from + o * part, part);
      to += part;
    }
  }
  Gradients gradient(const Backward& b) const override {
    const int64_t dim = b.attributes<DimAttributes>().dim;
    Gradients g;
    int64_t start = 0;
    for (int i = 0; start < b.grad().size(dim) || i == 0; ++i) {
      const int64_t n = b.input_shape(i)[static_cast<int>(dim)];
      g.push_back(b.needs(i) ? slice(b.grad(), dim, start, start + n) : Tensor());
      start += n;
    }
    return g;
  }
  Traits traits() const override { return {.kind = Traits::Kind::kConcatenate}; }
  bool follows_layout(const Attributes& a, int rank) const override {
    return rank >= 3 && a.as<DimAttributes>().dim == 1;
  }
  bool takes_stored_types() const override { return true; }
  uint32_t gradient_reads() const override { return 0; }
};

struct FlipAttributes {
  uint64_t mask;  // bit d: dimension d is reversed
};

class FlipOp final : public Op {
 public:
  FlipOp() : Op("flip") {}
  void reference(const Call& c) const override {
    const uint64_t mask = c.attributes.as<FlipAttributes>().mask;
    const Shape& shape = c.out.shape;
    auto strides = ops::strides_of(shape);
    int64_t start = 0;
    for (int d = 0; d < shape.rank(); ++d) {
      if (!(mask >> d & 1)) continue;
      start += (shape[d] - 1) * strides[d];
      strides[d] = -strides[d];
    }
    dispatch_size(c.out.dtype, [&](auto zero) {
      using T = decltype(zero);
      const T* in = c.input<T>(0);
      T* out = c.output<T>();
      ops::for_each_offset(shape, strides, [&](int64_t offset) { *out++ = in[start + offset]; });
    });
  }
  Gradients gradient(const Backward& b) const override {
    static const FlipOp op;
    return {
        record(op, b.grad().shape(), b.grad().dtype(), {b.grad()}, b.attributes<FlipAttributes>())};
  }
  bool takes_stored_types() const override { return true; }
  uint32_t gradient_reads() const override { return 0; }
};

/// Whether each element of an r x c matrix lies `diagonal` or more to the right of the main
/// diagonal.
Tensor on_or_above(const Shape& shape, int64_t diagonal) {
  const int64_t rows = shape[shape.rank() - 2], columns = shape.back();
  diagonal = std::clamp(diagonal, -rows, columns);  // beyond, nothing changes
  return ge(arange(0, columns), reshape(arange(diagonal, rows + diagonal), Shape{rows, 1}));
}

}  // namespace

Tensor permute(const Tensor& x, const std::vector<int64_t>& dims) {
  check(static_cast<int>(dims.size()) == x.dim(),
        "permute(sparse_coo): number of dimensions in the tensor input does not match the length "
        "of the desired ordering of dimensions i.e. input.dim() = {} is not equal to len(dims) = "
        "{}",
        x.dim(), dims.size());
  PermuteAttributes a{0};
  uint64_t seen = 0;
  Shape shape;
  int64_t previous = -1;
  bool in_order = true;
  for (size_t i = 0; i < dims.size(); ++i) {
    const int d = x.shape().normalize(dims[i]);
    check(!(seen >> d & 1), "permute(): duplicate dims are not allowed.");
    seen |= uint64_t{1} << d;
    a.from |= static_cast<uint64_t>(d) << 4 * i;
    shape.push_back(x.shape()[d]);
    if (x.shape()[d] == 1) continue;
    in_order &= d > previous;
    previous = d;
  }
  if (in_order) return reshape(x, shape);
  static const PermuteOp op;
  std::vector<int> order;
  for (int64_t d : dims) order.push_back(x.shape().normalize(d));
  return ops::permuted(record(op, shape, x.dtype(), {x}, a), x, order);
}

Tensor transpose(const Tensor& x, int64_t dim0, int64_t dim1) {
  const int a = x.shape().normalize(dim0), b = x.shape().normalize(dim1);
  if (a == b) return x;
  std::vector<int64_t> dims(x.dim());
  std::iota(dims.begin(), dims.end(), 0);
  std::swap(dims[a], dims[b]);
  return permute(x, dims);
}

Tensor t(const Tensor& x) {
  check(x.dim() <= 2, "t() expects a tensor with <= 2 dimensions, but self is {}D", x.dim());
  return x.dim() < 2 ? x : transpose(x, 0, 1);
}

Tensor movedim(const Tensor& x, int64_t source, int64_t destination) {
  const int from = x.shape().normalize(source), to = x.shape().normalize(destination);
  if (x.dim() == 0) return x;
  std::vector<int64_t> dims(x.dim());
  std::iota(dims.begin(), dims.end(), 0);
  dims.erase(dims.begin() + from);
  dims.insert(dims.begin() + to, from);
  return permute(x, dims);
}

Tensor squeeze(const Tensor& x) {
  Shape s;
  for (int64_t n : x.shape())
    if (n != 1) s.push_back(n);
  return reshape(x, s);
}

Tensor squeeze(const Tensor& x, int64_t dim) {
  const int at = x.shape().normalize(dim);
  if (x.dim() == 0 || x.shape()[at] != 1) return x;
  Shape s;
  for (int d = 0; d < x.dim(); ++d)
    if (d != at) s.push_back(x.shape()[d]);
  return reshape(x, s);
}

Tensor unsqueeze(const Tensor& x, int64_t dim) {
  const int at = x.shape().normalize(dim, true);
  Shape s;
  for (int d = 0; d <= x.dim(); ++d) {
    if (d == at) s.push_back(1);
    if (d < x.dim()) s.push_back(x.shape()[d]);
  }
  return reshape(x, s);
}

Tensor cat(std::span<const Tensor> tensors, int64_t dim) {
  check<ValueError>(!tensors.empty(), "torch.cat(): expected a non-empty list of Tensors");
  std::vector<Tensor> parts;
  DType type = DType::kBool;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& x = tensors[i];
    check(x.dim() > 0, "zero-dimensional tensor (at position {}) cannot be concatenated", i);
    type = i == 0 ? x.dtype() : promote(type, x.dtype());
    if (x.shape() == Shape{0}) continue;
    if (!parts.empty()) {
      const Shape& first = parts[0].shape();
      check(x.dim() == first.rank(), "Tensors must have same number of dimensions: got {} and {}",
            first.rank(), x.dim());
      const int at = first.normalize(dim);
      for (int d = 0; d < x.dim(); ++d)
        check(d == at || x.shape()[d] == first[d],
              "Sizes of tensors must match except in dimension {}. Expected size {} but got size "
              "{} for tensor number {} in the list.",
              at, first[d], x.shape()[d], i);
    }
    parts.push_back(x);
  }
  if (parts.empty()) return ops::fresh(tensors[0].to(type), tensors);
  Shape shape = parts[0].shape();
  const int at = shape.normalize(dim);
  shape[at] = 0;
  for (Tensor& x : parts) {
    shape[at] = (Checked(shape[at]) + x.shape()[at]).value();
    x = x.to(type);
  }
  if (parts.size() == 1) return ops::fresh(parts[0], tensors);
  static const CatOp op;
  return record(op, shape, type, std::span<const Tensor>(parts), Attributes(DimAttributes{at}));
}
Tensor cat(std::initializer_list<Tensor> tensors, int64_t dim) {
  return cat(std::span(tensors.begin(), tensors.size()), dim);
}

Tensor stack(std::span<const Tensor> tensors, int64_t dim) {
  check(!tensors.empty(), "stack expects a non-empty TensorList");
  std::vector<Tensor> rows;
  for (const Tensor& x : tensors) {
    check(x.shape() == tensors[0].shape(),
          "stack expects each tensor to be equal size, but got {} at entry 0 and {} at entry {}",
          tensors[0].shape(), x.shape(), rows.size());
    rows.push_back(unsqueeze(x, dim));
  }
  return cat(rows, tensors[0].shape().normalize(dim, true));
}
Tensor stack(std::initializer_list<Tensor> tensors, int64_t dim) {
  return stack(std::span(tensors.begin(), tensors.size()), dim);
}

std::vector<Tensor> split(const Tensor& x, int64_t size, int64_t dim) {
  check(x.dim() > 0, "split expects at least a 1-dimensional tensor");
  const int64_t n = x.size(dim);
  check(size >= 0, "split expects split_size be non-negative, but got split_size={}", size);
  check(size > 0 || n == 0,
        "split_size can only be 0 if dimension size is 0, but got dimension size of {}", n);
  std::vector<Tensor> out;
  size = std::min(size, std::max<int64_t>(n, 1));
  for (int64_t at = 0; at < n; at += size) out.push_back(slice(x, dim, at, std::min(n, at + size)));
  if (out.empty()) out.push_back(x);
  return out;
}

std::vector<Tensor> split(const Tensor& x, const std::vector<int64_t>& sizes, int64_t dim) {
  check(x.dim() > 0, "split expects at least a 1-dimensional tensor");
  const int64_t n = x.size(dim);
  std::vector<Tensor> out;
  Checked at = 0;
  for (int64_t size : sizes) {
    check(size >= 0,
          "split_with_sizes expects split_sizes have only non-negative entries, but got "
          "split_sizes=[{}]",
          fmt::join(sizes, ", "));
    const int64_t from = at.value();
    at = at + size;
    out.push_back(slice(x, dim, from, at.value()));
  }
  check(at.value() == n,
        "split_with_sizes expects split_sizes to sum exactly to {} (input tensor's size at "
        "dimension {}), but got split_sizes=[{}]",
        n, dim, fmt::join(sizes, ", "));
  return out;
}

std::vector<Tensor> chunk(const Tensor& x, int64_t chunks, int64_t dim) {
  check(x.dim() > 0, "chunk expects at least a 1-dimensional tensor");
  check(chunks > 0, "chunk expects `chunks` to be greater than 0, got: {}", chunks);
  return split(x, std::max<int64_t>(x.size(dim) / chunks + (x.size(dim) % chunks != 0), 1), dim);
}

Tensor select(const Tensor& x, int64_t dim, int64_t index) {
  check<IndexError>(x.dim() > 0, "select() cannot be applied to a 0-dim tensor.");
  const int at = x.shape().normalize(dim);
  const int64_t n = x.shape()[at];
  check<IndexError>(index >= -n && index < n,
                    "select(): index {} out of range for tensor of size {} at dimension {}", index,
                    x.shape(), at);
  const int64_t i = index < 0 ? index + n : index;
  return squeeze(slice(x, at, i, i + 1), at);
}

Tensor narrow(const Tensor& x, int64_t dim, int64_t start, int64_t length) {
  check(x.dim() > 0, "narrow() cannot be applied to a 0-dim tensor.");
  check(length >= 0, "narrow(): length must be non-negative.");
  const int64_t n = x.size(dim);
  check<IndexError>(start >= -n && start <= n,
                    "start out of range (expected to be in range of [{}, {}], but got {})", -n, n,
                    start);
  const int64_t from = start < 0 ? start + n : start;
  check(length <= n - from, "start ({}) + length ({}) exceeds dimension size ({}).", from, length,
        n);
  return slice(x, dim, from, from + length);
}

Tensor flip(const Tensor& x, const std::vector<int64_t>& dims) {
  FlipAttributes a{0};
  for (int64_t d : dims) {
    const uint64_t bit = uint64_t{1} << x.shape().normalize(d);
    check(!(a.mask & bit), "dim {} appears multiple times in the list of dims", d);
    a.mask |= bit;
  }
  if (x.dim() == 0 || a.mask == 0) return clone(x);
  static const FlipOp op;
  return record(op, x.shape(), x.dtype(), {x}, a);
}

Tensor repeat(const Tensor& x, const std::vector<int64_t>& repeats) {
  check(static_cast<int>(repeats.size()) >= x.dim(),
        "Number of dimensions of repeat dims can not be smaller than number of dimensions of "
        "tensor");
  const int lead = static_cast<int>(repeats.size()) - x.dim();
  Shape split_up, spread, joined;
  for (size_t i = 0; i < repeats.size(); ++i) {
    const int64_t n = static_cast<int>(i) < lead ? 1 : x.shape()[static_cast<int>(i) - lead];
    const int64_t size = (Checked(repeats[i]) * n).value();
    check(repeats[i] >= 0, "Trying to create tensor with negative dimension {}", size);
    joined.push_back(size);
    if (repeats[i] != 1) {
      split_up.push_back(1);
      spread.push_back(repeats[i]);
    }
    split_up.push_back(n);
    spread.push_back(n);
  }
  return ops::fresh(reshape(expand(reshape(x, split_up), spread), joined), {&x, 1});
}

Tensor tril(const Tensor& x, int64_t diagonal) {
  check(x.dim() >= 2, "tril: input tensor must have at least 2 dimensions");
  return where(on_or_above(x.shape(), std::min(diagonal, x.shape().back()) + 1),
               cast(Scalar(0).beside(x), x.dtype()), x);
}

Tensor triu(const Tensor& x, int64_t diagonal) {
  check(x.dim() >= 2, "triu: input tensor must have at least 2 dimensions");
  return where(on_or_above(x.shape(), diagonal), x, cast(Scalar(0).beside(x), x.dtype()));
}

Tensor Tensor::permute(const std::vector<int64_t>& dims) const {
  return ballast::permute(*this, dims);
}
Tensor Tensor::transpose(int64_t dim0, int64_t dim1) const {
  return ballast::transpose(*this, dim0, dim1);
}
Tensor Tensor::t() const { return ballast::t(*this); }
Tensor Tensor::squeeze() const { return ballast::squeeze(*this); }
Tensor Tensor::squeeze(int64_t dim) const { return ballast::squeeze(*this, dim); }
Tensor Tensor::unsqueeze(int64_t dim) const { return ballast::unsqueeze(*this, dim); }

}  // namespace ballast
