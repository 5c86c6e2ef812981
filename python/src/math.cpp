// Functions of numbers, products, order and positions: as functions of the module and as methods.
#include "ballast/ops/math.h"

#include <nanobind/operators.h>

#include <cmath>
#include <limits>

#include "ballast/ops/compare.h"
#include "ballast/ops/create.h"
#include "ballast/ops/index.h"
#include "ballast/ops/linear_algebra.h"
#include "ballast/ops/loss_margin.h"
#include "ballast/ops/matmul.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"
#include "results.h"

namespace ballast::python {
namespace {

using Class = nb::class_<Tensor>;
using T = const Tensor&;

/// A function of the module that is also a method.
template <class F, class... Extra>
void both(nb::module_& m, Class& c, const char* name, F f, const Extra&... extra) {
  c.def(name, f, extra...);
  m.def(name, f, "input"_a, extra...);
}

void bind_functions(nb::module_& m, Class& c) {
  using Unary = Tensor (*)(T);
  const std::pair<const char*, Unary> list[] = {{"sin", sin},
                                                {"cos", cos},
                                                {"tan", tan},
                                                {"asin", asin},
                                                {"acos", acos},
                                                {"atan", atan},
                                                {"sinh", sinh},
                                                {"cosh", cosh},
                                                {"asinh", asinh},
                                                {"acosh", acosh},
                                                {"atanh", atanh},
                                                {"erf", erf},
                                                {"erfc", erfc},
                                                {"expm1", expm1},
                                                {"log1p", log1p},
                                                {"exp2", exp2},
                                                {"log2", log2},
                                                {"log10", log10},
                                                {"lgamma", lgamma},
                                                {"digamma", digamma},
                                                {"floor", floor},
                                                {"ceil", ceil},
                                                {"trunc", trunc},
                                                {"frac", frac},
                                                {"sign", sign},
                                                {"trace", trace},
                                                {"arcsin", asin},
                                                {"arccos", acos},
                                                {"fix", trunc},
                                                {"arctan", atan},
                                                {"arcsinh", asinh},
                                                {"arccosh", acosh},
                                                {"sgn", sign},
                                                {"arctanh", atanh},
                                                {"bitwise_not", bitwise_not}};
  for (const auto& [name, f] : list) both(m, c, name, f);
  both(
      m, c, "round",
      [](T x, int64_t decimals) {
        if (decimals == 0) return round(x);
        const double scale = std::pow(10.0, static_cast<double>(decimals));
        return round(x * scale) / scale;
      },
      nb::kw_only(), "decimals"_a = 0);
  both(
      m, c, "nan_to_num",
      [](T x, double nan, std::optional<double> positive, std::optional<double> negative) {
        const bool single = x.dtype() == DType::kFloat32;
        const double largest =
            single ? std::numeric_limits<float>::max() : std::numeric_limits<double>::max();
        return nan_to_num(x, nan, positive.value_or(largest), negative.value_or(-largest));
      },
      "nan"_a = 0.0, "posinf"_a = nb::none(), "neginf"_a = nb::none());
}

/// Two operands, the second of which may be a number.
void bind_pair(nb::module_& m, Class& c, const char* name, Tensor (*f)(T, T)) {
  both(m, c, name, f, "other"_a);
  both(
      m, c, name, [f](T a, Scalar b) { return f(a, b.beside(a)); }, "other"_a);
}

void bind_pairs(nb::module_& m, Class& c) {
  bind_pair(m, c, "fmod", fmod);
  bind_pair(m, c, "bitwise_and", bitwise_and);
  bind_pair(m, c, "bitwise_or", bitwise_or);
  bind_pair(m, c, "bitwise_xor", bitwise_xor);
  bind_pair(m, c, "bitwise_left_shift", bitwise_left_shift);
  bind_pair(m, c, "bitwise_right_shift", bitwise_right_shift);
  bind_pair(m, c, "_floor_divide", floor_divide);
  bind_pair(m, c, "_remainder", remainder);
  both(m, c, "hypot", &hypot, "other"_a);
  both(m, c, "atan2", &atan2, "other"_a);
  both(m, c, "arctan2", &atan2, "other"_a);
  both(m, c, "logaddexp", &logaddexp, "other"_a);
  both(
      m, c, "pow", [](T a, T b) { return pow(a, b); }, "exponent"_a);
  m.def(
      "pow", [](Scalar a, T b) { return pow(a.beside(b), b); }, "self"_a, "exponent"_a);
  c.def(
      "__pow__", [](T a, T b) { return pow(a, b); }, nb::is_operator());
  both(
      m, c, "lerp", [](T a, T b, T w) { return lerp(a, b, w); }, "end"_a, "weight"_a);
  both(
      m, c, "lerp",
      [](T a, T b, double w) {
        const DType t = a.dtype();
        check(is_floating(t) && b.dtype() == t,
              "lerp: expected tensors of the same floating-point dtype, got {} and {}", name_of(t),
              name_of(b.dtype()));
        const Tensor x = ops::widened(a), y = ops::widened(b);
        const Tensor z = x + (y - x) * w;
        return is_half(t) ? cast(z, t) : z;
      },
      "end"_a, "weight"_a);
  const auto kw = nb::kw_only();
  const auto one = ("value"_a = 1);
  both(
      m, c, "addcmul", [](T x, T a, T b, Scalar v) { return x + a * b * v; }, "tensor1"_a,
      "tensor2"_a, kw, one);
  both(
      m, c, "addcdiv", [](T x, T a, T b, Scalar v) { return x + a / b * v; }, "tensor1"_a,
      "tensor2"_a, kw, one);
  both(
      m, c, "clamp",
      [](T x, const Tensor* low, const Tensor* high) {
        check(low || high, "torch.clamp: At least one of 'min' or 'max' must not be None");
        const Tensor y = low ? maximum(x, *low) : x;
        return high ? minimum(y, *high) : y;
      },
      none_default("min"), none_default("max"));
}

void bind_products(nb::module_& m, Class& c) {
  both(m, c, "mv", &mv, "vec"_a);
  both(m, c, "dot", &dot, "tensor"_a);
  both(m, c, "outer", &outer, "vec2"_a);
  both(m, c, "ger", &outer, "vec2"_a);
  const auto kw = nb::kw_only();
  const auto beta = ("beta"_a = 1), alpha = ("alpha"_a = 1);
  both(m, c, "addmm", &addmm, "mat1"_a, "mat2"_a, kw, beta, alpha);
  both(m, c, "baddbmm", &baddbmm, "batch1"_a, "batch2"_a, kw, beta, alpha);
  both(m, c, "addbmm", &addbmm, "batch1"_a, "batch2"_a, kw, beta, alpha);
  both(m, c, "addmv", &addmv, "mat"_a, "vec"_a, kw, beta, alpha);
  both(m, c, "addr", &addr, "vec1"_a, "vec2"_a, kw, beta, alpha);
  both(m, c, "diagonal", &diagonal, "offset"_a = 0, "dim1"_a = 0, "dim2"_a = 1);
  both(m, c, "diag", &diag, "diagonal"_a = 0);
  both(
      m, c, "diag_embed", [](T x, int64_t offset) { return diag_embed(x, offset); },
      "offset"_a = 0);
  m.def(
      "cdist", [](T a, T b, double p, nb::object) { return cdist(a, b, p); }, "x1"_a, "x2"_a,
      "p"_a = 2.0, "compute_mode"_a = nb::none());
  both(
      m, c, "prod",
      [](T x, std::optional<DType> t) { return in_type(t, x, [](T y) { return prod(y); }); }, kw,
      "dtype"_a = nb::none());
  both(
      m, c, "prod",
      [](T x, int64_t dim, bool keepdim, std::optional<DType> t) {
        return in_type(t, x, [&](T y) { return prod(y, dim, keepdim); });
      },
      "dim"_a, "keepdim"_a = false, kw, "dtype"_a = nb::none());
  both(
      m, c, "cumprod",
      [](T x, int64_t dim, std::optional<DType> t) {
        return in_type(t, x, [&](T y) { return cumprod(y, dim); });
      },
      "dim"_a, kw, "dtype"_a = nb::none());
}

nb::object named(const char* type, const Indexed& r) {
  return nb::module_::import_("ballast._types").attr(type)(r.values, r.indices);
}

void bind_order(nb::module_& m, Class& c) {
  both(m, c, "median", [](T x) { return median(x); });
  both(
      m, c, "median",
      [](T x, int64_t dim, bool keepdim) { return named("median", median(x, dim, keepdim)); },
      "dim"_a, "keepdim"_a = false);
  both(
      m, c, "kthvalue",
      [](T x, int64_t k, int64_t dim, bool keepdim) {
        return named("kthvalue", kthvalue(x, k, dim, keepdim));
      },
      "k"_a, "dim"_a = -1, "keepdim"_a = false);
  both(
      m, c, "roll",
      [](T x, const Dims& shifts, const std::optional<Dims>& dims) {
        return dims ? roll(x, shifts.values, dims->values) : roll(x, shifts.values);
      },
      "shifts"_a, "dims"_a = nb::none());
  m.def("_unique", [](T x) {
    const Unique u = unique(x);
    return nb::make_tuple(u.values, u.inverse, u.counts);
  });
}

void bind_scatters(nb::module_& m, Class& c) {
  both(m, c, "index_add", &index_add, "dim"_a, "index"_a, "source"_a, nb::kw_only(),
       "alpha"_a = 1.0);
  both(
      m, c, "_scatter",
      [](T x, int64_t dim, T index, T src) { return scatter(x, dim, index, src); }, "dim"_a,
      "index"_a, "src"_a);
  both(
      m, c, "_scatter",
      [](T x, int64_t dim, T index, double value) { return scatter(x, dim, index, value); },
      "dim"_a, "index"_a, "value"_a);
}

}  // namespace

void bind_math(nb::module_& m, nb::class_<Tensor>& c) {
  bind_functions(m, c);
  bind_pairs(m, c);
  bind_products(m, c);
  bind_order(m, c);
  bind_scatters(m, c);
}

}  // namespace ballast::python
