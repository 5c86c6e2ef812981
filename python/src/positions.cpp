// Reductions at positions and along dimensions: as functions of the module and as methods.
#include <cmath>

#include "ballast/ops/create.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/reduce_at.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/view.h"
#include "results.h"

namespace ballast::python {
namespace {

using Class = nb::class_<Tensor>;
using T = const Tensor&;

Between between_named(const std::string& name) {
  const char* names[] = {"linear", "lower", "higher", "midpoint", "nearest"};
  for (int i = 0; i < 5; ++i)
    if (name == names[i]) return static_cast<Between>(i);
  fail(
      "quantile() interpolation must be one of linear, lower, higher, midpoint or nearest, but got "
      "{}",
      name);
}

void bind_reductions_at(nb::module_& m, Class& c) {
  const auto kw = nb::kw_only();
  const auto self = ("include_self"_a = true);
  function_and_method(
      m, c, "scatter_reduce",
      [](T x, int64_t dim, T index, T src, const std::string& reduce, bool include_self) {
        return scatter_reduce(x, dim, index, src, reduce_at_named("scatter_reduce", reduce),
                              include_self);
      },
      "dim"_a, "index"_a, "src"_a, "reduce"_a, kw, self);
  function_and_method(
      m, c, "index_reduce",
      [](T x, int64_t dim, T index, T source, const std::string& reduce, bool include_self) {
        return index_reduce(x, dim, index, source, reduce_at_named("index_reduce", reduce),
                            include_self);
      },
      "dim"_a, "index"_a, "source"_a, "reduce"_a, kw, self);
  function_and_method(m, c, "put", &put, "index"_a, "source"_a, "accumulate"_a = false);
  m.def(
      "_unique_slices",
      [](T x, int64_t dim, bool consecutive) {
        const Unique u = unique_slices(x, dim, consecutive);
        return nb::make_tuple(u.values, u.inverse, u.counts);
      },
      "input"_a, "dim"_a, "consecutive"_a);
}

void bind_quantiles(nb::module_& m, Class& c) {
  const auto kw = nb::kw_only();
  const auto keepdim = ("keepdim"_a = false);
  for (const bool ignore_nan : {false, true}) {
    const char* name = ignore_nan ? "nanquantile" : "quantile";
    const auto by_tensor = [ignore_nan](T x, T q, std::optional<int64_t> dim, bool keep,
                                        const std::string& way) {
      return quantile(x, q, dim, keep, between_named(way), ignore_nan);
    };
    const auto by_number = [by_tensor](T x, double q, std::optional<int64_t> dim, bool keep,
                                       const std::string& way) {
      return by_tensor(x, full({}, q, x.dtype()), dim, keep, way);
    };
    const auto way = ("interpolation"_a = "linear");
    function_and_method(m, c, name, by_tensor, "q"_a, "dim"_a = nb::none(), keepdim, kw, way);
    function_and_method(m, c, name, by_number, "q"_a, "dim"_a = nb::none(), keepdim, kw, way);
  }
}

void bind_order(nb::module_& m, Class& c) {
  const auto keepdim = ("keepdim"_a = false);
  function_and_method(
      m, c, "mode",
      [](T x, int64_t dim, bool keep) {
        const Indexed r = mode(x, dim, keep);
        return named_tuple("mode", r.values, r.indices);
      },
      "dim"_a = -1, keepdim);
  function_and_method(m, c, "nanmedian", [](T x) { return nanmedian(x); });
  function_and_method(
      m, c, "nanmedian",
      [](T x, int64_t dim, bool keep) {
        const Indexed r = nanmedian(x, dim, keep);
        return named_tuple("nanmedian", r.values, r.indices);
      },
      "dim"_a, keepdim);
  function_and_method(m, c, "logcumsumexp", &logcumsumexp, "dim"_a);
  for (const bool largest : {true, false}) {
    const char* name = largest ? "cummax" : "cummin";
    function_and_method(
        m, c, name,
        [largest, name](T x, int64_t dim) {
          const Indexed r = largest ? cummax(x, dim) : cummin(x, dim);
          return named_tuple(name, r.values, r.indices);
        },
        "dim"_a);
  }
}

/// The edges of `bins` equal bins between `low` and `high`, or between the data's ends where both
/// are equal.
Tensor even_edges(T column, int64_t bins, double low, double high) {
  check(bins > 0, "histogramdd(): bins must be > 0, but got {}", bins);
  if (low == high && column.numel() > 0) {
    low = min(column).to(DType::kFloat64).item();
    high = max(column).to(DType::kFloat64).item();
  }
  if (column.numel() == 0 && low == high) high = low + 1;
  if (low == high) {
    low -= 0.5;
    high += 0.5;
  }
  check(std::isfinite(low) && std::isfinite(high),
        "histogramdd(): data range [{}, {}] is not finite", low, high);
  check(low < high, "histogramdd(): min should not exceed max, but got min {} max {}", low, high);
  return linspace(low, high, bins + 1, column.dtype());
}

using Range = std::optional<std::vector<double>>;

std::vector<Tensor> edges_of(T points, const std::vector<int64_t>& bins, const Range& range) {
  const auto d = static_cast<size_t>(points.size(1));
  check(bins.size() == d, "histogramdd(): expected {} sequences of bin edges, got {}", d,
        bins.size());
  check(!range || range->size() == 2 * d,
        "histogramdd(): for a {}-dimensional histogram range should have {} elements, but got {}",
        d, 2 * d, range ? range->size() : 0);
  std::vector<Tensor> edges;
  for (size_t k = 0; k < d; ++k)
    edges.push_back(even_edges(select(points, 1, static_cast<int64_t>(k)), bins[k],
                               range ? (*range)[2 * k] : 0, range ? (*range)[2 * k + 1] : 0));
  return edges;
}

void bind_histograms(nb::module_& m, Class& c) {
  const auto kw = nb::kw_only();
  const auto weight = ("weight"_a = nb::none());
  const auto density = ("density"_a = false);
  const auto range = ("range"_a = nb::none());
  using W = std::optional<Tensor>;
  const auto line = [](T x, const std::vector<Tensor>& edges, const W& w, bool d) {
    const Tensor points = reshape(x, Shape{x.numel(), 1});
    check(!w || w->shape() == x.shape(),
          "histogram(): if weight tensor is provided it should have the same shape as the input "
          "tensor");
    return named_tuple("histogram", histogram(points, edges, tensor_or_none(w), d),
                       clone(edges[0]));
  };
  function_and_method(
      m, c, "histogram",
      [line](T x, int64_t bins, const Range& r, const W& w, bool d) {
        return line(x, edges_of(reshape(x, Shape{x.numel(), 1}), {bins}, r), w, d);
      },
      "bins"_a, kw, range, weight, density);
  function_and_method(
      m, c, "histogram", [line](T x, T bins, const W& w, bool d) { return line(x, {bins}, w, d); },
      "bins"_a, kw, weight, density);
  const auto grid = [](T x, const std::vector<Tensor>& edges, const W& w, bool d) {
    const Tensor points =
        reshape(x, Shape{x.numel() / std::max<int64_t>(x.size(-1), 1), x.size(-1)});
    return named_tuple("histogramdd", histogram(points, edges, tensor_or_none(w), d), edges);
  };
  m.def(
      "histogramdd",
      [grid](T x, const Dims& bins, const Range& r, const W& w, bool d) {
        check(x.dim() >= 2, "histogramdd(): input tensor should have at least 2 dimensions, got {}",
              x.dim());
        const Tensor points = flatten(x, 0, -2);
        std::vector<int64_t> counts = bins.values;
        if (counts.size() == 1) counts.resize(static_cast<size_t>(points.size(1)), counts[0]);
        return grid(x, edges_of(points, counts, r), w, d);
      },
      "input"_a, "bins"_a, range, weight, density);
  m.def(
      "histogramdd",
      [grid](T x, const std::vector<Tensor>& bins, nb::object, const W& w, bool d) {
        return grid(x, bins, w, d);
      },
      "input"_a, "bins"_a, range, weight, density);
}

}  // namespace

void bind_positions(nb::module_& m, nb::class_<Tensor>& c) {
  bind_reductions_at(m, c);
  bind_quantiles(m, c);
  bind_order(m, c);
  bind_histograms(m, c);
}

}  // namespace ballast::python
