// Decompositions of one dense matrix, row-major and in double: plain loops that reference kernels
// of linear algebra call. Not part of the public interface.
#pragma once

#include <cstdint>
#include <vector>

namespace ballast::dense {

/// Factors `a` (m x n) in place into L (unit lower triangle, below the diagonal) and U (on and
/// above it) with row k exchanged for row pivots[k] at step k (Gaussian elimination, the largest
/// element of a column leads). Returns the number, from 1, of the first diagonal element of U that
/// is zero; 0 where there is none.
int64_t lu(double* a, int64_t m, int64_t n, int64_t* pivots);

/// Factors the symmetric positive definite `a` (n x n, its lower triangle is read) into L L^T; L
/// takes the lower triangle and zeros the upper one. Returns the order of the first leading minor
/// that is not positive definite, 0 where all are.
int64_t cholesky(double* a, int64_t n);

/// Solves T X = B in place of B (n x k) for the upper or lower triangle T of `a` (n x n),
/// transposed where asked; `unit` takes the diagonal for ones.
struct Triangle {
  bool upper = false, transpose = false, unit = false;
};
void solve_triangular(const double* a, int64_t n, double* b, int64_t k, Triangle triangle);

/// Factors `a` (m x n) in place into R (on and above the diagonal) and min(m, n) reflections
/// H_i = I - tau_i v_i v_i^T, v_i below the diagonal of column i under a one: a = H_0 H_1 ... R.
/// Diagonal elements of R have the sign that keeps the subtraction safe, as LAPACK's geqrf.
void qr(double* a, int64_t m, int64_t n, double* tau);
/// The first `columns` columns of the product of `k` reflections that stand in the first columns of
/// `a` (m x n), as `qr` leaves them: `q` is m x columns.
void reflections(const double* a, int64_t m, int64_t n, const double* tau, int64_t k, double* q,
                 int64_t columns);

/// Eigenvalues, ascending, of the symmetric `a` (n x n), of which both triangles are read; column j
/// of `v` (n x n), unless null, becomes the unit eigenvector of w[j]. Householder's
/// tridiagonalization and QL with implicit shifts (Golub & Van Loan, 8.3). Returns false where QL
/// does not converge (values that are not finite).
bool eigh(double* a, int64_t n, double* w, double* v);

/// Singular values, descending, of `a` (m x n): a = u diag(s) vt with u (m x p) and vt (q x n), p
/// and q being min(m, n), or m and n where `full`. One-sided Jacobi on the triangle of a QR
/// factorization (Drmac & Veselic 2008), which finds small singular values to high relative
/// accuracy. `u` and `vt` may both be null. Returns false where it does not converge.
bool svd(const double* a, int64_t m, int64_t n, double* s, double* u, double* vt, bool full);

/// exp(a) in place of `a` (n x n) by scaling and squaring of Pade's approximant of degree 13
/// (Higham 2005).
void exponential(double* a, int64_t n);

/// Factors the symmetric `a` (n x n; its lower triangle is read and overwritten) into L D L^T with
/// D of blocks of one or two rows (Bunch & Kaufman 1977), pivots as LAPACK's sytrf counts them:
/// from 1, negative and in pairs for blocks of two. Returns as `lu`.
int64_t ldl(double* a, int64_t n, int64_t* pivots);
/// Solves A X = B in place of B (n x k) with what `ldl` made of A.
void ldl_solve(const double* a, int64_t n, const int64_t* pivots, double* b, int64_t k);

/// c = op(a) op(b) for m x k times k x n.
void multiply(const double* a, const double* b, double* c, int64_t m, int64_t k, int64_t n);

}  // namespace ballast::dense
