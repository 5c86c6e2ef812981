// Factorizations by elimination, and what they solve: lu, cholesky; equations, inverses,
// determinants.
#include <cmath>

#include "ballast/ops/compare.h"
#include "ballast/ops/create.h"
#include "ballast/ops/dense.h"
#include "ballast/ops/linalg.h"
#include "ballast/ops/linalg_support.h"
#include "ballast/ops/linear_algebra.h"
#include "ballast/ops/matmul.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast::linalg {
namespace {

constexpr const char* kSingular =
    "The diagonal element {} is zero, the inversion could not be completed because the input "
    "matrix "
    "is singular.";
constexpr const char* kNoSolution = "The solver failed because the input matrix is singular.";
constexpr const char* kNotPositive =
    "The factorization could not be completed because the input is not positive-definite (the "
    "leading minor of order {} is not positive-definite).";
constexpr const char* kZeroPivot =
    "U[{0},{0}] is zero and using it on lu_solve would result in a division by zero. If you still "
    "want to perform the factorization, consider calling linalg.lu(A, pivot) or "
    "linalg.lu_factor_ex(A, pivot)";

using Matrix = std::vector<double>;
Matrix copy(const Block& b) { return Matrix(b.data, b.data + b.m * b.n); }

/// L's part of a factorization, with ones on the diagonal, and U's.
Tensor lower_of(const Tensor& lu) {
  const int64_t m = lu.size(-2), k = std::min(m, lu.size(-1));
  return tril(narrow(lu, -1, 0, k), -1) + identity(m, k, lu.dtype());
}
Tensor upper_of(const Tensor& lu) {
  return triu(narrow(lu, -2, 0, std::min(lu.size(-2), lu.size(-1))));
}

/// Pivots (..., k, 1) to the permutation P (..., m, m) of a = P L U.
class PermutationOp final : public BatchOp {
 public:
  PermutationOp() : BatchOp("lu_permutation") {}
  struct Rows {
    int64_t m;
  };
  void run(std::span<const Block> in, double* out, const Attributes& attributes) const override {
    const int64_t m = attributes.as<Rows>().m;
    std::vector<int64_t> row(m);
    for (int64_t i = 0; i < m; ++i) row[i] = i;
    for (int64_t i = 0; i < in[0].m; ++i) {
      const auto other = static_cast<int64_t>(in[0].data[i]) - 1;
      check(other >= 0 && other < m,
            "torch.lu_unpack: pivots passed to lu_unpack must be between 1 and LU.size(-2) "
            "inclusive, got {}",
            other + 1);
      std::swap(row[i], row[other]);
    }
    std::fill_n(out, m * m, 0.0);
    for (int64_t i = 0; i < m; ++i) out[row[i] * m + i] = 1;
  }
  Gradients gradient(const Backward&) const override { return {Tensor()}; }
};

Tensor permutation(const Tensor& pivots, int64_t m, DType t) {
  static const PermutationOp op;
  const Tensor column = unsqueeze(cast(pivots, t), -1);
  return record(op, with_batch(batch_of(column), {m, m}), t, {column}, PermutationOp::Rows{m});
}

/// [LU | pivots, from 1 | info]
class LuOp final : public BatchOp {
 public:
  LuOp() : BatchOp("linalg_lu") {}
  void run(std::span<const Block> in, double* out, const Attributes&) const override {
    const int64_t m = in[0].m, n = in[0].n, k = std::min(m, n);
    std::copy_n(in[0].data, m * n, out);
    std::vector<int64_t> pivots(k);
    const int64_t info = dense::lu(out, m, n, pivots.data());
    for (int64_t i = 0; i < k; ++i) out[m * n + i] = static_cast<double>(pivots[i] + 1);
    out[m * n + k] = static_cast<double>(info);
  }

  // With M = P^T dA = [M1 M2] (or stacked) and X = L1^-1 M1 U1^-1: L1^-1 dL1 is X's part below the
  // diagonal, dU1 U1^-1 the rest.
  Gradients gradient(const Backward& b) const override {
    const Shape& s = b.input_shape(0);
    const int64_t m = s[s.rank() - 2], n = s[s.rank() - 1], k = std::min(m, n);
    Parts made(b.output()), grads(b.grad());
    const Tensor lu = made.next({m, n}), pivots = made.next({k}).detach(), g = grads.next({m, n});
    const Tensor l = lower_of(lu), u = upper_of(lu);
    const Tensor gl = tril(narrow(g, -1, 0, k), -1), gu = triu(narrow(g, -2, 0, k));
    const Tensor l1 = narrow(l, -2, 0, k), u1 = narrow(u, -1, 0, k);
    Tensor below = matmul(mt(l1), narrow(gl, -2, 0, k));
    Tensor above = matmul(narrow(gu, -1, 0, k), mt(u1));
    if (n > m) below = below - matmul(narrow(gu, -1, k, n - k), mt(narrow(u, -1, k, n - k)));
    if (m > n) above = above - matmul(mt(narrow(l, -2, k, m - k)), narrow(gl, -2, k, m - k));
    const auto by_l = [&](const Tensor& x) { return triangular(l1, x, false, true, true); };
    const auto by_u = [&](const Tensor& x) {
      return mt(triangular(u1, mt(x), true, false, false));
    };
    Tensor out = by_u(by_l(tril(below, -1) + triu(above)));
    if (n > m) out = cat({out, by_l(narrow(gu, -1, k, n - k))}, -1);
    if (m > n) out = cat({out, by_u(narrow(gl, -2, k, m - k))}, -2);
    return {matmul(permutation(pivots, m, g.dtype()), out)};
  }
  uint32_t gradient_reads() const override { return kReadsOutput; }
};

struct TriangleAttributes {
  int64_t upper, transpose, unit;
};

class TriangularOp final : public BatchOp {
 public:
  TriangularOp() : BatchOp("linalg_solve_triangular") {}
  void run(std::span<const Block> in, double* out, const Attributes& attributes) const override {
    const auto& t = attributes.as<TriangleAttributes>();
    std::copy_n(in[1].data, in[1].m * in[1].n, out);
    dense::solve_triangular(in[0].data, in[0].m, out, in[1].n,
                            {t.upper != 0, t.transpose != 0, t.unit != 0});
  }
  Gradients gradient(const Backward& b) const override {
    const auto& t = b.attributes<TriangleAttributes>();
    const Tensor gb = triangular(b.input(0), b.grad(), t.upper, !t.transpose, t.unit);
    Gradients g{Tensor(), gb};
    if (b.needs(0)) {
      const Tensor x = b.output();
      const Tensor ga = neg(t.transpose ? matmul(x, mt(gb)) : matmul(gb, mt(x)));
      g[0] = t.upper ? triu(ga, t.unit ? 1 : 0) : tril(ga, t.unit ? -1 : 0);
    }
    return g;
  }
  uint32_t gradient_reads() const override { return 1 | kReadsOutput; }
};

struct CholeskySolveAttributes {
  int64_t upper;
};

/// X with L L^T X = B; inputs B, L.
class CholeskySolveOp final : public BatchOp {
 public:
  CholeskySolveOp() : BatchOp("cholesky_solve") {}
  void run(std::span<const Block> in, double* out, const Attributes& attributes) const override {
    const bool upper = attributes.as<CholeskySolveAttributes>().upper != 0;
    std::copy_n(in[0].data, in[0].m * in[0].n, out);
    for (const bool transpose : {upper, !upper})
      dense::solve_triangular(in[1].data, in[1].m, out, in[0].n,
                              {.upper = upper, .transpose = transpose});
  }
  // Of L, as PyTorch does, all elements get the derivative that they would have in L L^T.
  Gradients gradient(const Backward& b) const override {
    const bool upper = b.attributes<CholeskySolveAttributes>().upper != 0;
    const Tensor l = upper ? triu(b.input(1)) : tril(b.input(1));
    const Tensor gb = cholesky_solve(b.grad(), l, upper), half = matmul(gb, mt(b.output()));
    const Tensor both = half + mt(half);
    return {gb, neg(upper ? matmul(l, both) : matmul(both, l))};
  }
  uint32_t gradient_reads() const override { return 2 | kReadsOutput; }
};

/// Solves in place of x (n x k) and returns info.
int64_t solve_with(const Block& a, double* x, int64_t k) {
  Matrix lu = copy(a);
  std::vector<int64_t> pivots(a.m);
  const int64_t info = dense::lu(lu.data(), a.m, a.m, pivots.data());
  for (int64_t i = 0; i < a.m; ++i)
    if (pivots[i] != i) std::swap_ranges(x + i * k, x + (i + 1) * k, x + pivots[i] * k);
  dense::solve_triangular(lu.data(), a.m, x, k, {.unit = true});
  dense::solve_triangular(lu.data(), a.m, x, k, {.upper = true});
  return info;
}

/// [X | info]
class SolveOp final : public BatchOp {
 public:
  SolveOp() : BatchOp("linalg_solve") {}
  void run(std::span<const Block> in, double* out, const Attributes&) const override {
    const int64_t size = in[1].m * in[1].n;
    std::copy_n(in[1].data, size, out);
    out[size] = static_cast<double>(solve_with(in[0], out, in[1].n));
  }
  Gradients gradient(const Backward& b) const override {
    const Shape& s = b.input_shape(1);
    const int64_t n = s[s.rank() - 2], k = s[s.rank() - 1];
    const Tensor gb = solve_unchecked(mt(b.input(0)), Parts(b.grad()).next({n, k}));
    Gradients g{Tensor(), gb};
    if (b.needs(0)) g[0] = neg(matmul(gb, mt(Parts(b.output()).next({n, k}))));
    return g;
  }
  uint32_t gradient_reads() const override { return 1 | kReadsOutput; }
};

/// [A^-1 | info]
class InverseOp final : public BatchOp {
 public:
  InverseOp() : BatchOp("linalg_inv") {}
  void run(std::span<const Block> in, double* out, const Attributes&) const override {
    const int64_t n = in[0].m;
    std::fill_n(out, n * n, 0.0);
    for (int64_t i = 0; i < n; ++i) out[i * n + i] = 1;
    out[n * n] = static_cast<double>(solve_with(in[0], out, n));
  }
  Gradients gradient(const Backward& b) const override {
    const int64_t n = b.input_shape(0).back();
    const Tensor y = mt(Parts(b.output()).next({n, n}));
    return {neg(matmul(matmul(y, Parts(b.grad()).next({n, n})), y))};
  }
  uint32_t gradient_reads() const override { return kReadsOutput; }
};

Tensor record_inverse(const Tensor& a) {
  static const InverseOp op;
  const int64_t n = a.size(-1);
  return record(op, with_batch(batch_of(a), {n * n + 1}), a.dtype(), {a});
}

/// det(a) a^-T, which is there for singular matrices, too: the derivative of det.
class CofactorOp final : public BatchOp {
 public:
  CofactorOp() : BatchOp("cofactors") {}
  void run(std::span<const Block> in, double* out, const Attributes&) const override {
    const int64_t n = in[0].m;
    Matrix u(n * n), s(n), vt(n * n);
    if (!dense::svd(in[0].data, n, n, s.data(), u.data(), vt.data(), false)) {
      std::fill_n(out, n * n, std::nan(""));
      return;
    }
    // Of U and V^T only the signs of the determinants count; of S the products that leave one out.
    Matrix before(n + 1, 1.0), after(n + 1, 1.0);
    for (int64_t i = 0; i < n; ++i) before[i + 1] = before[i] * s[i];
    for (int64_t i = n - 1; i >= 0; --i) after[i] = after[i + 1] * s[i];
    const double sign = determinant(u, n) * determinant(vt, n) > 0 ? 1 : -1;
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j) u[i * n + j] *= sign * before[j] * after[j + 1];
    dense::multiply(u.data(), vt.data(), out, n, n, n);
  }
  Gradients gradient(const Backward& b) const override {
    const Tensor w = mt(inv_unchecked(b.input(0))), g = b.grad(), c = b.output();
    return {sum(g * c, {-2, -1}, true) * w - matmul(w, matmul(mt(g), c))};
  }
  uint32_t gradient_reads() const override { return 1 | kReadsOutput; }

  static double determinant(Matrix a, int64_t n) {
    std::vector<int64_t> pivots(n);
    dense::lu(a.data(), n, n, pivots.data());
    double det = 1;
    for (int64_t i = 0; i < n; ++i) det *= a[i * n + i] * (pivots[i] == i ? 1 : -1);
    return det;
  }
};

class DetOp final : public BatchOp {
 public:
  DetOp() : BatchOp("linalg_det") {}
  void run(std::span<const Block> in, double* out, const Attributes&) const override {
    *out = CofactorOp::determinant(copy(in[0]), in[0].m);
  }
  Gradients gradient(const Backward& b) const override {
    static const CofactorOp op;
    const Tensor a = b.input(0), g = b.grad();
    return {unsqueeze(unsqueeze(g, -1), -1) * record(op, a.shape(), a.dtype(), {a})};
  }
  uint32_t gradient_reads() const override { return 1; }
};

/// [sign | log |det|]
class SlogdetOp final : public BatchOp {
 public:
  SlogdetOp() : BatchOp("linalg_slogdet") {}
  void run(std::span<const Block> in, double* out, const Attributes&) const override {
    const int64_t n = in[0].m;
    Matrix a = copy(in[0]);
    std::vector<int64_t> pivots(n);
    dense::lu(a.data(), n, n, pivots.data());
    out[0] = 1;
    out[1] = 0;
    for (int64_t i = 0; i < n; ++i) {
      const double d = a[i * n + i];
      out[0] *= (pivots[i] == i ? 1 : -1) * (d > 0 ? 1 : d < 0 ? -1 : d);
      out[1] += std::log(std::abs(d));
    }
  }
  Gradients gradient(const Backward& b) const override {
    const Tensor g = unsqueeze(narrow(b.grad(), -1, 1, 1), -1);
    return {g * mt(inv_unchecked(b.input(0)))};
  }
  uint32_t gradient_reads() const override { return 1; }
};

/// [L | info]
class CholeskyOp final : public BatchOp {
 public:
  CholeskyOp() : BatchOp("linalg_cholesky") {}
  void run(std::span<const Block> in, double* out, const Attributes&) const override {
    const int64_t n = in[0].m;
    std::copy_n(in[0].data, n * n, out);
    out[n * n] = static_cast<double>(dense::cholesky(out, n));
  }
  // dL = L Phi(L^-1 dA L^-T), Phi being the lower triangle with half the diagonal.
  Gradients gradient(const Backward& b) const override {
    const int64_t n = b.input_shape(0).back();
    const Tensor l = Parts(b.output()).next({n, n}), g = Parts(b.grad()).next({n, n});
    const Tensor product = matmul(mt(l), g);
    const Tensor middle = (tril(product) + mt(tril(product, -1))) * 0.5;
    const Tensor left = triangular(l, middle, false, true, false);
    return {mt(triangular(l, mt(left), false, true, false))};
  }
  uint32_t gradient_reads() const override { return kReadsOutput; }
};

Tensor record_solve(const Tensor& a, const Tensor& b) {
  static const SolveOp op;
  const Shape batch = broadcast(batch_of(a), batch_of(b));
  return record(op, with_batch(batch, {b.size(-2) * b.size(-1) + 1}), a.dtype(),
                {expand_batch(a, batch), expand_batch(b, batch)});
}

}  // namespace

Tensor triangular(const Tensor& a, const Tensor& b, bool upper, bool transpose, bool unit) {
  static const TriangularOp op;
  const Shape batch = broadcast(batch_of(a), batch_of(b));
  return record(op, with_batch(batch, {b.size(-2), b.size(-1)}), a.dtype(),
                {expand_batch(a, batch), expand_batch(b, batch)},
                TriangleAttributes{upper, transpose, unit});
}

Tensor solve_unchecked(const Tensor& a, const Tensor& b) {
  return Parts(record_solve(a, b)).next({b.size(-2), b.size(-1)});
}

Tensor inv_unchecked(const Tensor& a) {
  return Parts(record_inverse(a)).next({a.size(-1), a.size(-1)});
}

WithInfo solve_ex(const Tensor& a, const Tensor& b, bool left, bool check_errors) {
  check_square("linalg.solve", a);
  check(b.dim() >= 1, "linalg.solve: B must have at least one dimension");
  // B is a vector, or a batch of them with exactly the batch of A.
  const bool vector = b.dim() == 1 || (b.dim() + 1 == a.dim() &&
                                       b.shape() == Shape(a.shape().dims().first(a.dim() - 1)));
  check(left || !vector,
        "linalg.solve: Vector broadcasting of the left hand side is not supported "
        "for left=False. In this case linalg.solve is equivalent to B / A.squeeze(-1)");
  if (vector) {
    WithInfo x = solve_ex(a, unsqueeze(b, -1), true, check_errors);
    return {squeeze(x.value, -1), x.info};
  }
  check_equation("linalg.solve", a, b, left);
  if (!left) {
    WithInfo x = solve_ex(mt(a), mt(b), true, check_errors);
    return {mt(x.value), x.info};
  }
  Parts parts(record_solve(a, b));
  const Tensor x = parts.next({b.size(-2), b.size(-1)});
  Tensor info = cast(parts.next({}), kWhole).detach();
  // PyTorch's info has the batch of A alone.
  for (int d = 0, extra = info.dim() - (a.dim() - 2); d < info.dim(); ++d) {
    const bool broadcast_here = d < extra || a.shape()[d - extra] == 1;
    if (broadcast_here && info.shape()[d] > 1) info = narrow(info, d, 0, 1);
  }
  if (info.numel() == batch_of(a).numel()) info = reshape(info, batch_of(a));
  if (check_errors) check_info("linalg.solve", info, kNoSolution);
  return {x, info};
}

Tensor solve(const Tensor& a, const Tensor& b, bool left) {
  return solve_ex(a, b, left, true).value;
}

WithInfo inv_ex(const Tensor& a, bool check_errors) {
  check_square("linalg.inv", a);
  Parts parts(record_inverse(a));
  const Tensor y = parts.next({a.size(-1), a.size(-1)});
  const Tensor info = cast(parts.next({}), kWhole).detach();
  if (check_errors) check_info("linalg.inv", info, kSingular);
  return {y, info};
}

Tensor inv(const Tensor& a) { return inv_ex(a, true).value; }

Tensor det(const Tensor& a) {
  static const DetOp op;
  check_square("linalg.det", a);
  return record(op, batch_of(a), a.dtype(), {a});
}

SignedLog slogdet(const Tensor& a) {
  static const SlogdetOp op;
  check_square("linalg.slogdet", a);
  Parts parts(record(op, with_batch(batch_of(a), {2}), a.dtype(), {a}));
  const Tensor sign = parts.next({});  // its derivative is 0
  return {sign, parts.next({})};
}

WithInfo cholesky_ex(const Tensor& a, bool upper, bool check_errors) {
  static const CholeskyOp op;
  check_square("linalg.cholesky", a);
  const int64_t n = a.size(-1);
  const Tensor read = upper ? mt(a) : a;
  Parts parts(record(op, with_batch(batch_of(a), {n * n + 1}), a.dtype(), {read}));
  const Tensor l = parts.next({n, n});
  const Tensor info = cast(parts.next({}), kWhole).detach();
  if (check_errors) check_info("linalg.cholesky", info, kNotPositive);
  return {upper ? mt(l) : l, info};
}

Tensor cholesky(const Tensor& a, bool upper) { return cholesky_ex(a, upper, true).value; }

Tensor cholesky_solve(const Tensor& b, const Tensor& l, bool upper) {
  static const CholeskySolveOp op;
  check_equation("cholesky_solve", l, b, true);
  const Shape batch = broadcast(batch_of(l), batch_of(b));
  return record(op, with_batch(batch, {b.size(-2), b.size(-1)}), b.dtype(),
                {expand_batch(b, batch), expand_batch(l, batch)}, CholeskySolveAttributes{upper});
}

Tensor cholesky_inverse(const Tensor& l, bool upper) {
  check_square("cholesky_inverse", l);
  return cholesky_solve(identity(l.size(-1), l.size(-1), l.dtype()), l, upper);
}

Tensor solve_triangular(const Tensor& a, const Tensor& b, TriangularOptions o) {
  check_equation("linalg.solve_triangular", a, b, o.left);
  if (o.left) return triangular(a, b, o.upper, o.transpose, o.unitriangular);
  return mt(triangular(a, mt(b), o.upper, !o.transpose, o.unitriangular));
}

Lu lu_factor_ex(const Tensor& a, bool check_errors) {
  static const LuOp op;
  check_matrix("linalg.lu_factor", a);
  const int64_t m = a.size(-2), n = a.size(-1);
  const Lu out = unpack_factors(
      record(op, with_batch(batch_of(a), {m * n + std::min(m, n) + 1}), a.dtype(), {a}), m, n);
  if (check_errors) check_info("torch.linalg.lu_factor", out.info, kZeroPivot);
  return out;
}

Lu lu_factor(const Tensor& a) { return lu_factor_ex(a, true); }

Plu lu_unpack(const Tensor& lu, const Tensor& pivots) {
  check_matrix("lu_unpack", lu);
  check(!is_floating(pivots.dtype()) && pivots.dim() >= 1 &&
            pivots.size(-1) == std::min(lu.size(-2), lu.size(-1)),
        "torch.lu_unpack: expected whole-number LU_pivots of size {} in the last dimension, got {} "
        "of shape {}",
        std::min(lu.size(-2), lu.size(-1)), name_of(pivots.dtype()), pivots.shape());
  const Tensor p = permutation(pivots, lu.size(-2), lu.dtype());
  p.eval();  // pivots out of range throw here
  return {p, lower_of(lu), upper_of(lu)};
}

Tensor lu_solve(const Tensor& lu, const Tensor& pivots, const Tensor& b, bool left, bool adjoint) {
  check_equation("linalg.lu_solve", lu, b, left);
  if (!left) return mt(lu_solve(lu, pivots, mt(b), true, !adjoint));
  const Tensor p = permutation(pivots, lu.size(-2), lu.dtype());
  if (!adjoint)
    return triangular(lu, triangular(lu, matmul(mt(p), b), false, false, true), true, false, false);
  return matmul(p, triangular(lu, triangular(lu, b, true, true, false), false, true, true));
}

}  // namespace ballast::linalg
