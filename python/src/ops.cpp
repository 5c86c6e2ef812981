// Operations: as functions of the module and as methods of Tensor.
#include <nanobind/operators.h>

#include "ballast/ops/activation.h"
#include "ballast/ops/compare.h"
#include "ballast/ops/create.h"
#include "ballast/ops/extremes.h"
#include "ballast/ops/index.h"
#include "ballast/ops/matmul.h"
#include "ballast/ops/print.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/softmax.h"
#include "ballast/ops/statistics.h"
#include "ballast/ops/view.h"
#include "results.h"

namespace ballast::python {
namespace {

using Class = nb::class_<Tensor>;

/// A function of the module that is also a method.
template <class F, class... Extra>
void both(nb::module_& m, Class& c, const char* name, F f, const Extra&... extra) {
  c.def(name, f, extra...);
  m.def(name, f, "input"_a, extra...);
}

void bind_unary(nb::module_& m, Class& c) {
  using Unary = Tensor (*)(const Tensor&);
  const std::pair<const char*, Unary> list[] = {
      {"neg", neg},         {"abs", abs},     {"square", square},
      {"sqrt", sqrt},       {"rsqrt", rsqrt}, {"reciprocal", reciprocal},
      {"exp", exp},         {"log", log},     {"tanh", tanh},
      {"sigmoid", sigmoid}, {"relu", relu},   {"logical_not", logical_not},
      {"isnan", isnan},     {"isinf", isinf}, {"isfinite", isfinite}};
  for (const auto& [name, f] : list) both(m, c, name, f);
  c.def("__neg__", [](const Tensor& x) { return neg(x); })
      .def("__pos__", [](const Tensor& x) { return x; })
      .def("__abs__", [](const Tensor& x) { return abs(x); });
}

/// Operators and functions of two operands, either of which may be a number.
template <class TT, class TS>
void binary(nb::module_& m, Class& c, const char* name, const char* op, TT tt, TS ts) {
  c.def(op, tt, nb::is_operator()).def(op, ts, nb::is_operator());
  both(m, c, name, tt, "other"_a);
  both(m, c, name, ts, "other"_a);
}

void bind_arithmetic(nb::module_& m, Class& c) {
  using T = const Tensor&;
  binary(
      m, c, "mul", "__mul__", [](T a, T b) { return a * b; }, [](T a, Scalar b) { return a * b; });
  binary(
      m, c, "div", "__truediv__", [](T a, T b) { return a / b; },
      [](T a, Scalar b) { return a / b; });
  c.def(
       "__add__", [](T a, T b) { return a + b; }, nb::is_operator())
      .def(
          "__add__", [](T a, Scalar b) { return a + b; }, nb::is_operator())
      .def(
          "__sub__", [](T a, T b) { return a - b; }, nb::is_operator())
      .def(
          "__sub__", [](T a, Scalar b) { return a - b; }, nb::is_operator())
      .def(
          "__radd__", [](T a, Scalar b) { return b + a; }, nb::is_operator())
      .def(
          "__rsub__", [](T a, Scalar b) { return b - a; }, nb::is_operator())
      .def(
          "__rmul__", [](T a, Scalar b) { return b * a; }, nb::is_operator())
      .def(
          "__rtruediv__", [](T a, Scalar b) { return b / a; }, nb::is_operator())
      .def(
          "__matmul__", [](T a, T b) { return matmul(a, b); }, nb::is_operator())
      .def(
          "__pow__", [](T a, Scalar b) { return pow(a, b); }, nb::is_operator());
  const auto add_scaled = [](T a, T b, Scalar alpha) {
    return alpha.integral() && alpha.value() == 1 ? a + b : a + b * alpha;
  };
  const auto add_number = [](T a, Scalar b, Scalar alpha) {
    return alpha.integral() && alpha.value() == 1 ? a + b : a + Scalar(b.value() * alpha.value());
  };
  const auto sub_scaled = [](T a, T b, Scalar alpha) {
    return alpha.integral() && alpha.value() == 1 ? a - b : a - b * alpha;
  };
  const auto sub_number = [](T a, Scalar b, Scalar alpha) {
    return alpha.integral() && alpha.value() == 1 ? a - b : a - Scalar(b.value() * alpha.value());
  };
  const auto alpha = ("alpha"_a = 1);
  both(m, c, "add", add_scaled, "other"_a, nb::kw_only(), alpha);
  both(m, c, "add", add_number, "other"_a, nb::kw_only(), alpha);
  both(m, c, "sub", sub_scaled, "other"_a, nb::kw_only(), alpha);
  both(m, c, "sub", sub_number, "other"_a, nb::kw_only(), alpha);
  both(
      m, c, "pow", [](T a, Scalar b) { return pow(a, b); }, "exponent"_a);
  both(
      m, c, "matmul", [](T a, T b) { return matmul(a, b); }, "other"_a);
  both(
      m, c, "mm", [](T a, T b) { return mm(a, b); }, "mat2"_a);
  both(
      m, c, "bmm", [](T a, T b) { return bmm(a, b); }, "mat2"_a);
  both(
      m, c, "maximum", [](T a, T b) { return maximum(a, b); }, "other"_a);
  both(
      m, c, "minimum", [](T a, T b) { return minimum(a, b); }, "other"_a);
}

void bind_comparison(nb::module_& m, Class& c) {
  using T = const Tensor&;
  const auto def = [&](const char* name, const char* op, Tensor (*tt)(T, T),
                       Tensor (*ts)(T, Scalar)) { binary(m, c, name, op, tt, ts); };
  def("eq", "__eq__", eq, eq);
  def("ne", "__ne__", ne, ne);
  def("lt", "__lt__", lt, lt);
  def("le", "__le__", le, le);
  def("gt", "__gt__", gt, gt);
  def("ge", "__ge__", ge, ge);
  both(m, c, "logical_and", logical_and, "other"_a);
  both(m, c, "logical_or", logical_or, "other"_a);
  both(m, c, "logical_xor", logical_xor, "other"_a);
  m.def("where", [](T condition, T a, T b) { return where(condition, a, b); });
  m.def("where", [](T condition, T a, Scalar b) { return where(condition, a, b); });
  m.def("where", [](T condition, Scalar a, T b) { return where(condition, a, b); });
  m.def("where", [](T condition, Scalar a, Scalar b) {
    return where(condition, full(condition.shape(), a), b);
  });
  c.def("where", [](T a, T condition, T b) {
     return where(condition, a, b);
   }).def("where", [](T a, T condition, Scalar b) { return where(condition, a, b); });
  both(
      m, c, "masked_fill", [](T x, T mask, Scalar v) { return masked_fill(x, mask, v); }, "mask"_a,
      "value"_a);
  both(
      m, c, "clamp",
      [](T x, std::optional<Scalar> low, std::optional<Scalar> high) {
        return clamp(x, low, high);
      },
      "min"_a = nb::none(), "max"_a = nb::none());
}

std::vector<int64_t> dims_or_all(const std::optional<Dims>& d) {
  return d ? d->values : std::vector<int64_t>{};
}

void bind_reductions(nb::module_& m, Class& c) {
  using T = const Tensor&;
  using O = std::optional<Dims>;
  const auto dim = ("dim"_a = nb::none());
  const auto keepdim = ("keepdim"_a = false);
  const auto def = [&](const char* name, Tensor (*f)(T, const std::vector<int64_t>&, bool)) {
    both(
        m, c, name,
        [f](T x, O d, bool keep, std::optional<DType> type) {
          return in_type(type, x, [&](T y) { return f(y, dims_or_all(d), keep); });
        },
        dim, keepdim, nb::kw_only(), "dtype"_a = nb::none());
  };
  def("sum", sum);
  def("mean", mean);
  def("all", all);
  def("any", any);
  def("amax", amax);
  def("amin", amin);
  const auto spread = [&](const char* name,
                          Tensor (*f)(T, const std::vector<int64_t>&, bool, bool)) {
    both(
        m, c, name,
        [f](T x, O d, bool unbiased, int64_t correction, bool keep) {
          check<NotImplementedError>(correction == 0 || correction == 1,
                                     "correction is 0 or 1 here, got {}", correction);
          return f(x, dims_or_all(d), unbiased && correction == 1, keep);
        },
        dim, "unbiased"_a = true, nb::kw_only(), "correction"_a = 1, keepdim);
    both(
        m, c, name, [f](T x, bool unbiased) { return f(x, {}, unbiased, false); }, "unbiased"_a);
  };
  spread("var", var);
  spread("std", ballast::std);
  both(
      m, c, "norm",
      [](T x, Scalar p, O d, bool keep) {
        check<NotImplementedError>(p.value() == 2, "norm: the 2-norm is supported, got p={}",
                                   p.value());
        return norm(x, dims_or_all(d), keep);
      },
      "p"_a = 2, dim, keepdim);
  both(
      m, c, "count_nonzero", [](T x, O d) { return count_nonzero(x, dims_or_all(d)); }, dim);
  both(
      m, c, "cumsum", [](T x, int64_t d) { return cumsum(x, d); }, "dim"_a);
  both(
      m, c, "softmax",
      [](T x, int64_t d, std::optional<DType> t) { return softmax(t ? cast(x, *t) : x, d); },
      "dim"_a, "dtype"_a = nb::none());
  both(
      m, c, "log_softmax",
      [](T x, int64_t d, std::optional<DType> t) { return log_softmax(t ? cast(x, *t) : x, d); },
      "dim"_a, "dtype"_a = nb::none());
  both(
      m, c, "logsumexp", [](T x, int64_t d, bool keep) { return logsumexp(x, d, keep); }, "dim"_a,
      keepdim);
}

/// Values and positions, as the named tuples that PyTorch returns.
nb::object named(const char* type, const Indexed& r) {
  return nb::module_::import_("ballast._types").attr(type)(r.values, r.indices);
}

void bind_extremes(nb::module_& m, Class& c) {
  using T = const Tensor&;
  const auto keepdim = ("keepdim"_a = false);
  both(m, c, "max", [](T x) { return max(x); });
  both(
      m, c, "max", [](T x, T o) { return maximum(x, o); }, "other"_a);
  both(
      m, c, "max", [](T x, int64_t d, bool k) { return named("max", max(x, d, k)); }, "dim"_a,
      keepdim);
  both(m, c, "min", [](T x) { return min(x); });
  both(
      m, c, "min", [](T x, T o) { return minimum(x, o); }, "other"_a);
  both(
      m, c, "min", [](T x, int64_t d, bool k) { return named("min", min(x, d, k)); }, "dim"_a,
      keepdim);
  both(
      m, c, "argmax",
      [](T x, std::optional<int64_t> d, bool k) { return d ? argmax(x, *d, k) : argmax(x); },
      "dim"_a = nb::none(), keepdim);
  both(
      m, c, "argmin",
      [](T x, std::optional<int64_t> d, bool k) { return d ? argmin(x, *d, k) : argmin(x); },
      "dim"_a = nb::none(), keepdim);
  both(
      m, c, "argsort", [](T x, int64_t d, bool down) { return argsort(x, d, down); }, "dim"_a = -1,
      "descending"_a = false);
  both(
      m, c, "sort", [](T x, int64_t d, bool down) { return named("sort", sort(x, d, down)); },
      "dim"_a = -1, "descending"_a = false);
  both(
      m, c, "topk",
      [](T x, int64_t k, int64_t d, bool largest, bool) {
        return named("topk", topk(x, k, d, largest));
      },
      "k"_a, "dim"_a = -1, "largest"_a = true, "sorted"_a = true);
}

/// reshape, but where that would copy it throws, as PyTorch does.
Tensor viewed(const Tensor& x, const std::vector<int64_t>& sizes) {
  const Tensor out = reshape(x, sizes);
  ops::check_viewable(x, out.shape());
  return out;
}

void bind_shapes(nb::module_& m, Class& c) {
  using T = const Tensor&;
  c.def(
      "view",
      [](T x, DType t) {
        if (t == x.dtype()) return x;
        const nb::object reinterpreted =
            nb::module_::import_("ballast._tensor").attr("reinterpreted");
        return nb::cast<Tensor>(reinterpreted(x, dtype_object(t)));
      },
      "dtype"_a);
  c.def("view", [](T x, nb::args sizes) { return viewed(x, sizes_from(sizes)); })
      .def("reshape", [](T x, nb::args sizes) { return reshape(x, sizes_from(sizes)); })
      .def("view_as", [](T x, T o) { return reshape(x, o.shape()); })
      .def("reshape_as", [](T x, T o) { return reshape(x, o.shape()); })
      .def("permute", [](T x, nb::args dims) { return permute(x, sizes_from(dims)); })
      .def("repeat", [](T x, nb::args sizes) { return repeat(x, sizes_from(sizes)); })
      .def("flip", [](T x, nb::args dims) { return flip(x, sizes_from(dims)); })
      .def("expand",
           [](T x, nb::args sizes) {
             auto s = sizes_from(sizes);
             const int64_t lead = static_cast<int64_t>(s.size()) - x.dim();
             for (int64_t d = std::max<int64_t>(lead, 0); d < static_cast<int64_t>(s.size()); ++d)
               if (s[d] == -1) s[d] = x.shape()[static_cast<int>(d - lead)];
             for (int64_t n : s)
               check(n >= 0, "expand: the expanded size ({}) isn't allowed in a new dimension", n);
             return expand(x, shape_from(s));
           })
      .def("expand_as", [](T x, T o) { return expand(x, o.shape()); });
  both(
      m, c, "as_strided",
      [](T x, const Dims& size, const Dims& stride, std::optional<int64_t> offset) {
        return as_strided(x, shape_from(size.values), stride.values, offset);
      },
      "size"_a, "stride"_a, "storage_offset"_a = nb::none());
  c.def(
      "unfold",
      [](T x, int64_t dim, int64_t size, int64_t step) { return unfold(x, dim, size, step); },
      "dimension"_a, "size"_a, "step"_a);
  m.def(
      "reshape", [](T x, const Dims& d) { return reshape(x, d.values); }, "input"_a, "shape"_a);
  m.def(
      "permute", [](T x, const Dims& d) { return permute(x, d.values); }, "input"_a, "dims"_a);
  m.def(
      "flip", [](T x, const Dims& d) { return flip(x, d.values); }, "input"_a, "dims"_a);
  both(
      m, c, "flatten", [](T x, int64_t a, int64_t b) { return flatten(x, a, b); },
      "start_dim"_a = 0, "end_dim"_a = -1);
  both(
      m, c, "transpose", [](T x, int64_t a, int64_t b) { return transpose(x, a, b); }, "dim0"_a,
      "dim1"_a);
  both(
      m, c, "movedim", [](T x, int64_t a, int64_t b) { return movedim(x, a, b); }, "source"_a,
      "destination"_a);
  both(m, c, "t", [](T x) { return t(x); });
  c.def_prop_ro("T", [](T x) {
    if (x.dim() <= 2) return t(x);
    std::vector<int64_t> dims(x.dim());
    for (int i = 0; i < x.dim(); ++i) dims[i] = x.dim() - 1 - i;
    return permute(x, dims);
  });
  c.def_prop_ro("mT", [](T x) { return transpose(x, -2, -1); });
  both(m, c, "squeeze", [](T x) { return squeeze(x); });
  both(
      m, c, "squeeze", [](T x, int64_t d) { return squeeze(x, d); }, "dim"_a);
  both(
      m, c, "unsqueeze", [](T x, int64_t d) { return unsqueeze(x, d); }, "dim"_a);
  both(
      m, c, "select", [](T x, int64_t d, int64_t i) { return select(x, d, i); }, "dim"_a,
      "index"_a);
  both(
      m, c, "narrow", [](T x, int64_t d, int64_t from, int64_t n) { return narrow(x, d, from, n); },
      "dim"_a, "start"_a, "length"_a);
  both(
      m, c, "tril", [](T x, int64_t d) { return tril(x, d); }, "diagonal"_a = 0);
  both(
      m, c, "triu", [](T x, int64_t d) { return triu(x, d); }, "diagonal"_a = 0);
  const auto pieces = [](const std::vector<Tensor>& v) { return nb::tuple(nb::cast(v)); };
  both(
      m, c, "split", [pieces](T x, int64_t size, int64_t d) { return pieces(split(x, size, d)); },
      "split_size_or_sections"_a, "dim"_a = 0);
  both(
      m, c, "split",
      [pieces](T x, const Dims& sizes, int64_t d) { return pieces(split(x, sizes.values, d)); },
      "split_size_or_sections"_a, "dim"_a = 0);
  both(
      m, c, "chunk", [pieces](T x, int64_t n, int64_t d) { return pieces(chunk(x, n, d)); },
      "chunks"_a, "dim"_a = 0);
  m.def(
      "cat", [](const std::vector<Tensor>& v, int64_t d) { return cat(v, d); }, "tensors"_a,
      "dim"_a = 0);
  m.def(
      "stack", [](const std::vector<Tensor>& v, int64_t d) { return stack(v, d); }, "tensors"_a,
      "dim"_a = 0);
  both(
      m, c, "index_select", [](T x, int64_t d, T index) { return index_select(x, d, index); },
      "dim"_a, "index"_a);
  both(
      m, c, "gather", [](T x, int64_t d, T index) { return gather(x, d, index); }, "dim"_a,
      "index"_a);
  both(
      m, c, "scatter_add",
      [](T x, int64_t d, T index, T src) { return scatter_add(x, d, index, src); }, "dim"_a,
      "index"_a, "src"_a);
}

void bind_types(nb::module_& m, Class& c) {
  using T = const Tensor&;
  m.def("_promote_types", &promote);
  c.def("_cast", [](T x, DType t) { return cast(x, t); })
      .def("type_as", [](T x, T o) { return cast(x, o.dtype()); })
      .def(
          "_str",
          [](T x, int64_t precision, int64_t threshold, int64_t edge_items, int64_t line_width,
             std::optional<bool> scientific, const std::string& note) {
            eval_released(x);
            return to_string(x,
                             {.precision = precision,
                              .threshold = threshold,
                              .edge_items = edge_items,
                              .line_width = line_width,
                              .scientific = scientific},
                             note);
          },
          nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg());
  static constexpr std::pair<const char*, DType> kConversions[] = {
      {"bool", DType::kBool},     {"byte", DType::kUint8},        {"char", DType::kInt8},
      {"short", DType::kInt16},   {"int", DType::kInt32},         {"long", DType::kInt64},
      {"half", DType::kFloat16},  {"bfloat16", DType::kBFloat16}, {"float", DType::kFloat32},
      {"double", DType::kFloat64}};
  for (const auto& [name, type] : kConversions) c.def(name, [t = type](T x) { return cast(x, t); });
}

}  // namespace

void bind_ops(nb::module_& m, nb::class_<Tensor>& c) {
  bind_unary(m, c);
  bind_arithmetic(m, c);
  bind_comparison(m, c);
  bind_reductions(m, c);
  bind_extremes(m, c);
  bind_shapes(m, c);
  bind_types(m, c);
}

}  // namespace ballast::python
