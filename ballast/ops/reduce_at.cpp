#include "ballast/ops/reduce_at.h"

#include <cmath>
#include <limits>

#include "ballast/ops/compare.h"
#include "ballast/ops/create.h"
#include "ballast/ops/index.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"
#include "ballast/ops/view.h"

namespace ballast {
namespace {

struct ReduceAttributes {
  int64_t dim, reduce, include_self;
  ReduceAt kind() const { return static_cast<ReduceAt>(reduce); }
};

template <class T>
T start_of(ReduceAt kind) {
  using Limits = std::numeric_limits<T>;
  if (kind == ReduceAt::kProd) return T{1};
  if (kind == ReduceAt::kAmax) return Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
  if (kind == ReduceAt::kAmin) return Limits::has_infinity ? Limits::infinity() : Limits::max();
  return T{0};
}

template <class T>
T reduced(ReduceAt kind, T a, T b) {
  if constexpr (std::is_same_v<T, bool>) {
    return kind == ReduceAt::kProd || kind == ReduceAt::kAmin ? a && b : a || b;
  } else {
    switch (kind) {
      case ReduceAt::kProd:
        return static_cast<T>(a * b);
      case ReduceAt::kAmax:
        return a != a || a > b ? a : b;
      case ReduceAt::kAmin:
        return a != a || a < b ? a : b;
      default:
        return static_cast<T>(a + b);
    }
  }
}

template <class T>
T mean_of(T sum, int64_t count) {
  if constexpr (std::is_floating_point_v<T>) {
    return sum / static_cast<T>(count);
  } else {
    const int64_t s = sum, q = s / count;
    return static_cast<T>(q - (s % count != 0 && s < 0));
  }
}

void check_index(int64_t i, int dim, int64_t n) {
  check(i >= 0 && i < n, "index {} is out of bounds for dimension {} with size {}", i, dim, n);
}

class ScatterReduceOp final : public Op {
 public:
  ScatterReduceOp() : Op("scatter_reduce", input_bit(1)) {}
  void check_values(const CheckCall& c) const override {
    const int dim = static_cast<int>(c.attributes.as<ReduceAttributes>().dim);
    for (int64_t i : c.known[1].as<int64_t>()) check_index(i, dim, c.out[dim]);
  }

  void reference(const Call& c) const override {
    const auto& o = c.attributes.as<ReduceAttributes>();
    const ReduceAt kind = o.kind();
    const int dim = static_cast<int>(o.dim);
    const Shape& shape = c.out.shape;
    const auto own = ops::strides_of(shape);
    auto others = own;
    others[dim] = 0;
    const int64_t* index = c.input<int64_t>(1);
    std::vector<int64_t> to;
    to.reserve(c.in[1].shape.numel());
    ops::for_each_offset(c.in[1].shape, others, [&](int64_t offset) {
      const int64_t i = *index++;
      check_index(i, dim, shape[dim]);
      to.push_back(offset + i * own[dim]);
    });
    dispatch(c.out.dtype, [&](auto zero) {
      using T = decltype(zero);
      const T* src = c.input<T>(2);
      T* out = c.output<T>();
      std::copy_n(c.input<T>(0), shape.numel(), out);
      if (!o.include_self)
        for (int64_t t : to) out[t] = start_of<T>(kind);
      for (size_t i = 0; i < to.size(); ++i) out[to[i]] = reduced<T>(kind, out[to[i]], src[i]);
      if (kind != ReduceAt::kMean) return;
      std::vector<int64_t> counts(shape.numel(), o.include_self ? 1 : 0);
      for (int64_t t : to) ++counts[t];
      for (int64_t i = 0; i < shape.numel(); ++i)
        if (counts[i] > 1) out[i] = mean_of<T>(out[i], counts[i]);
    });
  }

  Gradients gradient(const Backward& b) const override {
    const auto o = b.attributes<ReduceAttributes>();
    const Tensor index = b.input(1), g = b.grad();
    const auto here = [&](const Tensor& t) { return gather(t, o.dim, index); };
    const auto added = [&](const Tensor& to, const Tensor& what) {
      return scatter_add(to, o.dim, index, what);
    };
    Tensor gx, gs;
    switch (o.kind()) {
      case ReduceAt::kSum:
        gx = g;
        gs = here(g);
        break;
      case ReduceAt::kMean: {
        const Tensor start = o.include_self ? ones_like(g) : zeros_like(g);
        const Tensor n = added(start, ones(b.input_shape(1), g.dtype()));
        gx = g / masked_fill(n, eq(n, 0), 1);
        gs = here(gx);
        break;
      }
      case ReduceAt::kProd: {
        // Of a product with one zero that zero alone has a derivative: it is left out, not divided.
        const Tensor x = b.input(0), src = b.input(2);
        const auto again = [&](const Tensor& from, const Tensor& what) {
          return scatter_reduce(from, o.dim, index, what, ReduceAt::kProd, o.include_self);
        };
        const Tensor x1 = masked_fill(x, eq(x, 0), 1);
        gx = g * again(x1, src) / x1;
        const Tensor zero = eq(src, 0);
        const Tensor zeros_here = here(added(zeros_like(x), cast(zero, x.dtype())));
        const Tensor single = logical_and(zero, eq(zeros_here, 1));
        const Tensor without = here(g * again(x, masked_fill(src, single, 1)));
        gs = where(single, without, here(g * b.output()) / masked_fill(src, zero, 1));
        break;
      }
      default: {
        const Tensor y = b.output();
        const Tensor from_x = cast(eq(b.input(0), y), g.dtype());
        const Tensor from_src = cast(eq(b.input(2), here(y)), g.dtype());
        const Tensor share = g / added(from_x, from_src);
        gx = from_x * share;
        gs = from_src * here(share);
      }
    }
    if (!o.include_self) gx = scatter(gx, o.dim, index, 0.0);
    return {gx, Tensor(), gs};
  }
  uint32_t gradient_reads() const override { return 7 | kReadsOutput; }
};

/// x as a vector of positions that are not negative.
Tensor positions(const char* who, const Tensor& index, int64_t size) {
  check(index.dtype() == DType::kInt64, "{}(): Expected a long tensor for index, but got {}", who,
        ops::scalar_type_name(index.dtype()));
  const Tensor flat = reshape(index, Shape{index.numel()});
  return where(lt(flat, 0), flat + Scalar(size), flat);
}

}  // namespace

ReduceAt reduce_at_named(const char* who, const std::string& name) {
  const char* names[] = {"sum", "prod", "mean", "amax", "amin"};
  for (int i = 0; i < 5; ++i)
    if (name == names[i]) return static_cast<ReduceAt>(i);
  fail("{}: reduce argument must be either sum, prod, mean, amax or amin, got {}", who, name);
}

Tensor scatter_reduce(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src,
                      ReduceAt reduce, bool include_self) {
  static const ScatterReduceOp op;
  if (index.dtype() == DType::kInt32)
    return scatter_reduce(x, dim, cast(index, DType::kInt64), src, reduce, include_self);
  if (index.numel() == 0) {  // of any type and shape, as in PyTorch
    x.shape().normalize(dim);
    return clone(x);
  }
  check(index.dtype() == DType::kInt64,
        "scatter_reduce(): Expected dtype int32/int64 for index, but got {}",
        name_of(index.dtype()));
  check(src.dtype() == x.dtype(), "scatter(): Expected self.dtype to be equal to src.dtype");
  if (x.dim() == 0 || index.dim() == 0 || src.dim() == 0) {
    const auto line = [](const Tensor& t) { return t.dim() > 0 ? t : reshape(t, Shape{1}); };
    return reshape(scatter_reduce(line(x), dim, line(index), line(src), reduce, include_self),
                   x.shape());
  }
  const int at = x.shape().normalize(dim);
  check(index.dim() == x.dim() && src.dim() == x.dim(),
        "Index tensor must have the same number of dimensions as self tensor and src tensor, got "
        "{}, {} and {}",
        index.shape(), x.shape(), src.shape());
  Tensor read = src;
  for (int d = 0; d < x.dim(); ++d) {
    const int64_t n = index.shape()[d];
    check(n <= src.shape()[d] && (d == at || n <= x.shape()[d]),
          "Expected index {} to be no larger than self {} apart from dimension {} and to be no "
          "larger "
          "than src {}",
          index.shape(), x.shape(), at, src.shape());
    if (n < src.shape()[d]) read = slice(read, d, 0, n);
  }
  return record(op, x.shape(), x.dtype(), {x, index, read},
                ReduceAttributes{at, static_cast<int64_t>(reduce), include_self});
}

Tensor index_reduce(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source,
                    ReduceAt reduce, bool include_self) {
  check<IndexError>(index.dim() <= 1, "index_reduce_(): Index is supposed to be a vector, got {}",
                    index.shape());
  check(reduce != ReduceAt::kSum,
        "index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got sum.");
  const int at = x.shape().normalize(dim);
  check(index.numel() == (source.dim() == 0 ? 1 : source.size(at)),
        "index_reduce_(): Number of indices ({}) should be equal to self.size(dim): ({})",
        index.numel(), source.dim() == 0 ? 1 : source.size(at));
  Shape line;
  for (int d = 0; d < source.dim(); ++d) line.push_back(d == at ? index.numel() : 1);
  return scatter_reduce(x, dim, expand(reshape(index, line), source.shape()), source, reduce,
                        include_self);
}

Tensor put(const Tensor& x, const Tensor& index, const Tensor& source, bool accumulate) {
  check(source.numel() == index.numel(),
        "put_(): Expected source and index to have the same number of elements, but got "
        "source.numel() = {}, index.numel() = {}",
        source.numel(), index.numel());
  check(source.dtype() == x.dtype(),
        "put_(): self and source expected to have the same dtype, but "
        "got self.dtype = {} and source.dtype = {}",
        name_of(x.dtype()), name_of(source.dtype()));
  if (index.numel() == 0) return x + zeros_like(x);
  const Tensor flat = reshape(x, Shape{x.numel()}), at = positions("put_", index, x.numel());
  const Tensor values = reshape(source, Shape{source.numel()});
  const Tensor out = accumulate ? scatter_add(flat, 0, at, values) : scatter(flat, 0, at, values);
  return reshape(out, x.shape());
}

}  // namespace ballast
