#include "ballast/ops/linear_algebra.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ballast/ops/compare.h"
#include "ballast/ops/create.h"
#include "ballast/ops/index.h"
#include "ballast/ops/loss_margin.h"
#include "ballast/ops/matmul.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"
#include "ballast/ops/view.h"

namespace ballast {
namespace {

/// Checks that tensors have one type, where PyTorch does not promote.
void check_types(const char* who, std::initializer_list<const Tensor*> tensors) {
  const DType first = (*tensors.begin())->dtype();
  for (const Tensor* t : tensors)
    if (t->defined())
      check(t->dtype() == first, "{}: expected tensors of the same dtype, got {} and {}", who,
            name_of(first), name_of(t->dtype()));
}

/// A number times x in x's type; x itself for 1. Whole numbers are multiplied by whole ones.
Tensor times(const Tensor& x, double factor) {
  if (factor == 1) return x;
  const Scalar by = is_floating(x.dtype()) ? Scalar(factor) : Scalar(static_cast<int64_t>(factor));
  return cast(x * by, x.dtype());
}

/// beta*c + alpha*product, c broadcast. Where beta is 0, no NaN of c comes through.
Tensor scaled_sum(const Tensor& c, double beta, const Tensor& product, double alpha) {
  const Tensor scaled = times(product, alpha);
  const Tensor bias = expand(c, product.shape());
  const bool none = is_floating(product.dtype()) ? beta == 0 : std::trunc(beta) == 0;
  return none ? scaled : times(bias, beta) + scaled;
}

/// The same in float32 for half types, which then round once.
template <class Product>
Tensor add_product(const char* who, const Tensor& c, double beta, const Tensor& a, const Tensor& b,
                   double alpha, const Product& product) {
  check_types(who, {&c, &a, &b});
  const DType t = c.dtype();
  if (!is_half(t)) return scaled_sum(c, beta, product(a, b), alpha);
  const Tensor whole = product(ops::widened(a), ops::widened(b));
  return cast(scaled_sum(ops::widened(c), beta, whole, alpha), t);
}

bool whole_factor(const char* name, const Scalar& factor, DType t) {
  check(is_floating(t) || factor.integral(),
        "For integral input tensors, argument {} must not be a floating point number.", name);
  check(t == DType::kBool || !factor.boolean(), "Boolean {} only supported for Boolean results.",
        name);
  return factor.value() != 0;
}

void check_vectors(const char* who, const Tensor& a, const Tensor& b) {
  check(a.dim() == 1 && b.dim() == 1,
        "{}: Expected 1-D argument self and vec2, but got {}-D and {}-D", who, a.dim(), b.dim());
}

}  // namespace

Tensor addmm(const Tensor& c, const Tensor& a, const Tensor& b, double beta, double alpha) {
  return add_product("addmm", c, beta, a, b, alpha,
                     [](const Tensor& x, const Tensor& y) { return mm(x, y); });
}

Tensor baddbmm(const Tensor& c, const Tensor& a, const Tensor& b, double beta, double alpha) {
  return add_product("baddbmm", c, beta, a, b, alpha,
                     [](const Tensor& x, const Tensor& y) { return bmm(x, y); });
}

Tensor addbmm(const Tensor& c, const Tensor& a, const Tensor& b, double beta, double alpha) {
  for (const Tensor* batch : {&a, &b})
    check<IndexError>(batch->dim() >= 3, "addbmm: expected 3-D batches of matrices, got {}-D",
                      batch->dim());
  return add_product("addbmm", c, beta, a, b, alpha, [](const Tensor& x, const Tensor& y) {
    return cast(sum(bmm(x, y), {0}), x.dtype());
  });
}

Tensor addmv(const Tensor& c, const Tensor& a, const Tensor& b, double beta, double alpha) {
  return add_product("addmv", c, beta, a, b, alpha, mv);
}

Tensor addr(const Tensor& c, const Tensor& a, const Tensor& b, Scalar beta, Scalar alpha) {
  check_vectors("addr", a, b);
  const Tensor product = outer(a, b);
  const DType t = ops::result_type(c, product);
  const bool some = whole_factor("beta", beta, t), any = whole_factor("alpha", alpha, t);
  if (t != DType::kBool)
    return scaled_sum(cast(c, t), beta.value(), cast(product, t), alpha.value());
  const Tensor none = zeros(product.shape(), t);
  return logical_or(some ? expand(c, product.shape()) : none, any ? product : none);
}

Tensor mv(const Tensor& a, const Tensor& b) {
  check(a.dim() == 2 && b.dim() == 1, "vector + matrix @ vector expected, got {}, {}, {}", 1,
        a.dim(), b.dim());
  return matmul(a, b);
}

Tensor dot(const Tensor& a, const Tensor& b) {
  check_types("dot", {&a, &b});
  check(a.dim() == 1 && b.dim() == 1, "1D tensors expected, but got {}D and {}D tensors", a.dim(),
        b.dim());
  check(a.numel() == b.numel(),
        "inconsistent tensor size, expected tensor [{}] and src [{}] to have the same number of "
        "elements, but got {} and {} elements respectively",
        a.numel(), b.numel(), a.numel(), b.numel());
  return sum(a * b);
}

Tensor outer(const Tensor& a, const Tensor& b) {
  check_vectors("outer", a, b);
  return unsqueeze(a, 1) * b;
}

Tensor bilinear(const Tensor& a, const Tensor& b, const Tensor& weight, const Tensor& bias) {
  if (is_half(a.dtype()))
    return cast(
        bilinear(ops::widened(a), ops::widened(b), ops::widened(weight), ops::widened(bias)),
        a.dtype());
  check(
      weight.dim() == 3 && a.dim() > 0 && b.dim() > 0,
      "bilinear(): expected inputs (..., I) and (..., J) and a weight (O, I, J), got {}, {} and {}",
      a.shape(), b.shape(), weight.shape());
  check_types("bilinear", {&a, &b, &weight, &bias});
  check<IndexError>(!bias.defined() || bias.dim() > 0,
                    "bilinear(): expected a bias (O), got a tensor without dimensions");
  const int64_t outputs = weight.size(0), m = weight.size(1), n = weight.size(2);
  check(a.shape().back() == m && b.shape().back() == n,
        "bilinear(): input sizes do not match weight: got {} and {}, weight has {} and {}",
        a.shape().back(), b.shape().back(), m, n);
  Shape out = a.shape(), other = b.shape();
  out[out.rank() - 1] = other[other.rank() - 1] = outputs;
  check(out == other, "bilinear(): input batch dimensions do not match: got {} and {}", a.shape(),
        b.shape());
  const int64_t rows = out.span_numel(0, out.rank() - 1);
  const Tensor mixed =
      mm(reshape(a, Shape{rows, m}), reshape(permute(weight, {1, 0, 2}), Shape{m, outputs * n}));
  Tensor y = sum(reshape(mixed, Shape{rows, outputs, n}) * reshape(b, Shape{rows, 1, n}), {-1});
  if (bias.defined()) y = y + bias;
  return reshape(y, out);
}

Tensor diagonal(const Tensor& x, int64_t offset, int64_t dim1, int64_t dim2) {
  const int first = x.shape().normalize(dim1), second = x.shape().normalize(dim2);
  check(first != second, "diagonal dimensions cannot be identical {}, {}", dim1, dim2);
  // The two dimensions, joined at the end, are read every columns + 1 elements.
  const int64_t rows = x.shape()[first], columns = x.shape()[second];
  std::vector<int64_t> order;
  for (int d = 0; d < x.dim(); ++d)
    if (d != first && d != second) order.push_back(d);
  order.push_back(first);
  order.push_back(second);
  const int64_t from_row = std::max<int64_t>(-offset, 0),
                from_column = std::max<int64_t>(offset, 0);
  const int64_t n = std::max<int64_t>(std::min(rows - from_row, columns - from_column), 0);
  const auto from = ops::memory_strides(x);
  View v;
  for (size_t d = 0; d + 2 < order.size(); ++d) {
    v.strides[d] = from[order[d]];
    v.shape.push_back(x.shape()[static_cast<int>(order[d])]);
  }
  v.shape.push_back(n);
  v.strides[order.size() - 2] = from[first] + from[second];
  if (n > 0) v.offset = from_row * from[first] + from_column * from[second];
  if (!x.requires_grad()) return ops::as_view({}, x, std::move(v));
  std::vector<int64_t> at;
  for (int64_t i = 0; i < n; ++i) at.push_back((from_row + i) * columns + from_column + i);
  const Tensor lines = flatten(permute(x, order), -2, -1);
  return ops::as_view(index_select(lines, -1, Tensor::from(at, Shape{n})), x, std::move(v));
}

Tensor diag_embed(const Tensor& x, int64_t offset) {
  check<IndexError>(x.dim() >= 1, "diag_embed: expected a tensor with at least one dimension");
  const int64_t n = x.size(-1), size = n + std::abs(offset);
  const int64_t from_row = std::max<int64_t>(-offset, 0),
                from_column = std::max<int64_t>(offset, 0);
  std::vector<int64_t> at;
  for (int64_t i = 0; i < n; ++i) at.push_back((from_row + i) * size + from_column + i);
  std::vector<int64_t> shape(x.shape().begin(), x.shape().end());
  shape.back() = size;
  shape.push_back(size);
  return reshape(index_sum(x, -1, Tensor::from(at, Shape{n}), size * size), shape);
}

Tensor diag(const Tensor& x, int64_t offset) {
  check(x.dim() == 1 || x.dim() == 2, "diag(): Supports 1D or 2D tensors. Got {}D", x.dim());
  return x.dim() == 1 ? diag_embed(x, offset) : clone(diagonal(x, offset));
}

Tensor trace(const Tensor& x) {
  check(x.dim() == 2, "trace: expected a matrix, but got tensor with dim {}", x.dim());
  return sum(diagonal(x));
}

Tensor cdist(const Tensor& a, const Tensor& b, double p) {
  if (is_half(a.dtype())) return cast(cdist(ops::widened(a), ops::widened(b), p), a.dtype());
  check(a.dim() >= 2 && b.dim() >= 2, "cdist only supports at least 2D tensors, X1 got: {}D",
        std::min(a.dim(), b.dim()));
  check(a.size(-1) == b.size(-1), "X1 and X2 must have the same number of columns. X1: {} X2: {}",
        a.size(-1), b.size(-1));
  check(is_floating(a.dtype()) && is_floating(b.dtype()),
        "cdist only supports floating-point dtypes, got {} and {}", name_of(a.dtype()),
        name_of(b.dtype()));
  check_types("cdist", {&a, &b});
  check(p >= 0, "cdist only supports non-negative p values");
  return vector_norm(unsqueeze(a, -2) - unsqueeze(b, -3), p, {-1});
}

Tensor roll(const Tensor& x, const std::vector<int64_t>& shifts, const std::vector<int64_t>& dims) {
  check(!shifts.empty(), "`shifts` required");
  if (dims.empty()) {
    check(shifts.size() == 1, "shifts and dimensions must align. shifts: {}, dims:0",
          shifts.size());
    return reshape(roll(reshape(x, Shape{x.numel()}), shifts, {0}), x.shape());
  }
  check(shifts.size() == dims.size(), "shifts and dimensions must align. shifts: {}, dims:{}",
        shifts.size(), dims.size());
  Tensor y = x;
  for (size_t i = 0; i < dims.size(); ++i) {
    check<IndexError>(x.dim() > 0, "roll: dimension {} of a tensor that has none", dims[i]);
    const int64_t n = x.size(dims[i]);
    if (n == 0) return clone(x);
    const int64_t shift = (shifts[i] % n + n) % n;
    if (shift > 0)
      y = cat({narrow(y, dims[i], n - shift, shift), narrow(y, dims[i], 0, n - shift)}, dims[i]);
  }
  return ops::fresh(y, {&x, 1});
}

Indexed kthvalue(const Tensor& x, int64_t k, int64_t dim, bool keepdim) {
  const int at = x.shape().normalize(dim);
  const int64_t n = x.dim() > 0 ? x.shape()[at] : 1;
  check<IndexError>(n > 0, "kthvalue(): Expected reduction dim {} to have non-zero size.", at);
  check(k >= 1 && k <= n, "kthvalue(): selected number k out of range for dimension {}", at);
  if (x.dim() == 0) return {clone(x), zeros({}, DType::kInt64)};
  const Tensor order = narrow(argsort(x, at), at, k - 1, 1);
  const Tensor values = gather(x, at, order);
  return keepdim ? Indexed{values, order} : Indexed{squeeze(values, at), squeeze(order, at)};
}

Indexed median(const Tensor& x, int64_t dim, bool keepdim) {
  const int at = x.shape().normalize(dim);
  const int64_t n = x.dim() > 0 ? x.shape()[at] : 1;
  check<IndexError>(n > 0, "median(): Expected reduction dim {} to have non-zero size.", at);
  Indexed middle = kthvalue(x, (n + 1) / 2, dim, keepdim);
  if (!is_floating(x.dtype())) return middle;
  // NaN, the last in order, wins.
  const Indexed last = kthvalue(x, n, dim, keepdim);
  const Tensor nan = ne(last.values, last.values);
  return {where(nan, last.values, middle.values), where(nan, last.indices, middle.indices)};
}

Tensor median(const Tensor& x) {
  check(x.numel() > 0, "median() input tensor cannot be empty");
  return median(reshape(x, Shape{x.numel()}), 0).values;
}

Unique unique(const Tensor& x) {
  if (stored_only(x.dtype())) {
    Unique u = unique(cast(x, compute_type(x.dtype())));
    u.values = cast(u.values, x.dtype());
    return u;
  }
  return dispatch(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const auto data = x.data<T>();
    const auto n = static_cast<int64_t>(data.size());
    std::vector<int64_t> order(n), inverse(n), counts, first;
    std::iota(order.begin(), order.end(), 0);
    // NaN come last, each for itself.
    const auto before = [](T a, T b) { return a < b || (!std::isnan(a) && std::isnan(b)); };
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return before(data[a], data[b]); });
    for (int64_t i : order) {
      if (first.empty() || data[first.back()] != data[i]) {
        first.push_back(i);
        counts.push_back(0);
      }
      ++counts.back();
      inverse[i] = static_cast<int64_t>(first.size()) - 1;
    }
    const Shape found{static_cast<int64_t>(first.size())};
    const Tensor at = Tensor::from(first, found);
    return Unique{index_select(reshape(x, Shape{n}), 0, at).detach(),
                  Tensor::from(inverse, x.shape()), Tensor::from(counts, found)};
  });
}

}  // namespace ballast
