// Linear algebra of matrices in the last two dimensions, as `torch.linalg`: factorizations,
// inverses, equations, determinants, norms. Dimensions in front are batches and broadcast where
// there are two operands. All take float32 and float64 and compute in double. Functions that can
// fail for the values they are given (a singular matrix) look at them, and throw LinAlgError from
// the call.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ballast/graph/tensor.h"

namespace ballast::linalg {

/// A matrix for which there is no answer.
class LinAlgError : public Error {
 public:
  using Error::Error;
};

/// Results with what went wrong, int32 per matrix: 0 for nothing.
struct WithInfo {
  Tensor value, info;
};

/// X with A X = B, or X A = B unless `left`; A (..., n, n), B (..., n, k), or vectors (..., n).
Tensor solve(const Tensor& a, const Tensor& b, bool left = true);
WithInfo solve_ex(const Tensor& a, const Tensor& b, bool left = true, bool check_errors = false);
Tensor inv(const Tensor& a);
WithInfo inv_ex(const Tensor& a, bool check_errors = false);
Tensor det(const Tensor& a);
/// det(a) = sign * exp(logabsdet)
struct SignedLog {
  Tensor sign, logabsdet;
};
SignedLog slogdet(const Tensor& a);
/// The lower triangle L with A = L L^T of a symmetric positive definite A (its lower triangle is
/// read, the upper one where `upper`), or the upper one with A = U^T U.
Tensor cholesky(const Tensor& a, bool upper = false);
WithInfo cholesky_ex(const Tensor& a, bool upper = false, bool check_errors = false);
/// X with L L^T X = B, given L; and the inverse of L L^T. (U^T U where `upper`.)
Tensor cholesky_solve(const Tensor& b, const Tensor& l, bool upper = false);
Tensor cholesky_inverse(const Tensor& l, bool upper = false);
/// X with A X = B (X A = B unless `left`), reading one triangle of A only.
struct TriangularOptions {
  bool upper = false, left = true, unitriangular = false, transpose = false;
};
Tensor solve_triangular(const Tensor& a, const Tensor& b, TriangularOptions options);

/// A's factors L (unit lower, below the diagonal) and U in one matrix, and the rows (int32, from 1)
/// that were exchanged with rows 1, 2, ...
struct Lu {
  Tensor lu, pivots, info;
};
Lu lu_factor_ex(const Tensor& a, bool check_errors = false);
Lu lu_factor(const Tensor& a);
/// A = P L U
struct Plu {
  Tensor p, l, u;
};
Plu lu_unpack(const Tensor& lu, const Tensor& pivots);
/// X with A X = B (A^T X = B where `adjoint`; X A = B unless `left`) from A's factors.
Tensor lu_solve(const Tensor& lu, const Tensor& pivots, const Tensor& b, bool left = true,
                bool adjoint = false);
/// Factors of symmetric matrices, Bunch and Kaufman's; no derivatives.
Lu ldl_factor_ex(const Tensor& a, bool check_errors = false);
Tensor ldl_solve(const Tensor& ld, const Tensor& pivots, const Tensor& b);

/// A = Q R with orthonormal columns of Q (m x min(m, n), or m x m where `complete`).
struct Qr {
  Tensor q, r;
};
Qr qr(const Tensor& a, bool complete = false);
/// R and the reflections of Q (below the diagonal), with their factors.
Qr geqrf(const Tensor& a);
/// The first columns of the product of reflections that stand below the diagonal of `a`.
Tensor householder_product(const Tensor& a, const Tensor& tau);
/// Q B (Q^T B, B Q, B Q^T) for that product Q.
Tensor ormqr(const Tensor& a, const Tensor& tau, const Tensor& b, bool left = true,
             bool transpose = false);
/// A = V diag(w) V^T of symmetric matrices, of which one triangle is read; w ascending.
struct Eigh {
  Tensor values, vectors;
};
Eigh eigh(const Tensor& a, bool upper = false);
Tensor eigvalsh(const Tensor& a, bool upper = false);
/// A = U diag(S) V^T, S descending; U and V square where `full`.
struct Svd {
  Tensor u, s, vh;
};
Svd svd(const Tensor& a, bool full = true);
Tensor svdvals(const Tensor& a);

/// Singular values up to max(atol, rtol * the largest) count for zero. By default rtol is the
/// type's epsilon times the larger size, and 0 where atol > 0 is given. Both broadcast against the
/// batch.
struct Tolerance {
  Tensor atol = {}, rtol = {};
};
Tensor pinv(const Tensor& a, const Tolerance& tolerance = {}, bool hermitian = false);
Tensor matrix_rank(const Tensor& a, const Tolerance& tolerance = {}, bool hermitian = false);
/// The X for which A X is closest to B, the one of the least norm. Residuals are there for full
/// rank and more rows than columns.
struct LeastSquares {
  Tensor solution, residuals, rank, singular_values;
};
LeastSquares lstsq(const Tensor& a, const Tensor& b, std::optional<double> rcond = {});
Tensor matrix_exp(const Tensor& a);
/// The symmetric positive definite X with X X = A, of which the lower triangle is read.
Tensor matrix_sqrth(const Tensor& a);
/// A = U H with orthonormal columns of U (m x n, m >= n) and a symmetric H that is not negative.
/// Differentiable where A has full rank.
struct Polar {
  Tensor u, h;
};
Polar polar(const Tensor& a);

/// Norms of the matrices in two dimensions: "fro", "nuc"; by number ±1, ±2, ±infinity.
Tensor matrix_norm(const Tensor& x, const std::string& order, const std::vector<int64_t>& dims,
                   bool keepdim = false);
Tensor matrix_norm(const Tensor& x, double order, const std::vector<int64_t>& dims,
                   bool keepdim = false);
/// How much errors grow when equations with A are solved: |A| |A^-1| in a norm (2 unless given).
Tensor cond(const Tensor& a, double order = 2);
Tensor cond(const Tensor& a, const std::string& order);
Tensor matrix_power(const Tensor& a, int64_t n);
/// The product, in the order that needs the fewest multiplications.
Tensor multi_dot(const std::vector<Tensor>& tensors);
/// The inverse of tensordot(a, ., ind) as a tensor; x with tensordot(a, x, x.dim()) = b.
Tensor tensorinv(const Tensor& a, int64_t ind = 2);
Tensor tensorsolve(const Tensor& a, const Tensor& b, const std::vector<int64_t>& dims = {});
Tensor vander(const Tensor& x, std::optional<int64_t> columns = {});
Tensor vecdot(const Tensor& x, const Tensor& y, int64_t dim = -1);
Tensor cross(const Tensor& x, const Tensor& y, int64_t dim = -1);

}  // namespace ballast::linalg
