#include "ballast/ops/linalg_support.h"

#include <algorithm>

#include "ballast/ops/compare.h"
#include "ballast/ops/create.h"
#include "ballast/ops/linalg.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast::linalg {

void BatchOp::reference(const Call& c) const {
  dispatch_floating(c.out.dtype, name(), [&](auto zero) {
    using T = decltype(zero);
    const Shape& first = c.in[0].shape;
    const int64_t batch = first.span_numel(0, first.rank() - 2);
    if (batch == 0) return;
    const int64_t results = c.out.shape.numel() / batch;
    std::vector<std::vector<double>> values(c.in.size());
    std::vector<Block> blocks;
    for (const Operand& in : c.in) {
      const int rank = in.shape.rank();
      blocks.push_back({nullptr, in.shape[rank - 2], in.shape[rank - 1]});
      values[blocks.size() - 1].resize(blocks.back().m * blocks.back().n);
      blocks.back().data = values[blocks.size() - 1].data();
    }
    std::vector<double> out(results);
    T* to = c.output<T>();
    for (int64_t i = 0; i < batch; ++i, to += results) {
      for (size_t k = 0; k < values.size(); ++k) {
        const auto size = static_cast<int64_t>(values[k].size());
        std::copy_n(c.input<T>(static_cast<int>(k)) + i * size, size, values[k].begin());
      }
      run(blocks, out.data(), c.attributes);
      std::transform(out.begin(), out.end(), to, [](double x) { return static_cast<T>(x); });
    }
  });
}

Shape batch_of(const Tensor& a) { return Shape(a.shape().dims().first(a.dim() - 2)); }

Shape with_batch(const Shape& batch, std::initializer_list<int64_t> sizes) {
  Shape out = batch;
  for (int64_t n : sizes) out.push_back(n);
  return out;
}

Tensor expand_batch(const Tensor& a, const Shape& batch) {
  return expand(a, with_batch(batch, {a.size(-2), a.size(-1)}));
}

namespace {

struct PartAttributes {
  int64_t at, count, total;
};
Tensor put_part(const Tensor& part, const PartAttributes& a);

/// `count` elements from `at` on of every line of the last dimension, under another shape. (A slice
/// would be a view, which results of functions are not.)
class PartOp final : public Op {
 public:
  PartOp() : Op("part") {}
  void reference(const Call& c) const override {
    const auto& a = c.attributes.as<PartAttributes>();
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      for (int64_t i = 0, n = c.in[0].shape.numel() / std::max<int64_t>(a.total, 1); i < n; ++i)
        std::copy_n(c.input<T>(0) + i * a.total + a.at, a.count, c.output<T>() + i * a.count);
    });
  }
  Gradients gradient(const Backward& b) const override {
    const auto& a = b.attributes<PartAttributes>();
    if (a.count == 0) return {zeros(b.input_shape(0), b.grad().dtype())};
    return {reshape(put_part(b.grad(), a), b.input_shape(0))};
  }
  uint32_t gradient_reads() const override { return 0; }
};

/// Its transpose: lines of `total` elements, zero but for the part.
class PutPartOp final : public Op {
 public:
  PutPartOp() : Op("put_part") {}
  void reference(const Call& c) const override {
    const auto& a = c.attributes.as<PartAttributes>();
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      std::fill_n(c.output<T>(), c.out.shape.numel(), T{0});
      for (int64_t i = 0, n = c.out.shape.numel() / std::max<int64_t>(a.total, 1); i < n; ++i)
        std::copy_n(c.input<T>(0) + i * a.count, a.count, c.output<T>() + i * a.total + a.at);
    });
  }
  Gradients gradient(const Backward& b) const override {
    return {take_part(b.grad(), b.attributes<PartAttributes>(), b.input_shape(0))};
  }
  uint32_t gradient_reads() const override { return 0; }

  static Tensor take_part(const Tensor& packed, const PartAttributes& a, const Shape& shape) {
    static const PartOp op;
    return record(op, shape, packed.dtype(), {packed}, a);
  }
};

Tensor put_part(const Tensor& part, const PartAttributes& a) {
  static const PutPartOp op;
  return record(op, Shape{part.numel() / a.count, a.total}, part.dtype(), {part}, a);
}

}  // namespace

Tensor Parts::next(std::initializer_list<int64_t> sizes) {
  int64_t n = 1;
  for (int64_t s : sizes) n *= s;
  const Shape lines(packed_.shape().dims().first(packed_.dim() - 1));
  const Tensor part =
      PutPartOp::take_part(packed_, {at_, n, packed_.shape().back()}, with_batch(lines, sizes));
  at_ += n;
  return part;
}

Tensor mt(const Tensor& a) { return transpose(a, -2, -1); }
Tensor scale_columns(const Tensor& a, const Tensor& v) { return a * unsqueeze(v, -2); }
Tensor identity(int64_t m, int64_t n, DType t) { return eye(m, n, t); }

void check_matrix(const char* who, const Tensor& a) {
  check(a.dim() >= 2, "{}: The input tensor A must have at least 2 dimensions.", who);
  check(is_floating(a.dtype()), "{}: Expected a floating point or complex tensor as input. Got {}",
        who, ops::scalar_type_name(a.dtype()));
}

void check_square(const char* who, const Tensor& a) {
  check_matrix(who, a);
  check(a.size(-1) == a.size(-2),
        "{}: A must be batches of square matrices, but they are {} by {} matrices", who, a.size(-2),
        a.size(-1));
}

void check_info(const char* who, const Tensor& info, const char* what) {
  const auto values = cast(info, DType::kInt64).values<int64_t>();
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] == 0) continue;
    const std::string which = info.dim() > 0 ? fmt::format("(Batch element {}): ", i) : "";
    throw LinAlgError(
        fmt::format("{}: {}{}", who, which, fmt::format(fmt::runtime(what), values[i])));
  }
}

void check_equation(const char* who, const Tensor& a, const Tensor& b, bool left) {
  check_square(who, a);
  check_matrix(who, b);
  check(a.dtype() == b.dtype(), "{}: Expected A and B to have the same dtype, but found {} and {}",
        who, ops::scalar_type_name(a.dtype()), ops::scalar_type_name(b.dtype()));
  check(b.size(left ? -2 : -1) == a.size(-1),
        "{}: Incompatible shapes of A and B for the equation {} ({}x{} and {}x{})", who,
        left ? "AX = B" : "XA = B", a.size(-2), a.size(-1), b.size(-2), b.size(-1));
}

Lu unpack_factors(const Tensor& packed, int64_t m, int64_t n) {
  Parts parts(packed);
  const Tensor lu = parts.next({m, n});
  const Tensor pivots = cast(parts.next({std::min(m, n)}), kWhole);
  return {lu, pivots, cast(parts.next({}), kWhole)};
}

Tensor nothing_of(const Tensor& x, const Shape& shape) {
  return expand(sum(masked_fill(x, ones(Shape{}, DType::kBool), 0)), shape);
}

Tensor ratio_or_zero(const Tensor& numerator, const Tensor& denominator) {
  const Tensor none = eq(numerator, 0);
  return where(none, zeros_like(numerator),
               numerator / where(none, ones_like(numerator), denominator));
}

}  // namespace ballast::linalg
