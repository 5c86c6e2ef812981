// Linear algebra: `torch.linalg` as a module, and its older names as functions and methods.
#include "ballast/ops/linalg.h"

#include <cmath>
#include <limits>

#include "ballast/ops/compare.h"
#include "ballast/ops/create.h"
#include "ballast/ops/linear_algebra.h"
#include "ballast/ops/loss_margin.h"
#include "ballast/ops/matmul.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/view.h"
#include "results.h"

namespace ballast::python {
namespace {

using Class = nb::class_<Tensor>;
using T = const Tensor&;
using OptionalTensor = std::optional<Tensor>;

Tensor converted(T x, std::optional<DType> t) { return t ? cast(x, *t) : x; }

void check_pivot(const char* who, bool pivot) {
  check(pivot, "{}: LU without pivoting is not implemented on the CPU", who);
}

/// A tolerance given as a number or a tensor.
Tensor number_or_tensor(nb::handle h, DType t) {
  if (h.is_none()) return {};
  if (is_tensor(h)) return nb::cast<Tensor>(h);
  return full({}, nb::cast<double>(h), t);
}
linalg::Tolerance tolerance(T a, nb::handle atol, nb::handle rtol) {
  return {number_or_tensor(atol, a.dtype()), number_or_tensor(rtol, a.dtype())};
}

bool upper_triangle(const char* who, const std::string& uplo) {
  check(uplo == "L" || uplo == "U" || uplo == "l" || uplo == "u",
        "{}: Expected UPLO argument to be 'L' or 'U', but got {}", who, uplo);
  return uplo == "U" || uplo == "u";
}

void bind_equations(nb::module_& m) {
  const auto kw = nb::kw_only();
  const auto checked = ("check_errors"_a = false);
  m.def("solve", &linalg::solve, "A"_a, "B"_a, kw, "left"_a = true);
  m.def(
      "solve_ex",
      [](T a, T b, bool left, bool check_errors) {
        const auto r = linalg::solve_ex(a, b, left, check_errors);
        return named_tuple("linalg_solve_ex", r.value, r.info);
      },
      "A"_a, "B"_a, kw, "left"_a = true, checked);
  m.def("inv", &linalg::inv, "A"_a);
  m.def(
      "inv_ex",
      [](T a, bool check_errors) {
        const auto r = linalg::inv_ex(a, check_errors);
        return named_tuple("linalg_inv_ex", r.value, r.info);
      },
      "A"_a, kw, checked);
  m.def("det", &linalg::det, "A"_a);
  m.def(
      "slogdet",
      [](T a) {
        const auto r = linalg::slogdet(a);
        return named_tuple("linalg_slogdet", r.sign, r.logabsdet);
      },
      "A"_a);
  m.def("cholesky", &linalg::cholesky, "A"_a, kw, "upper"_a = false);
  m.def(
      "cholesky_ex",
      [](T a, bool upper, bool check_errors) {
        const auto r = linalg::cholesky_ex(a, upper, check_errors);
        return named_tuple("linalg_cholesky_ex", r.value, r.info);
      },
      "A"_a, kw, "upper"_a = false, checked);
  m.def(
      "solve_triangular",
      [](T a, T b, bool upper, bool left, bool unitriangular) {
        return linalg::solve_triangular(
            a, b, {.upper = upper, .left = left, .unitriangular = unitriangular});
      },
      "A"_a, "B"_a, kw, "upper"_a, "left"_a = true, "unitriangular"_a = false);
  m.def(
      "lstsq",
      [](T a, T b, std::optional<double> rcond, const std::optional<std::string>& driver) {
        const std::string way = driver.value_or("gelsy");
        check(way == "gels" || way == "gelsy" || way == "gelsd" || way == "gelss",
              "torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss) "
              "but got {}",
              way);
        const auto r = linalg::lstsq(a, b, rcond);
        const Tensor none = zeros({0}, a.dtype());
        const Tensor flat = reshape(r.residuals, Shape{r.residuals.numel()});
        return named_tuple("linalg_lstsq", r.solution,
                           way == "gelsy" ? clone(slice(flat, 0, 0, 0)) : r.residuals,
                           way == "gels" ? zeros({0}, DType::kInt64) : r.rank,
                           way == "gelsd" || way == "gelss" ? r.singular_values : none);
      },
      "A"_a, "B"_a, none_default("rcond"), kw, none_default("driver"));
}

void bind_factors(nb::module_& m) {
  const auto kw = nb::kw_only();
  const auto pivoted = ("pivot"_a = true), checked = ("check_errors"_a = false);
  const auto hermitian = ("hermitian"_a = false);
  m.def(
      "lu",
      [](T a, bool pivot) {
        check_pivot("linalg.lu", pivot);
        const auto f = linalg::lu_factor_ex(a);
        const auto r = linalg::lu_unpack(f.lu, f.pivots);
        return named_tuple("linalg_lu", r.p, r.l, r.u);
      },
      "A"_a, kw, pivoted);
  m.def(
      "lu_factor",
      [](T a, bool pivot) {
        check_pivot("linalg.lu_factor", pivot);
        const auto r = linalg::lu_factor(a);
        return named_tuple("linalg_lu_factor", r.lu, r.pivots);
      },
      "A"_a, kw, pivoted);
  m.def(
      "lu_factor_ex",
      [](T a, bool pivot, bool check_errors) {
        check_pivot("linalg.lu_factor_ex", pivot);
        const auto r = linalg::lu_factor_ex(a, check_errors);
        return named_tuple("linalg_lu_factor_ex", r.lu, r.pivots, r.info);
      },
      "A"_a, kw, pivoted, checked);
  m.def("lu_solve", &linalg::lu_solve, "LU"_a, "pivots"_a, "B"_a, kw, "left"_a = true,
        "adjoint"_a = false);
  m.def(
      "ldl_factor",
      [](T a, bool) {
        const auto r = linalg::ldl_factor_ex(a, true);
        return named_tuple("linalg_ldl_factor", r.lu, r.pivots);
      },
      "A"_a, kw, hermitian);
  m.def(
      "ldl_factor_ex",
      [](T a, bool, bool check_errors) {
        const auto r = linalg::ldl_factor_ex(a, check_errors);
        return named_tuple("linalg_ldl_factor_ex", r.lu, r.pivots, r.info);
      },
      "A"_a, kw, hermitian, checked);
  m.def(
      "ldl_solve", [](T ld, T pivots, T b, bool) { return linalg::ldl_solve(ld, pivots, b); },
      "LD"_a, "pivots"_a, "B"_a, kw, hermitian);
  m.def(
      "qr",
      [](T a, const std::string& mode) {
        check(mode == "reduced" || mode == "complete" || mode == "r",
              "linalg.qr: Unrecognized mode '{}'. Expected modes: 'reduced', 'complete', 'r'",
              mode);
        const auto r = linalg::qr(mode == "r" ? a.detach() : a, mode == "complete");
        return named_tuple("linalg_qr", mode == "r" ? zeros({0}, a.dtype()) : r.q, r.r);
      },
      "A"_a, "mode"_a = "reduced");
  m.def("householder_product", &linalg::householder_product, "A"_a, "tau"_a);
  m.def(
      "eigh",
      [](T a, const std::string& uplo) {
        const auto r = linalg::eigh(a, upper_triangle("linalg.eigh", uplo));
        return named_tuple("linalg_eigh", r.values, r.vectors);
      },
      "A"_a, "UPLO"_a = "L");
  m.def(
      "eigvalsh",
      [](T a, const std::string& uplo) {
        return linalg::eigvalsh(a, upper_triangle("linalg.eigvalsh", uplo));
      },
      "A"_a, "UPLO"_a = "L");
  m.def(
      "svd",
      [](T a, bool full, nb::object) {
        const auto r = linalg::svd(a, full);
        return named_tuple("linalg_svd", r.u, r.s, r.vh);
      },
      "A"_a, "full_matrices"_a = true, kw, none_default("driver"));
  m.def(
      "svdvals", [](T a, nb::object) { return linalg::svdvals(a); }, "A"_a, kw,
      none_default("driver"));
}

/// An order of a norm: a number or a name.
template <class F>
auto with_order(nb::handle order, F&& f) {
  return nb::isinstance<nb::str>(order) ? f(nb::cast<std::string>(order))
                                        : f(nb::cast<Scalar>(order).value());
}

Tensor vector_norm_of(T x, Scalar order, const std::optional<Dims>& dim, bool keepdim,
                      std::optional<DType> t) {
  const std::vector<int64_t> dims = dim ? dim->values : std::vector<int64_t>{};
  return vector_norm(converted(x, t), order.value(), dims, keepdim);
}

Tensor matrix_norm_of(T a, nb::object order, const Dims& dim, bool keepdim,
                      std::optional<DType> t) {
  return with_order(order, [&](const auto& o) {
    return linalg::matrix_norm(converted(a, t), o, dim.values, keepdim);
  });
}

Tensor norm_of(T a, nb::object order, const std::optional<Dims>& dim, bool keepdim,
               std::optional<DType> t) {
  if (order.is_none()) return vector_norm_of(a, 2, dim, keepdim, t);
  check(dim || a.dim() == 1 || a.dim() == 2,
        "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {}D.",
        a.dim());
  check(!dim || dim->values.size() == 1 || dim->values.size() == 2,
        "linalg.norm: If dim is specified, it must be of length 1 or 2. Got {}",
        dim ? dim->values.size() : 0);
  Dims over = dim.value_or(Dims{});
  for (int d = 0; !dim && d < a.dim(); ++d) over.values.push_back(d);
  if (over.values.size() == 2) return matrix_norm_of(a, order, over, keepdim, t);
  check(!nb::isinstance<nb::str>(order),
        "linalg.norm: orders with a name are of matrices, but one dimension was given");
  return vector_norm_of(a, nb::cast<Scalar>(order), over, keepdim, t);
}

void bind_norms(nb::module_& m) {
  const auto kw = nb::kw_only();
  const auto none = ("dim"_a = nb::none());
  const auto keepdim = ("keepdim"_a = false);
  const auto dtype = ("dtype"_a = nb::none());
  m.def("vector_norm", &vector_norm_of, "x"_a, "ord"_a = 2, none, keepdim, kw, dtype);
  m.def("matrix_norm", &matrix_norm_of, "A"_a, "ord"_a = "fro", "dim"_a = nb::make_tuple(-2, -1),
        keepdim, kw, dtype);
  m.def("norm", &norm_of, "A"_a, none_default("ord"), none, keepdim, kw, dtype);
  m.def(
      "cond",
      [](T a, nb::object p) {
        if (p.is_none()) return linalg::cond(a);
        return with_order(p, [&](const auto& order) { return linalg::cond(a, order); });
      },
      "A"_a, none_default("p"));
  const auto hermitian = ("hermitian"_a = false);
  m.def(
      "matrix_rank",
      [](T a, nb::object tol, bool h, nb::object atol, nb::object rtol) {
        // The older `tol` is absolute, and nothing else counts beside it.
        if (!tol.is_none()) return linalg::matrix_rank(a, tolerance(a, tol, nb::cast(0.0)), h);
        return linalg::matrix_rank(a, tolerance(a, atol, rtol), h);
      },
      "A"_a, none_default("tol"), hermitian, kw, none_default("atol"), none_default("rtol"));
}

void bind_composed(nb::module_& m) {
  const auto kw = nb::kw_only();
  const auto hermitian = ("hermitian"_a = false);
  m.def(
      "pinv",
      [](T a, nb::object atol, nb::object rtol, bool h) {
        return linalg::pinv(a, tolerance(a, atol, rtol), h);
      },
      "A"_a, kw, none_default("atol"), none_default("rtol"), hermitian);
  m.def(
      "pinv",
      [](T a, nb::object rcond, bool h) {
        return linalg::pinv(a, tolerance(a, nb::none(), rcond), h);
      },
      "A"_a, "rcond"_a, hermitian);
  m.def("matrix_exp", &linalg::matrix_exp, "A"_a);
  m.def("matrix_sqrth", &linalg::matrix_sqrth, "A"_a);
  m.def(
      "polar",
      [](T a) {
        const auto r = linalg::polar(a);
        return named_tuple("linalg_polar", r.u, r.h);
      },
      "A"_a);
  m.def("matrix_power", &linalg::matrix_power, "A"_a, "n"_a);
  m.def("multi_dot", &linalg::multi_dot, "tensors"_a);
  m.def("tensorinv", &linalg::tensorinv, "A"_a, "ind"_a = 2);
  m.def(
      "tensorsolve",
      [](T a, T b, nb::object dims) {
        return linalg::tensorsolve(
            a, b, dims.is_none() ? std::vector<int64_t>{} : nb::cast<Dims>(dims).values);
      },
      "A"_a, "B"_a, none_default("dims"));
  m.def("vander", &linalg::vander, "x"_a, kw, "N"_a = nb::none());
  m.def("vecdot", &linalg::vecdot, "x"_a, "y"_a, kw, "dim"_a = -1);
  m.def("cross", &linalg::cross, "input"_a, "other"_a, kw, "dim"_a = -1);
  m.def("diagonal", &diagonal, "A"_a, kw, "offset"_a = 0, "dim1"_a = -2, "dim2"_a = -1);
  m.def(
      "matmul", [](T a, T b) { return matmul(a, b); }, "input"_a, "other"_a);
}

void bind_older_factors(nb::module_& m, Class& c) {
  const auto upper = ("upper"_a = false);
  function_and_method(m, c, "cholesky", &linalg::cholesky, upper);
  function_and_method(m, c, "cholesky_inverse", &linalg::cholesky_inverse, upper);
  function_and_method(m, c, "cholesky_solve", &linalg::cholesky_solve, "input2"_a, upper);
  function_and_method(
      m, c, "lu",
      [](T a, bool pivot, bool get_infos) -> nb::object {
        check_pivot("lu", pivot);
        const auto f = linalg::lu_factor_ex(a, !get_infos);
        return get_infos ? nb::make_tuple(f.lu, f.pivots, f.info) : nb::make_tuple(f.lu, f.pivots);
      },
      "pivot"_a = true, "get_infos"_a = false);
  m.def(
      "lu_unpack",
      [](T lu, T pivots, bool data, bool permutation) {
        const auto r = linalg::lu_unpack(lu, pivots);
        const Tensor none = zeros({0}, lu.dtype());
        return named_tuple("lu_unpack", permutation ? r.p : none, data ? r.l : none,
                           data ? r.u : none);
      },
      "LU_data"_a, "LU_pivots"_a, "unpack_data"_a = true, "unpack_pivots"_a = true);
  function_and_method(
      m, c, "lu_solve", [](T b, T lu, T pivots) { return linalg::lu_solve(lu, pivots, b); },
      "LU_data"_a, "LU_pivots"_a);
  function_and_method(m, c, "geqrf", [](T a) {
    const auto r = linalg::geqrf(a);
    return named_tuple("geqrf", r.q, r.r);
  });
  function_and_method(m, c, "orgqr", &linalg::householder_product, "tau"_a);
  function_and_method(m, c, "ormqr", &linalg::ormqr, "tau"_a, "other"_a, "left"_a = true,
                      "transpose"_a = false);
  function_and_method(
      m, c, "triangular_solve",
      [](T b, T a, bool up, bool transpose, bool unit) {
        const linalg::TriangularOptions o{
            .upper = up, .unitriangular = unit, .transpose = transpose};
        Tensor x = linalg::solve_triangular(a, b, o);
        Shape batch(x.shape().dims().first(x.dim() - 2));
        batch.push_back(a.size(-2));
        batch.push_back(a.size(-1));
        return named_tuple("triangular_solve", x, clone(expand(a, batch)));
      },
      "A"_a, "upper"_a = true, "transpose"_a = false, "unitriangular"_a = false);
  function_and_method(
      m, c, "qr",
      [](T a, bool some) {
        const auto r = linalg::qr(a, !some);
        return named_tuple("qr", r.q, r.r);
      },
      "some"_a = true);
  function_and_method(
      m, c, "svd",
      [](T a, bool some, bool compute_uv) {
        if (compute_uv) {
          const auto r = linalg::svd(a, !some);
          return named_tuple("svd", r.u, r.s, transpose(r.vh, -2, -1));
        }
        Shape batch(a.shape().dims().first(std::max(a.dim() - 2, 0)));
        const auto square_zeros = [&](int64_t n) {
          Shape s = batch;
          s.push_back(n);
          s.push_back(n);
          return zeros(s, a.dtype());
        };
        const Tensor s = linalg::svdvals(a);
        return named_tuple("svd", square_zeros(a.size(-2)), s, square_zeros(a.size(-1)));
      },
      "some"_a = true, "compute_uv"_a = true);
}

void bind_older(nb::module_& m, Class& c) {
  function_and_method(m, c, "inverse", &linalg::inv);
  function_and_method(m, c, "det", &linalg::det);
  function_and_method(m, c, "logdet", [](T a) {
    const auto r = linalg::slogdet(a);
    return where(lt(r.sign, 0), std::numeric_limits<double>::quiet_NaN(), r.logabsdet);
  });
  function_and_method(m, c, "slogdet", [](T a) {
    const auto r = linalg::slogdet(a);
    return named_tuple("slogdet", r.sign, r.logabsdet);
  });
  function_and_method(
      m, c, "pinverse",
      [](T a, double rcond) { return linalg::pinv(a, {.rtol = full({}, rcond, a.dtype())}); },
      "rcond"_a = 1e-15);
  function_and_method(m, c, "matrix_exp", &linalg::matrix_exp);
  function_and_method(m, c, "matrix_power", &linalg::matrix_power, "n"_a);
}

}  // namespace

void bind_linalg(nb::module_& m, nb::class_<Tensor>& c) {
  nb::module_ sub = m.def_submodule("_linalg", "torch.linalg");
  nb::exception<linalg::LinAlgError>(sub, "LinAlgError", PyExc_RuntimeError);
  bind_equations(sub);
  bind_factors(sub);
  bind_norms(sub);
  bind_composed(sub);
  bind_older_factors(m, c);
  bind_older(m, c);
}

}  // namespace ballast::python
