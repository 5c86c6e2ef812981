// Factorizations by orthogonal matrices: qr, eigh, svd; what is made of singular values; exp.
#include <cmath>
#include <limits>

#include "ballast/ops/compare.h"
#include "ballast/ops/create.h"
#include "ballast/ops/dense.h"
#include "ballast/ops/extremes.h"
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

using Matrix = std::vector<double>;

struct Full {
  int64_t full;
};

/// Q m x p and R p x n.
int64_t q_columns(int64_t m, int64_t n, bool complete) { return complete ? m : std::min(m, n); }

/// [Q | R]
class QrOp final : public BatchOp {
 public:
  QrOp() : BatchOp("linalg_qr") {}
  void run(std::span<const Block> in, double* out, const Attributes& attributes) const override {
    const int64_t m = in[0].m, n = in[0].n, k = std::min(m, n);
    const int64_t p = q_columns(m, n, attributes.as<Full>().full != 0);
    Matrix a(in[0].data, in[0].data + m * n), tau(k);
    dense::qr(a.data(), m, n, tau.data());
    dense::reflections(a.data(), m, n, tau.data(), k, out, p);
    double* r = out + m * p;
    std::fill_n(r, p * n, 0.0);
    for (int64_t i = 0; i < k; ++i) std::copy_n(a.data() + i * n + i, n - i, r + i * n + i);
  }

  Gradients gradient(const Backward& b) const override {
    const Shape& s = b.input_shape(0);
    const int64_t m = s[s.rank() - 2], n = s[s.rank() - 1];
    const bool complete = b.attributes<Full>().full != 0;
    check(!complete || m <= n,
          "The QR decomposition is not differentiable when mode='complete' and nrows > ncols");
    const int64_t p = q_columns(m, n, complete);
    Parts made(b.output()), grads(b.grad());
    const Tensor q = made.next({m, p}), r = made.next({p, n});
    Tensor gq = grads.next({m, p});
    const Tensor gr = grads.next({p, n});
    if (m >= n) return {square_gradient(q, r, gq, gr)};
    // A = [X Y], R = [U V]: X = Q U, and V = Q^T Y.
    const Tensor gv = narrow(gr, -1, m, n - m), y = narrow(b.input(0), -1, m, n - m);
    gq = gq + matmul(y, mt(gv));
    const Tensor gx = square_gradient(q, narrow(r, -1, 0, m), gq, narrow(gr, -1, 0, m));
    return {cat({gx, matmul(q, gv)}, -1)};
  }
  uint32_t gradient_reads() const override { return 1 | kReadsOutput; }

 private:
  /// For Q m x n, R n x n: (gQ + Q S) R^-T, S being the lower triangle of R gR^T - gQ^T Q,
  /// mirrored.
  static Tensor square_gradient(const Tensor& q, const Tensor& r, const Tensor& gq,
                                const Tensor& gr) {
    const Tensor middle = matmul(r, mt(gr)) - matmul(mt(gq), q);
    const Tensor mirrored = tril(middle) + mt(tril(middle, -1));
    return mt(triangular(r, mt(gq + matmul(q, mirrored)), true, false, false));
  }
};

/// [reflections and R | tau]
class GeqrfOp final : public BatchOp {
 public:
  GeqrfOp() : BatchOp("geqrf") {}
  void run(std::span<const Block> in, double* out, const Attributes&) const override {
    const int64_t size = in[0].m * in[0].n;
    std::copy_n(in[0].data, size, out);
    dense::qr(out, in[0].m, in[0].n, out + size);
  }
};

void check_converged(const char* who, bool converged) {
  if (!converged)
    throw LinAlgError(
        fmt::format("{}: The algorithm failed to converge because the input matrix "
                    "contained non-finite values or is ill-conditioned.",
                    who));
}

struct EighAttributes {
  int64_t upper, vectors;
};

/// [w | V], or w alone.
class EighOp final : public BatchOp {
 public:
  EighOp() : BatchOp("linalg_eigh") {}
  void run(std::span<const Block> in, double* out, const Attributes& attributes) const override {
    const auto& o = attributes.as<EighAttributes>();
    const int64_t n = in[0].m;
    Matrix a(n * n);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j <= i; ++j)
        a[i * n + j] = a[j * n + i] = in[0].data[o.upper ? j * n + i : i * n + j];
    check_converged("linalg.eigh", dense::eigh(a.data(), n, out, o.vectors ? out + n : nullptr));
  }
  // dw = diag(V^T dA V), V^T dV = (V^T dA V) / (w_j - w_i) off the diagonal.
  Gradients gradient(const Backward& b) const override {
    const int64_t n = b.input_shape(0).back();
    Parts made(b.output()), grads(b.grad());
    const Tensor w = made.next({n}), v = made.next({n, n});
    const Tensor gw = grads.next({n}), gv = grads.next({n, n});
    const Tensor gap = unsqueeze(w, -2) - unsqueeze(w, -1);
    const Tensor off = 1 - identity(n, n, w.dtype());
    const Tensor inner = ratio_or_zero(matmul(mt(v), gv) * off, gap) + diag_embed(gw);
    const Tensor g = matmul(v, matmul(inner, mt(v)));
    return {(g + mt(g)) * 0.5};
  }
  uint32_t gradient_reads() const override { return kReadsOutput; }
};

Tensor record_eigh(const Tensor& a, bool upper, bool vectors) {
  static const EighOp op;
  check_square("linalg.eigh", a);
  const int64_t n = a.size(-1);
  const Tensor packed = record(op, with_batch(batch_of(a), {vectors ? n + n * n : n}), a.dtype(),
                               {a}, EighAttributes{upper, vectors});
  packed.eval();
  return packed;
}

struct SvdAttributes {
  int64_t full, vectors;
};

/// [S | U | V^T], or S alone.
class SvdOp final : public BatchOp {
 public:
  SvdOp() : BatchOp("linalg_svd") {}
  void run(std::span<const Block> in, double* out, const Attributes& attributes) const override {
    const auto& o = attributes.as<SvdAttributes>();
    const int64_t m = in[0].m, n = in[0].n, k = std::min(m, n);
    double* u = o.vectors ? out + k : nullptr;
    double* vt = o.vectors ? u + m * (o.full ? m : k) : nullptr;
    check_converged("linalg.svd", dense::svd(in[0].data, m, n, out, u, vt, o.full != 0));
  }

  // Townsend 2016, Differentiating the singular value decomposition. Columns of full matrices
  // beyond the k-th are arbitrary and take no gradient.
  Gradients gradient(const Backward& b) const override {
    const Shape& shape = b.input_shape(0);
    const int64_t m = shape[shape.rank() - 2], n = shape[shape.rank() - 1], k = std::min(m, n);
    const bool full = b.attributes<SvdAttributes>().full != 0;
    const int64_t p = full ? m : k, q = full ? n : k;
    Parts made(b.output()), grads(b.grad());
    const Tensor s = made.next({k}), u = narrow(made.next({m, p}), -1, 0, k);
    const Tensor vt = narrow(made.next({q, n}), -2, 0, k);
    const Tensor gs = grads.next({k}), gu = narrow(grads.next({m, p}), -1, 0, k);
    const Tensor gvt = narrow(grads.next({q, n}), -2, 0, k);
    const Tensor squares = square(s), gap = unsqueeze(squares, -2) - unsqueeze(squares, -1);
    const auto skew = [](const Tensor& x) { return x - mt(x); };
    const Tensor utgu = matmul(mt(u), gu), vtgv = matmul(vt, mt(gvt));
    const Tensor row = unsqueeze(s, -2), column = unsqueeze(s, -1);
    const Tensor inner = ratio_or_zero(skew(utgu), gap) * row +
                         column * ratio_or_zero(skew(vtgv), gap) + diag_embed(gs);
    Tensor left = matmul(u, inner);
    if (m > k) left = left + ratio_or_zero(gu - matmul(u, utgu), expand(row, gu.shape()));
    Tensor out = matmul(left, vt);
    if (n > k)
      out = out + matmul(u, ratio_or_zero(gvt - matmul(mt(vtgv), vt), expand(column, gvt.shape())));
    return {out};
  }
  uint32_t gradient_reads() const override { return kReadsOutput; }
};

Tensor record_svd(const Tensor& a, bool full, bool vectors) {
  static const SvdOp op;
  check_matrix("linalg.svd", a);
  const int64_t m = a.size(-2), n = a.size(-1), k = std::min(m, n);
  const int64_t size = k + (vectors ? m * (full ? m : k) + n * (full ? n : k) : 0);
  const Tensor packed =
      record(op, with_batch(batch_of(a), {size}), a.dtype(), {a}, SvdAttributes{full, vectors});
  packed.eval();  // values without a decomposition throw here
  return packed;
}

struct Hermitian {
  int64_t hermitian;  // the lower triangle is read
};

/// The inverse of the part of A that belongs to singular values above max(atol, rtol * largest).
class PinvOp final : public BatchOp {
 public:
  PinvOp() : BatchOp("linalg_pinv") {}
  void run(std::span<const Block> in, double* out, const Attributes& attributes) const override {
    const int64_t m = in[0].m, n = in[0].n, k = std::min(m, n);
    Matrix u(m * k), s(k), vt(k * n), a(in[0].data, in[0].data + m * n);
    if (attributes.as<Hermitian>().hermitian)
      for (int64_t i = 0; i < n; ++i)
        for (int64_t j = i + 1; j < n; ++j) a[i * n + j] = a[j * n + i];
    check_converged("linalg.pinv",
                    dense::svd(a.data(), m, n, s.data(), u.data(), vt.data(), false));
    const double least = std::max(in[1].data[0], in[1].data[1] * (k > 0 ? s[0] : 0));
    std::fill_n(out, n * m, 0.0);
    for (int64_t r = 0; r < k && s[r] > least; ++r)
      for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < m; ++j) out[i * m + j] += vt[r * n + i] / s[r] * u[j * k + r];
  }
  // Golub & Pereyra 1973: dP = -P dA P + P P^T dA^T (I - A P) + (I - P A) dA^T P^T P.
  Gradients gradient(const Backward& b) const override {
    const Tensor a = b.input(0), p = b.output(), g = mt(b.grad()), pt = mt(p);
    const Tensor gp = matmul(g, p), pg = matmul(p, g);
    const Tensor first = matmul(gp, pt), last = matmul(pt, pg);
    return {first - matmul(a, matmul(p, first)) + last - matmul(matmul(last, p), a) -
                matmul(matmul(pt, b.grad()), pt),
            Tensor()};
  }
  uint32_t gradient_reads() const override { return 1 | kReadsOutput; }
};

/// Y with X Y + Y X = G for symmetric positive definite X.
class LyapunovOp final : public BatchOp {
 public:
  LyapunovOp() : BatchOp("lyapunov") {}
  void run(std::span<const Block> in, double* out, const Attributes&) const override {
    const int64_t n = in[0].m;
    Matrix x(in[0].data, in[0].data + n * n), w(n), v(n * n), vt(n * n), left(n * n), inner(n * n);
    check_converged("linalg.eigh", dense::eigh(x.data(), n, w.data(), v.data()));
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j) vt[j * n + i] = v[i * n + j];
    dense::multiply(vt.data(), in[1].data, left.data(), n, n, n);
    dense::multiply(left.data(), v.data(), inner.data(), n, n, n);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j) inner[i * n + j] /= w[i] + w[j];
    dense::multiply(v.data(), inner.data(), left.data(), n, n, n);
    dense::multiply(left.data(), vt.data(), out, n, n, n);
  }
  Gradients gradient(const Backward& b) const override {
    const Tensor g = call(b.input(0), b.grad()), y = mt(b.output());
    return {neg(matmul(g, y) + matmul(y, g)), g};
  }
  uint32_t gradient_reads() const override { return 1 | kReadsOutput; }

  static Tensor call(const Tensor& x, const Tensor& g) {
    static const LyapunovOp op;
    return record(op, x.shape(), x.dtype(), {x, g});
  }
};

class MatrixSqrthOp final : public BatchOp {
 public:
  MatrixSqrthOp() : BatchOp("linalg_matrix_sqrth") {}
  void run(std::span<const Block> in, double* out, const Attributes&) const override {
    const int64_t n = in[0].m;
    Matrix a(n * n), w(n), v(n * n), vt(n * n);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j <= i; ++j) a[i * n + j] = a[j * n + i] = in[0].data[i * n + j];
    check_converged("linalg.eigh", dense::eigh(a.data(), n, w.data(), v.data()));
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j) {
        vt[j * n + i] = v[i * n + j];
        v[i * n + j] *= std::sqrt(w[j]);
      }
    dense::multiply(v.data(), vt.data(), out, n, n, n);
  }
  // X dX + dX X = dA.
  Gradients gradient(const Backward& b) const override {
    const Tensor g = b.grad();
    return {LyapunovOp::call(b.output(), (g + mt(g)) * 0.5)};
  }
  uint32_t gradient_reads() const override { return kReadsOutput; }
};

/// [U | H]
class PolarOp final : public BatchOp {
 public:
  PolarOp() : BatchOp("linalg_polar") {}
  void run(std::span<const Block> in, double* out, const Attributes&) const override {
    const int64_t m = in[0].m, n = in[0].n;
    Matrix u(m * n), s(n), vt(n * n), v(n * n);
    check_converged("linalg.polar",
                    dense::svd(in[0].data, m, n, s.data(), u.data(), vt.data(), false));
    dense::multiply(u.data(), vt.data(), out, m, n, n);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j) v[i * n + j] = vt[j * n + i] * s[j];
    dense::multiply(v.data(), vt.data(), out + m * n, n, n, n);
  }
  // With the skew W = U^T dU: W H + H W = U^T dA - dA^T U, and dH = U^T dA - W H.
  Gradients gradient(const Backward& b) const override {
    const Shape& s = b.input_shape(0);
    const int64_t m = s[s.rank() - 2], n = s[s.rank() - 1];
    Parts made(b.output()), grads(b.grad());
    const Tensor u = made.next({m, n}), h = made.next({n, n});
    const Tensor gu = grads.next({m, n}), gh = grads.next({n, n});
    const Tensor utgu = matmul(mt(u), gu), middle = utgu - matmul(gh, h);
    const Tensor outside = solve_unchecked(h, mt(gu - matmul(u, utgu)));
    return {mt(outside) + matmul(u, gh + LyapunovOp::call(h, middle - mt(middle)))};
  }
  uint32_t gradient_reads() const override { return kReadsOutput; }
};

class MatrixExpOp final : public BatchOp {
 public:
  MatrixExpOp() : BatchOp("linalg_matrix_exp") {}
  void run(std::span<const Block> in, double* out, const Attributes&) const override {
    std::copy_n(in[0].data, in[0].m * in[0].n, out);
    dense::exponential(out, in[0].n);
  }
  // The exponential of [[A^T, g], [0, A^T]] has the derivative in its corner (Mathias 1996).
  Gradients gradient(const Backward& b) const override {
    const Tensor a = mt(b.input(0));
    const int64_t n = a.size(-1);
    const Tensor block = cat({cat({a, b.grad()}, -1), cat({zeros_like(a), a}, -1)}, -2);
    return {narrow(narrow(matrix_exp(block), -2, 0, n), -1, n, n)};
  }
  uint32_t gradient_reads() const override { return 1; }
};

/// (batch..., 2, 1): atol and rtol of every matrix.
Tensor tolerances(const Tensor& a, const Tolerance& t) {
  const Shape batch = batch_of(a);
  const auto line = [&](const Tensor& x) {
    return unsqueeze(unsqueeze(expand(cast(x, a.dtype()), batch), -1), -1);
  };
  const double eps = (a.dtype() == DType::kFloat64 ? std::numeric_limits<double>::epsilon()
                                                   : std::numeric_limits<float>::epsilon()) *
                     static_cast<double>(std::max(a.size(-1), a.size(-2)));
  Tensor atol = t.atol.defined() ? t.atol : zeros({}, a.dtype()), rtol = t.rtol;
  if (!rtol.defined())
    rtol = where(gt(cast(atol, a.dtype()), 0), zeros_like(atol, a.dtype()),
                 full_like(atol, eps, a.dtype()));
  return cat({line(atol.detach()), line(rtol.detach())}, -2);
}

/// H_0 H_1 ... applied to x from the left; backwards (their transpose) where asked.
Tensor reflected(const Tensor& a, const Tensor& tau, Tensor x, bool transpose) {
  const int64_t k = tau.size(-1), m = a.size(-2);
  const Tensor v = tril(narrow(a, -1, 0, k), -1) + identity(m, k, a.dtype());
  for (int64_t step = 0; step < k; ++step) {
    const int64_t i = transpose ? step : k - 1 - step;
    const Tensor column = narrow(v, -1, i, 1);
    const Tensor factor = unsqueeze(narrow(tau, -1, i, 1), -1);
    x = x - factor * matmul(column, matmul(mt(column), x));
  }
  // Without reflections, a tensor of its own all the same, which nothing moves.
  return k > 0 ? x : x + nothing_of(a, x.shape()) + nothing_of(tau, x.shape());
}

void check_reflections(const char* who, const Tensor& a, const Tensor& tau) {
  check_matrix(who, a);
  check(a.size(-2) >= a.size(-1),
        "{}: input.shape[-2] must be greater than or equal to input.shape[-1]", who);
  check(tau.dim() >= 1 && tau.size(-1) <= a.size(-1),
        "{}: input.shape[-1] must be greater than or equal to tau.shape[-1]", who);
  check(tau.dim() + 1 == a.dim(),
        "{}: Expected tau to have one dimension less than input, but got tau.ndim equal to {} and "
        "input.ndim is equal to {}",
        who, tau.dim(), a.dim());
  check(tau.dtype() == a.dtype(), "{}: tau dtype {} does not match input dtype {}", who,
        ops::scalar_type_name(tau.dtype()), ops::scalar_type_name(a.dtype()));
}

}  // namespace

Qr qr(const Tensor& a, bool complete) {
  static const QrOp op;
  check_matrix("linalg.qr", a);
  const int64_t m = a.size(-2), n = a.size(-1), p = q_columns(m, n, complete);
  Parts parts(record(op, with_batch(batch_of(a), {m * p + p * n}), a.dtype(), {a}, Full{complete}));
  const Tensor q = parts.next({m, p});
  return {q, parts.next({p, n})};
}

Qr geqrf(const Tensor& a) {
  static const GeqrfOp op;
  check_matrix("geqrf", a);
  const int64_t m = a.size(-2), n = a.size(-1), k = std::min(m, n);
  Parts parts(record(op, with_batch(batch_of(a), {m * n + k}), a.dtype(), {a}));
  const Tensor r = parts.next({m, n});
  return {r, parts.next({k})};
}

Tensor householder_product(const Tensor& a, const Tensor& tau) {
  check_reflections("torch.linalg.householder_product", a, tau);
  const Tensor start = identity(a.size(-2), a.size(-1), a.dtype());
  return reflected(a, tau, expand_batch(start, batch_of(a)), false);
}

Tensor ormqr(const Tensor& a, const Tensor& tau, const Tensor& b, bool left, bool transpose) {
  check_matrix("torch.ormqr", a);
  check_matrix("torch.ormqr", b);
  check(tau.dim() + 1 == a.dim(),
        "torch.ormqr: Expected tau to have one dimension less than input");
  check(b.size(left ? -2 : -1) == a.size(-2),
        "torch.ormqr: other.shape[{}] must be equal to input.shape[-2]", left ? -2 : -1);
  if (left) return reflected(a, tau, b, transpose);
  return mt(reflected(a, tau, mt(b), !transpose));
}

Eigh eigh(const Tensor& a, bool upper) {
  const int64_t n = a.dim() > 0 ? a.size(-1) : 0;
  Parts parts(record_eigh(a, upper, true));
  const Tensor w = parts.next({n});
  return {w, parts.next({n, n})};
}

Tensor eigvalsh(const Tensor& a, bool upper) {
  return grad_enabled() && a.requires_grad() ? eigh(a, upper).values : record_eigh(a, upper, false);
}

Svd svd(const Tensor& a, bool full) {
  Parts parts(record_svd(a, full, true));
  const int64_t m = a.size(-2), n = a.size(-1), k = std::min(m, n);
  const Tensor s = parts.next({k}), u = parts.next({m, full ? m : k});
  return {u, s, parts.next({full ? n : k, n})};
}

Tensor svdvals(const Tensor& a) {
  return grad_enabled() && a.requires_grad() ? svd(a, false).s : record_svd(a, false, false);
}

Tensor pinv(const Tensor& a, const Tolerance& tolerance, bool hermitian) {
  static const PinvOp op;
  check_matrix("linalg.pinv", a);
  if (hermitian) check_square("linalg.pinv", a);
  return record(op, with_batch(batch_of(a), {a.size(-1), a.size(-2)}), a.dtype(),
                {a, tolerances(a, tolerance)}, Hermitian{hermitian});
}

Tensor matrix_rank(const Tensor& a, const Tolerance& tolerance, bool hermitian) {
  check_matrix("linalg.matrix_rank", a);
  const NoGrad off;
  if (a.size(-1) == 0 || a.size(-2) == 0) return zeros(batch_of(a), DType::kInt64);
  const Tensor s = hermitian ? abs(eigvalsh(a)) : svdvals(a), t = tolerances(a, tolerance);
  const Tensor atol = squeeze(narrow(t, -2, 0, 1), -1), rtol = squeeze(narrow(t, -2, 1, 1), -1);
  return sum(gt(s, maximum(atol, rtol * amax(s, {-1}, true))), {-1});
}

Tensor matrix_sqrth(const Tensor& a) {
  static const MatrixSqrthOp op;
  check_square("linalg.matrix_sqrth", a);
  return record(op, a.shape(), a.dtype(), {a});
}

Polar polar(const Tensor& a) {
  static const PolarOp op;
  check_matrix("linalg.polar", a);
  const int64_t m = a.size(-2), n = a.size(-1);
  check(m >= n, "linalg.polar: A must have at least as many rows as columns, got {} by {}", m, n);
  Parts parts(record(op, with_batch(batch_of(a), {m * n + n * n}), a.dtype(), {a}));
  const Tensor u = parts.next({m, n});
  return {u, parts.next({n, n})};
}

Tensor matrix_exp(const Tensor& a) {
  static const MatrixExpOp op;
  check_square("linalg.matrix_exp", a);
  return record(op, a.shape(), a.dtype(), {a});
}

}  // namespace ballast::linalg
