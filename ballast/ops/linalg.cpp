// Linear algebra made of the factorizations: norms, condition numbers, powers, chains of products.
#include "ballast/ops/linalg.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "ballast/ops/compare.h"
#include "ballast/ops/create.h"
#include "ballast/ops/extremes.h"
#include "ballast/ops/linalg_support.h"
#include "ballast/ops/linear_algebra.h"
#include "ballast/ops/loss_margin.h"
#include "ballast/ops/math.h"
#include "ballast/ops/matmul.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"
#include "ballast/ops/view.h"

namespace ballast::linalg {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The two dimensions, different ones, of a norm of matrices.
std::array<int, 2> matrix_dims(const Tensor& x, const std::vector<int64_t>& dims) {
  check(dims.size() == 2, "linalg.matrix_norm: dim must be a 2-tuple. Got {} dimensions",
        dims.size());
  check(x.dim() >= 2, "linalg.matrix_norm: The input tensor A must have at least 2 dimensions.");
  check(is_floating(x.dtype()),
        "linalg.matrix_norm: Expected a floating point or complex tensor as input. Got {}",
        ops::scalar_type_name(x.dtype()));
  const std::array<int, 2> d{x.shape().normalize(dims[0]), x.shape().normalize(dims[1])};
  check(d[0] != d[1], "linalg.matrix_norm: dims must be different. Got ({}, {})", dims[0], dims[1]);
  return d;
}

/// The matrices of two dimensions in the last two.
Tensor matrices(const Tensor& x, std::array<int, 2> d) {
  std::vector<int64_t> order;
  for (int i = 0; i < x.dim(); ++i)
    if (i != d[0] && i != d[1]) order.push_back(i);
  order.push_back(d[0]);
  order.push_back(d[1]);
  return permute(x, order);
}

Tensor with_kept(Tensor y, std::array<int, 2> d, bool keepdim) {
  if (!keepdim) return y;
  y = unsqueeze(y, std::min(d[0], d[1]));
  return unsqueeze(y, std::max(d[0], d[1]));
}

Tensor along(const Tensor& x, int64_t dim, bool largest) {
  return largest ? amax(x, {dim}) : amin(x, {dim});
}

/// The ends of a tree of products that needs the fewest multiplications (Cormen et al., 15.2).
class Chain {
 public:
  explicit Chain(std::span<const Tensor> tensors) : tensors_(tensors) {
    const size_t n = tensors.size();
    std::vector<std::vector<double>> cost(n, std::vector<double>(n));
    cut_.assign(n, std::vector<size_t>(n));
    for (size_t length = 1; length < n; ++length)
      for (size_t i = 0; i + length < n; ++i) {
        const size_t j = i + length;
        cost[i][j] = kInfinity;
        for (size_t k = i; k < j; ++k) {
          const double c = cost[i][k] + cost[k + 1][j] +
                           static_cast<double>(tensors[i].size(0)) *
                               static_cast<double>(tensors[k].size(1)) *
                               static_cast<double>(tensors[j].size(1));
          if (c < cost[i][j]) {
            cost[i][j] = c;
            cut_[i][j] = k;
          }
        }
      }
  }
  Tensor product(size_t i, size_t j) const {
    if (i == j) return tensors_[i];
    return mm(product(i, cut_[i][j]), product(cut_[i][j] + 1, j));
  }

 private:
  std::span<const Tensor> tensors_;
  std::vector<std::vector<size_t>> cut_;
};

}  // namespace

Tensor matrix_norm(const Tensor& x, const std::string& order, const std::vector<int64_t>& dims,
                   bool keepdim) {
  const auto d = matrix_dims(x, dims);
  if (order == "fro") return vector_norm(x, 2, dims, keepdim);
  check(order == "nuc", "linalg.matrix_norm: Order {} not supported.", order);
  return with_kept(sum(svdvals(matrices(x, d)), {-1}), d, keepdim);
}

Tensor matrix_norm(const Tensor& x, double order, const std::vector<int64_t>& dims, bool keepdim) {
  const auto d = matrix_dims(x, dims);
  const double size = std::abs(order);
  check(size == 1 || size == 2 || size == kInfinity, "linalg.matrix_norm: Order {} not supported.",
        order);
  const Tensor a = matrices(x, d);
  const Tensor parts = size == 2 ? svdvals(a) : sum(abs(a), {size == 1 ? -2 : -1});
  // The largest of nothing is 0.
  const bool none = order > 0 && parts.size(-1) == 0;
  return with_kept(none ? sum(parts, {-1}) : along(parts, -1, order > 0), d, keepdim);
}

namespace {

template <class Order>
Tensor cond_by_norm(const Tensor& a, const Order& order) {
  check_square("linalg.cond", a);
  if (a.numel() == 0) return zeros(batch_of(a), a.dtype());
  const WithInfo inverse = inv_ex(a);
  const Tensor product =
      matrix_norm(a, order, {-2, -1}) * matrix_norm(inverse.value, order, {-2, -1});
  return masked_fill(product, ne(inverse.info, 0), kInfinity);
}

}  // namespace

Tensor cond(const Tensor& a, double order) {
  if (std::abs(order) != 2) return cond_by_norm(a, order);
  check_matrix("linalg.cond", a);
  const Tensor s = svdvals(a);
  if (a.numel() == 0) return zeros(batch_of(a), a.dtype());
  const Tensor largest = select(s, -1, 0), least = select(s, -1, -1);
  return order > 0 ? largest / least : least / largest;
}

Tensor cond(const Tensor& a, const std::string& order) { return cond_by_norm(a, order); }

Tensor matrix_power(const Tensor& a, int64_t n) {
  check(a.dim() >= 2 && a.size(-1) == a.size(-2),
        "linalg.matrix_power: A must be batches of square matrices, but they are {} by {} matrices",
        a.dim() > 1 ? a.size(-2) : 1, a.dim() > 0 ? a.size(-1) : 1);
  if (n == 0)
    return expand_batch(identity(a.size(-1), a.size(-1), a.dtype()), batch_of(a)) +
           nothing_of(a, a.shape());
  if (n == 1) return a + zeros_like(a);
  Tensor base = n < 0 ? inv(a) : a, out;
  for (uint64_t k = n < 0 ? 0 - static_cast<uint64_t>(n) : static_cast<uint64_t>(n);;) {
    if (k & 1) out = out.defined() ? matmul(out, base) : base;
    if ((k >>= 1) == 0) return out;
    base = matmul(base, base);
  }
}

Tensor multi_dot(const std::vector<Tensor>& tensors) {
  const size_t n = tensors.size();
  check(n >= 2, "multi_dot(): expected at least 2 tensors but got {}", n);
  std::vector<Tensor> matrices = tensors;
  const bool row = tensors[0].dim() == 1, column = tensors[n - 1].dim() == 1;
  if (row) matrices[0] = unsqueeze(tensors[0], 0);
  if (column) matrices[n - 1] = unsqueeze(tensors[n - 1], 1);
  for (size_t i = 0; i < n; ++i) {
    check(matrices[i].dim() == 2, "multi_dot(): tensor {} must be 2D{} but got {}D", i,
          i == 0 || i + 1 == n ? " or 1D" : "", tensors[i].dim());
    check(matrices[i].dtype() == matrices[0].dtype(),
          "multi_dot(): all tensors must have be the same dtype but got {} and {}",
          name_of(matrices[0].dtype()), name_of(matrices[i].dtype()));
    check(i == 0 || matrices[i - 1].size(1) == matrices[i].size(0),
          "multi_dot(): tensors {} and {} with shapes {} and {} cannot be multiplied",
          static_cast<int64_t>(i) - 1, i, matrices[i == 0 ? 0 : i - 1].shape(),
          matrices[i].shape());
  }
  Tensor out = Chain(matrices).product(0, n - 1);
  if (row) out = squeeze(out, 0);
  return column ? squeeze(out, -1) : out;
}

Tensor tensorinv(const Tensor& a, int64_t ind) {
  check(ind > 0, "Expected a strictly positive integer for 'ind', but got {}", ind);
  check(ind <= a.dim(), "linalg.tensorinv: 'ind' must not exceed the rank {}, got {}", a.dim(),
        ind);
  Shape front(a.shape().dims().first(ind)), out(a.shape().dims().subspan(ind));
  check(front.numel() == out.numel(),
        "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]),"
        " but got {} != {}",
        out.numel(), front.numel());
  const Tensor inverse = inv(reshape(a, Shape{front.numel(), out.numel()}));
  for (int64_t n : front) out.push_back(n);
  return reshape(inverse, out);
}

Tensor tensorsolve(const Tensor& a, const Tensor& b, const std::vector<int64_t>& dims) {
  std::vector<int64_t> order(a.dim()), last;
  std::iota(order.begin(), order.end(), 0);
  for (int64_t d : dims) last.push_back(a.shape().normalize(d));
  std::erase_if(order, [&](int64_t d) { return std::ranges::find(last, d) != last.end(); });
  order.insert(order.end(), last.begin(), last.end());
  const Tensor moved = permute(a, order);
  check(b.dim() <= moved.dim(), "linalg.tensorsolve: 'other' has more dimensions than 'self'");
  const Shape x(moved.shape().dims().subspan(b.dim()));
  check(x.numel() == b.numel(),
        "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
        "prod(self.shape[:other.ndim]), but got {} != {}",
        x.numel(), b.numel());
  return reshape(solve(reshape(moved, Shape{b.numel(), b.numel()}), reshape(b, Shape{b.numel()})),
                 x);
}

Tensor vander(const Tensor& x, std::optional<int64_t> columns) {
  if (x.dim() == 0) return vander(reshape(x, Shape{1}), columns);
  const int64_t n = columns.value_or(x.size(-1));
  check(n > 1, "N must be greater than 1.");
  Shape s = x.shape();
  s.push_back(n);
  const Tensor base = is_floating(x.dtype()) ? x : cast(x, DType::kInt64);
  Shape rest = s;
  rest[rest.rank() - 1] = n - 1;
  const Tensor factors = expand(unsqueeze(base, -1), rest);
  return cumprod(cat({ones_like(unsqueeze(base, -1)), factors}, -1), -1);
}

Tensor vecdot(const Tensor& x, const Tensor& y, int64_t dim) { return sum(x * y, {dim}); }

Tensor cross(const Tensor& x, const Tensor& y, int64_t dim) {
  check(x.dim() == y.dim(), "linalg.cross: inputs must have the same number of dimensions.");
  check(x.size(dim) == 3 && y.size(dim) == 3,
        "linalg.cross: inputs dimension {} must have length 3. Got {} and {}", dim, x.size(dim),
        y.size(dim));
  const Shape shape = broadcast(x.shape(), y.shape());
  const Tensor a = expand(x, shape), b = expand(y, shape);
  const auto turned = [&](const Tensor& t, int64_t by) { return roll(t, {-by}, {dim}); };
  return turned(a, 1) * turned(b, 2) - turned(a, 2) * turned(b, 1);
}

LeastSquares lstsq(const Tensor& a, const Tensor& b, std::optional<double> rcond) {
  check_matrix("torch.linalg.lstsq", a);
  const bool vector = b.dim() + 1 == a.dim();
  const Tensor right = vector ? unsqueeze(b, -1) : b;
  check_matrix("torch.linalg.lstsq", right);
  check(a.size(-2) == right.size(-2),
        "torch.linalg.lstsq: input.size({}) should match other.size({})", -2, vector ? -1 : -2);
  check(a.dtype() == b.dtype(),
        "torch.linalg.lstsq: Expected input and other to have the same dtype, but got {} and {}",
        ops::scalar_type_name(a.dtype()), ops::scalar_type_name(b.dtype()));
  Tolerance t;
  if (rcond) t.rtol = full({}, *rcond, a.dtype());
  const Tensor x = matmul(pinv(a, t), right);
  const Tensor none = slice(reshape(x, Shape{x.numel()}), 0, 0, 0);  // gradients reach it, too
  LeastSquares out{vector ? squeeze(x, -1) : x, clone(none), matrix_rank(a, t), {}};
  {
    const NoGrad off;
    out.singular_values = svdvals(a);
  }
  const int64_t m = a.size(-2), n = a.size(-1);
  if (m > n && std::ranges::all_of(out.rank.data<int64_t>(), [&](int64_t r) { return r == n; })) {
    const Tensor errors = sum(square(matmul(a, x) - right), {-2});
    out.residuals = vector ? squeeze(errors, -1) : errors;
  }
  return out;
}

}  // namespace ballast::linalg
