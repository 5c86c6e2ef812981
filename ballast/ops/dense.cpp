#include "ballast/ops/dense.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace ballast::dense {
namespace {

constexpr double kEps = std::numeric_limits<double>::epsilon();

/// y += factor * x, and the inner product.
void add_scaled(double* y, const double* x, double factor, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] += factor * x[i];
}
double inner(const double* x, const double* y, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += x[i] * y[i];
  return sum;
}
/// The 2-norm, without overflow.
double length(const double* x, int64_t n, int64_t stride) {
  double largest = 0, sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double v = std::abs(x[i * stride]);
    if (std::isnan(v)) return v;
    largest = std::max(largest, v);
  }
  if (largest == 0 || std::isinf(largest)) return largest;
  for (int64_t i = 0; i < n; ++i) {
    const double v = x[i * stride] / largest;
    sum += v * v;
  }
  return largest * std::sqrt(sum);
}

/// Turns x (n elements) into the tail of a reflection's vector, its first element into what the
/// reflection makes of x; returns tau.
double make_reflection(double* x, int64_t n, int64_t stride) {
  const double tail = n > 1 ? length(x + stride, n - 1, stride) : 0;
  if (tail == 0) return 0;
  const double first = x[0], beta = -std::copysign(std::hypot(first, tail), first);
  for (int64_t i = 1; i < n; ++i) x[i * stride] /= first - beta;
  x[0] = beta;
  return (beta - first) / beta;
}

/// Applies I - tau v v^T, v = (1, x), from the left to rows [row, row + n) and columns
/// [from, columns) of `a`.
void reflect(double* a, int64_t columns, int64_t from, int64_t row, const double* x, int64_t n,
             int64_t stride, double tau, std::vector<double>& work) {
  const int64_t width = columns - from;
  if (tau == 0 || width <= 0) return;
  double* top = a + row * columns + from;
  work.assign(top, top + width);
  for (int64_t i = 1; i < n; ++i) add_scaled(work.data(), top + i * columns, x[i * stride], width);
  add_scaled(top, work.data(), -tau, width);
  for (int64_t i = 1; i < n; ++i)
    add_scaled(top + i * columns, work.data(), -tau * x[i * stride], width);
}

void transpose(const double* a, double* b, int64_t m, int64_t n) {
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) b[j * m + i] = a[i * n + j];
}

}  // namespace

void multiply(const double* a, const double* b, double* c, int64_t m, int64_t k, int64_t n) {
  std::fill_n(c, m * n, 0.0);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < k; ++j) add_scaled(c + i * n, b + j * n, a[i * k + j], n);
}

int64_t lu(double* a, int64_t m, int64_t n, int64_t* pivots) {
  int64_t zero = 0;
  for (int64_t k = 0; k < std::min(m, n); ++k) {
    int64_t best = k;
    for (int64_t i = k + 1; i < m; ++i)
      if (std::abs(a[i * n + k]) > std::abs(a[best * n + k])) best = i;
    pivots[k] = best;
    if (best != k) std::swap_ranges(a + k * n, a + (k + 1) * n, a + best * n);
    const double pivot = a[k * n + k];
    if (pivot == 0) {
      if (zero == 0) zero = k + 1;
      continue;
    }
    for (int64_t i = k + 1; i < m; ++i) {
      const double factor = a[i * n + k] /= pivot;
      if (factor != 0) add_scaled(a + i * n + k + 1, a + k * n + k + 1, -factor, n - k - 1);
    }
  }
  return zero;
}

int64_t cholesky(double* a, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      const double rest = a[i * n + j] - inner(a + i * n, a + j * n, j);
      if (j < i) {
        a[i * n + j] = rest / a[j * n + j];
      } else {
        if (!(rest > 0)) return i + 1;
        a[i * n + i] = std::sqrt(rest);
      }
    }
    std::fill(a + i * n + i + 1, a + (i + 1) * n, 0.0);
  }
  return 0;
}

void solve_triangular(const double* a, int64_t n, double* b, int64_t k, Triangle t) {
  const bool forwards = t.upper == t.transpose;  // the first row has one unknown
  for (int64_t step = 0; step < n; ++step) {
    const int64_t i = forwards ? step : n - 1 - step;
    double* row = b + i * k;
    for (int64_t s = 0; s < step; ++s) {
      const int64_t j = forwards ? s : n - 1 - s;
      const double factor = t.transpose ? a[j * n + i] : a[i * n + j];
      if (factor != 0) add_scaled(row, b + j * k, -factor, k);
    }
    if (!t.unit)
      for (int64_t c = 0; c < k; ++c) row[c] /= a[i * n + i];
  }
}

void qr(double* a, int64_t m, int64_t n, double* tau) {
  std::vector<double> work;
  for (int64_t k = 0; k < std::min(m, n); ++k) {
    double* x = a + k * n + k;
    tau[k] = make_reflection(x, m - k, n);
    reflect(a, n, k + 1, k, x, m - k, n, tau[k], work);
  }
}

void reflections(const double* a, int64_t m, int64_t n, const double* tau, int64_t k, double* q,
                 int64_t columns) {
  std::vector<double> work;
  std::fill_n(q, m * columns, 0.0);
  for (int64_t i = 0; i < std::min(m, columns); ++i) q[i * columns + i] = 1;
  for (int64_t i = k - 1; i >= 0; --i)
    reflect(q, columns, 0, i, a + i * n + i, m - i, n, tau[i], work);
}

namespace {

/// Reduces the symmetric `a` to a tridiagonal matrix T (diagonal d, beside it e): a = z^T T z, z (n
/// x n) unless null.
void tridiagonalize(double* a, int64_t n, double* d, double* e, double* z) {
  std::vector<double> taus(n), p(n), v(n), work;
  for (int64_t k = 0; k + 1 < n; ++k) {
    const int64_t size = n - k - 1;
    double* row = a + k * n + k + 1;  // by symmetry the column below the diagonal
    taus[k] = make_reflection(row, size, 1);
    d[k] = a[k * n + k];
    e[k] = row[0];
    if (taus[k] == 0) continue;
    std::copy_n(row, size, v.data());
    v[0] = 1;
    for (int64_t i = 0; i < size; ++i)
      p[i] = taus[k] * inner(a + (k + 1 + i) * n + k + 1, v.data(), size);
    add_scaled(p.data(), v.data(), -0.5 * taus[k] * inner(p.data(), v.data(), size), size);
    for (int64_t i = 0; i < size; ++i) {
      double* to = a + (k + 1 + i) * n + k + 1;
      add_scaled(to, p.data(), -v[i], size);
      add_scaled(to, v.data(), -p[i], size);
    }
  }
  if (n > 0) d[n - 1] = a[n * n - 1];
  if (!z) return;
  std::fill_n(z, n * n, 0.0);
  for (int64_t i = 0; i < n; ++i) z[i * n + i] = 1;
  // The product of the reflections, which are symmetric, in reverse: its transpose.
  for (int64_t k = 0; k + 1 < n; ++k)
    reflect(z, n, 0, k + 1, a + k * n + k + 1, n - k - 1, 1, taus[k], work);
}

/// One sweep of QL with an implicit shift over rows l ... m of a tridiagonal matrix.
void ql_sweep(int64_t l, int64_t m, int64_t n, double* d, double* e, double* z) {
  double g = (d[l + 1] - d[l]) / (2 * e[l]), r = std::hypot(g, 1.0);
  g = d[m] - d[l] + e[l] / (g + std::copysign(r, g));
  double s = 1, c = 1, p = 0;
  for (int64_t i = m - 1; i >= l; --i) {
    const double f = s * e[i], b = c * e[i];
    e[i + 1] = r = std::hypot(f, g);
    if (r == 0) {
      d[i + 1] -= p;
      e[m] = 0;
      return;
    }
    s = f / r;
    c = g / r;
    g = d[i + 1] - p;
    r = (d[i] - g) * s + 2 * c * b;
    p = s * r;
    d[i + 1] = g + p;
    g = c * r - b;
    if (!z) continue;
    double *low = z + i * n, *high = low + n;
    for (int64_t k = 0; k < n; ++k) {
      const double x = low[k], y = high[k];
      high[k] = s * x + c * y;
      low[k] = c * x - s * y;
    }
  }
  d[l] -= p;
  e[l] = g;
  e[m] = 0;
}

}  // namespace

bool eigh(double* a, int64_t n, double* w, double* v) {
  constexpr int kSweeps = 60;  // two are needed on average
  std::vector<double> e(n + 1), z(v ? n * n : 0);
  double* rows = v ? z.data() : nullptr;
  for (int64_t i = 0; i < n * n; ++i)
    if (!std::isfinite(a[i])) return false;
  tridiagonalize(a, n, w, e.data(), rows);
  for (int64_t l = 0; l < n; ++l) {
    for (int sweep = 0;; ++sweep) {
      int64_t m = l;
      while (m + 1 < n && std::abs(e[m]) > kEps * (std::abs(w[m]) + std::abs(w[m + 1]))) ++m;
      if (m == l) break;
      if (sweep == kSweeps) return false;
      ql_sweep(l, m, n, w, e.data(), rows);
    }
  }
  std::vector<int64_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) { return w[i] < w[j]; });
  const std::vector<double> unsorted(w, w + n);
  for (int64_t j = 0; j < n; ++j) {
    w[j] = unsorted[order[j]];
    if (v)
      for (int64_t i = 0; i < n; ++i) v[i * n + j] = z[order[j] * n + i];
  }
  return true;
}

namespace {

/// Rotates rows of `w` (n x n) until they are orthogonal: w becomes J w, `j` (n x n) J.
bool orthogonalize(double* w, double* j, int64_t n) {
  constexpr int kSweeps = 60;
  std::fill_n(j, n * n, 0.0);
  for (int64_t i = 0; i < n; ++i) j[i * n + i] = 1;
  const double tolerance = kEps * std::sqrt(static_cast<double>(std::max<int64_t>(n, 1)));
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    bool rotated = false;
    for (int64_t p = 0; p < n; ++p)
      for (int64_t q = p + 1; q < n; ++q) {
        double *x = w + p * n, *y = w + q * n;
        const double xx = inner(x, x, n), yy = inner(y, y, n), xy = inner(x, y, n);
        if (!(std::abs(xy) > tolerance * std::sqrt(xx) * std::sqrt(yy))) {
          if (std::isnan(xy)) return false;
          if (xx >= yy) continue;
          std::swap_ranges(x, x + n, y);
          std::swap_ranges(j + p * n, j + (p + 1) * n, j + q * n);
          continue;
        }
        rotated = true;
        const double zeta = (yy - xx) / (2 * xy);
        const double t = std::copysign(1 / (std::abs(zeta) + std::hypot(zeta, 1.0)), zeta);
        const double c = 1 / std::hypot(t, 1.0), s = c * t;
        for (double* u : {w, j}) {
          double *a = u + p * n, *b = u + q * n;
          for (int64_t k = 0; k < n; ++k) {
            const double first = a[k], second = b[k];
            a[k] = c * first - s * second;
            b[k] = s * first + c * second;
          }
        }
      }
    if (!rotated) return true;
  }
  return false;
}

/// Makes rows from ... count - 1 of `v` (n columns) unit vectors orthogonal to all before them.
void complete(double* v, int64_t from, int64_t count, int64_t n) {
  int64_t candidate = 0;
  for (int64_t i = from; i < count; ++i) {
    double* row = v + i * n;
    for (;; ++candidate) {
      std::fill_n(row, n, 0.0);
      row[candidate % n] = 1;
      for (int pass = 0; pass < 2; ++pass)
        for (int64_t k = 0; k < i; ++k) add_scaled(row, v + k * n, -inner(row, v + k * n, n), n);
      const double size = length(row, n, 1);
      // Some unit vector keeps sqrt((n - i)/n) of its length outside the others' span.
      if (size * size * 2 * static_cast<double>(n) < 1) continue;
      for (int64_t k = 0; k < n; ++k) row[k] /= size;
      ++candidate;
      break;
    }
  }
}

/// svd of a tall matrix.
bool tall_svd(const double* a, int64_t m, int64_t n, double* s, double* u, double* vt, bool full) {
  std::vector<double> factors(a, a + m * n), tau(n), w(n * n), j(n * n);
  // Singular values near the largest double would overflow when squared.
  double scale = 0;
  for (double x : factors) {
    if (!std::isfinite(x)) return false;
    scale = std::max(scale, std::abs(x));
  }
  if (scale > 0)
    for (double& x : factors) x /= scale;
  qr(factors.data(), m, n, tau.data());
  for (int64_t i = 0; i < n; ++i)
    std::copy(factors.data() + i * n + i, factors.data() + (i + 1) * n, w.data() + i * n + i);
  if (!orthogonalize(w.data(), j.data(), n)) return false;
  std::vector<double> lengths(n);
  std::vector<int64_t> order(n);
  for (int64_t i = 0; i < n; ++i) lengths[i] = length(w.data() + i * n, n, 1);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t x, int64_t y) { return lengths[x] > lengths[y]; });
  for (int64_t i = 0; i < n; ++i) s[i] = lengths[order[i]] * scale;
  if (!u) return true;
  int64_t rank = 0;
  for (; rank < n && lengths[order[rank]] > 0; ++rank)
    for (int64_t k = 0; k < n; ++k)
      vt[rank * n + k] = w[order[rank] * n + k] / lengths[order[rank]];
  complete(vt, rank, n, n);
  // u = Q J^T, by the reflections of Q.
  const int64_t columns = full ? m : n;
  std::vector<double> work;
  std::fill_n(u, m * columns, 0.0);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t k = 0; k < n; ++k) u[k * columns + i] = j[order[i] * n + k];
  for (int64_t i = n; i < columns; ++i) u[i * columns + i] = 1;
  for (int64_t i = n - 1; i >= 0; --i)
    reflect(u, columns, 0, i, factors.data() + i * n + i, m - i, n, tau[i], work);
  return true;
}

}  // namespace

bool svd(const double* a, int64_t m, int64_t n, double* s, double* u, double* vt, bool full) {
  if (m >= n) return tall_svd(a, m, n, s, u, vt, full);
  const int64_t rows = full ? n : m;
  std::vector<double> turned(m * n), left(u ? n * rows : 0), right(u ? m * m : 0);
  transpose(a, turned.data(), m, n);
  if (!tall_svd(turned.data(), n, m, s, u ? left.data() : nullptr, u ? right.data() : nullptr,
                full))
    return false;
  if (!u) return true;
  transpose(left.data(), vt, n, rows);
  transpose(right.data(), u, m, m);
  return true;
}

void exponential(double* a, int64_t n) {
  // Degree 13 is exact to double's last digits up to this 1-norm (Higham 2005, table 2.3).
  constexpr double kReach = 5.371920351148152;
  static const double kPade[] = {64764752532480000,
                                 32382376266240000,
                                 7771770303897600,
                                 1187353796428800,
                                 129060195264000,
                                 10559470521600,
                                 670442572800,
                                 33522128640,
                                 1323241920,
                                 40840800,
                                 960960,
                                 16380,
                                 182,
                                 1};
  const int64_t size = n * n;
  double norm = 0;
  for (int64_t j = 0; j < n; ++j) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += std::abs(a[i * n + j]);
    norm = std::max(norm, sum);
    if (!std::isfinite(sum)) {
      std::fill_n(a, size, std::numeric_limits<double>::quiet_NaN());
      return;
    }
  }
  int squarings = 0;
  for (; norm > kReach; norm /= 2) ++squarings;
  for (int64_t i = 0; i < size; ++i) a[i] = std::ldexp(a[i], -squarings);

  // Even powers; the odd half is a times a polynomial of them.
  std::vector<std::vector<double>> even(4, std::vector<double>(size));
  for (int64_t i = 0; i < n; ++i) even[0][i * n + i] = 1;
  multiply(a, a, even[1].data(), n, n, n);
  multiply(even[1].data(), even[1].data(), even[2].data(), n, n, n);
  multiply(even[1].data(), even[2].data(), even[3].data(), n, n, n);
  const auto half = [&](int first) {
    std::vector<double> high(size), out(size);
    for (int k = 1; k <= 3; ++k)
      add_scaled(high.data(), even[k].data(), kPade[6 + 2 * k + first], size);
    multiply(even[3].data(), high.data(), out.data(), n, n, n);
    for (int k = 0; k <= 3; ++k) add_scaled(out.data(), even[k].data(), kPade[2 * k + first], size);
    return out;
  };
  const std::vector<double> v = half(0), rest = half(1);
  std::vector<double> u(size), above(size), below(size);
  multiply(a, rest.data(), u.data(), n, n, n);
  for (int64_t i = 0; i < size; ++i) {
    above[i] = v[i] + u[i];
    below[i] = v[i] - u[i];
  }
  std::vector<int64_t> pivots(n);
  lu(below.data(), n, n, pivots.data());
  for (int64_t i = 0; i < n; ++i)
    if (pivots[i] != i)
      std::swap_ranges(above.data() + i * n, above.data() + (i + 1) * n,
                       above.data() + pivots[i] * n);
  solve_triangular(below.data(), n, above.data(), n, {.unit = true});
  solve_triangular(below.data(), n, above.data(), n, {.upper = true});
  for (; squarings > 0; --squarings) {
    multiply(above.data(), above.data(), u.data(), n, n, n);
    above.swap(u);
  }
  std::copy(above.begin(), above.end(), a);
}

namespace {

/// Exchanges rows and columns p < q of a symmetric matrix given by its lower triangle, of which the
/// columns before `from` are done with.
void exchange(double* a, int64_t n, int64_t from, int64_t p, int64_t q) {
  const auto at = [&](int64_t i, int64_t j) -> double& {
    return a[std::max(i, j) * n + std::min(i, j)];
  };
  for (int64_t k = from; k < n; ++k)
    if (k != p && k != q) std::swap(at(k, p), at(k, q));
  std::swap(at(p, p), at(q, q));
}

}  // namespace

int64_t ldl(double* a, int64_t n, int64_t* pivots) {
  const double alpha = (1 + std::sqrt(17.0)) / 8;  // bounds the growth of elements
  int64_t zero = 0;
  const auto at = [&](int64_t i, int64_t j) -> double& { return a[i * n + j]; };
  const auto symmetric = [&](int64_t i, int64_t j) { return i > j ? at(i, j) : at(j, i); };
  for (int64_t k = 0; k < n;) {
    int64_t r = k, step = 1, chosen = k;
    double below = 0;
    for (int64_t i = k + 1; i < n; ++i)
      if (std::abs(at(i, k)) > below) below = std::abs(at(r = i, k));
    const double diagonal = std::abs(at(k, k));
    if (std::max(diagonal, below) == 0) {
      if (zero == 0) zero = k + 1;
      pivots[k] = k + 1;
      ++k;
      continue;
    }
    if (diagonal < alpha * below) {
      double beside = 0;  // the largest element of row r off the diagonal
      for (int64_t j = k; j < n; ++j)
        if (j != r) beside = std::max(beside, std::abs(symmetric(r, j)));
      if (diagonal * beside >= alpha * below * below) {
        chosen = k;
      } else {
        chosen = r;
        if (std::abs(at(r, r)) < alpha * beside) step = 2;
      }
    }
    const int64_t moved = k + step - 1;
    if (chosen != moved) {
      exchange(a, n, k, moved, chosen);
      // In a block of two the element between both rows stays; that with row k moves.
    }
    if (step == 1) {
      const double d = at(k, k);
      for (int64_t j = k + 1; j < n; ++j)
        for (int64_t i = j; i < n; ++i) at(i, j) -= at(i, k) * at(j, k) / d;
      for (int64_t i = k + 1; i < n; ++i) at(i, k) /= d;
      pivots[k] = chosen + 1;
    } else {
      const double d11 = at(k, k), d21 = at(k + 1, k), d22 = at(k + 1, k + 1);
      const double det = d11 * d22 - d21 * d21;
      std::vector<double> first(n), second(n);
      for (int64_t i = k + 2; i < n; ++i) {
        first[i] = (at(i, k) * d22 - at(i, k + 1) * d21) / det;
        second[i] = (at(i, k + 1) * d11 - at(i, k) * d21) / det;
      }
      for (int64_t j = k + 2; j < n; ++j)
        for (int64_t i = j; i < n; ++i) at(i, j) -= first[i] * at(j, k) + second[i] * at(j, k + 1);
      for (int64_t i = k + 2; i < n; ++i) {
        at(i, k) = first[i];
        at(i, k + 1) = second[i];
      }
      pivots[k] = pivots[k + 1] = -(chosen + 1);
    }
    k += step;
  }
  return zero;
}

void ldl_solve(const double* a, int64_t n, const int64_t* pivots, double* b, int64_t k) {
  const auto row = [&](int64_t i) { return b + i * k; };
  const auto swap = [&](int64_t i, int64_t j) {
    if (i != j) std::swap_ranges(row(i), row(i) + k, row(j));
  };
  for (int64_t i = 0; i < n;) {
    const int64_t step = pivots[i] > 0 ? 1 : 2;
    swap(i + step - 1, std::abs(pivots[i]) - 1);
    for (int64_t j = i + step; j < n; ++j)
      for (int64_t s = 0; s < step; ++s) add_scaled(row(j), row(i + s), -a[j * n + i + s], k);
    if (step == 1) {
      for (int64_t c = 0; c < k; ++c) row(i)[c] /= a[i * n + i];
    } else {
      const double d11 = a[i * n + i], d21 = a[(i + 1) * n + i], d22 = a[(i + 1) * n + i + 1];
      const double det = d11 * d22 - d21 * d21;
      for (int64_t c = 0; c < k; ++c) {
        const double x = row(i)[c], y = row(i + 1)[c];
        row(i)[c] = (x * d22 - y * d21) / det;
        row(i + 1)[c] = (y * d11 - x * d21) / det;
      }
    }
    i += step;
  }
  for (int64_t i = n - 1; i >= 0;) {
    const int64_t step = pivots[i] > 0 ? 1 : 2, first = i - step + 1;
    for (int64_t s = 0; s < step; ++s)
      for (int64_t j = i + 1; j < n; ++j)
        add_scaled(row(first + s), row(j), -a[j * n + first + s], k);
    swap(i, std::abs(pivots[i]) - 1);
    i -= step;
  }
}

}  // namespace ballast::dense
