// What order and counting say of elements: quantiles, modes, equal slices, histograms, running
// extremes.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "ballast/ops/compare.h"
#include "ballast/ops/create.h"
#include "ballast/ops/index.h"
#include "ballast/ops/math.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/reduce_at.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/statistics.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

struct LineAttributes {
  int64_t dim;
};

/// Calls `f(base, stride)` for every line of `shape` along `dim`.
template <class F>
void for_each_line(const Shape& shape, int64_t dim, F&& f) {
  const int d = static_cast<int>(dim);
  const int64_t inner = shape.span_numel(d + 1, shape.rank()), outer = shape.span_numel(0, d);
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) f(o * inner * shape[d] + i, inner);
}

/// The position of each line's mode, in a dimension of size 1.
class ModeOp final : public Op {
 public:
  ModeOp() : Op("mode") {}
  void reference(const Call& c) const override {
    const int64_t dim = c.attributes.as<LineAttributes>().dim;
    const int64_t n = c.in[0].shape[static_cast<int>(dim)];
    dispatch(c.in[0].dtype, [&](auto zero) {
      using T = decltype(zero);
      const T* x = c.input<T>(0);
      int64_t* out = c.output<int64_t>();
      std::vector<int64_t> order(n);
      for_each_line(c.in[0].shape, dim, [&](int64_t base, int64_t stride) {
        const auto at = [&](int64_t i) { return x[base + i * stride]; };
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) {
          return at(i) < at(j) || (at(i) == at(i) && at(j) != at(j));
        });
        int64_t best = 0, run = 0;
        for (int64_t i = 0; i < n; ++i) {
          ++run;
          if (i + 1 < n && at(order[i]) == at(order[i + 1])) continue;
          if (run > best) {
            best = run;
            *out = order[i];
          }
          run = 0;
        }
        ++out;
      });
    });
  }
};

/// The position of the largest (least) element up to each one, the last of equal ones.
template <bool Largest>
class RunningExtremeOp final : public Op {
 public:
  RunningExtremeOp() : Op(Largest ? "cummax" : "cummin") {}
  void reference(const Call& c) const override {
    const int64_t dim = c.attributes.as<LineAttributes>().dim;
    const int64_t n = c.out.shape[static_cast<int>(dim)];
    dispatch(c.in[0].dtype, [&](auto zero) {
      using T = decltype(zero);
      const T* x = c.input<T>(0);
      int64_t* out = c.output<int64_t>();
      for_each_line(c.out.shape, dim, [&](int64_t base, int64_t stride) {
        int64_t best = 0;
        for (int64_t i = 0; i < n; ++i) {
          const T a = x[base + i * stride], b = x[base + best * stride];
          if (a != a || (b == b && (Largest ? a >= b : a <= b))) best = i;
          out[base + i * stride] = best;
        }
      });
    });
  }
};

template <bool Largest>
Indexed running_extreme(const Tensor& x, int64_t dim) {
  static const RunningExtremeOp<Largest> op;
  const int at = x.shape().normalize(dim);
  if (x.dim() == 0) return {x + zeros_like(x), zeros({}, DType::kInt64)};
  const Tensor where_it_is = record(op, x.shape(), DType::kInt64, {x}, LineAttributes{at});
  return {gather(x, at, where_it_is), where_it_is};
}

/// In double, carried along in the form largest + log(sum).
class LogCumsumExpOp final : public Op {
 public:
  LogCumsumExpOp() : Op("logcumsumexp") {}
  void reference(const Call& c) const override {
    const int64_t dim = c.attributes.as<LineAttributes>().dim;
    const int64_t n = c.out.shape[static_cast<int>(dim)];
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      for_each_line(c.out.shape, dim, [&](int64_t base, int64_t stride) {
        double largest = -std::numeric_limits<double>::infinity(), sum = 0;
        for (int64_t i = 0; i < n; ++i) {
          const double x = static_cast<double>(c.input<T>(0)[base + i * stride]);
          if (x > largest) {
            sum = sum * std::exp(largest - x) + 1;
            largest = x;
          } else {
            sum += x == largest ? (std::isinf(x) && x < 0 ? 0 : 1) : std::exp(x - largest);
          }
          c.output<T>()[base + i * stride] = static_cast<T>(largest + std::log(sum));
        }
      });
    });
  }
  // dy_i/dx_j = exp(x_j - y_i) for i >= j: sums of g exp(-y) from the end, by sign to stay in logs.
  Gradients gradient(const Backward& b) const override {
    const int64_t dim = b.attributes<LineAttributes>().dim;
    const Tensor g = b.grad(), x = b.input(0), y = b.output();
    const double none = -std::numeric_limits<double>::infinity();
    const auto part = [&](const Tensor& chosen, const Tensor& size) {
      const Tensor logs = where(chosen, log(where(chosen, size, ones_like(size))) - y, none);
      return exp(flip(logcumsumexp(flip(logs, {dim}), dim), {dim}) + x);
    };
    return {part(gt(g, 0), g) - part(lt(g, 0), neg(g))};
  }
  uint32_t gradient_reads() const override { return 1 | kReadsOutput; }
};

}  // namespace

Indexed cummax(const Tensor& x, int64_t dim) { return running_extreme<true>(x, dim); }
Indexed cummin(const Tensor& x, int64_t dim) { return running_extreme<false>(x, dim); }

Tensor logcumsumexp(const Tensor& x, int64_t dim) {
  static const LogCumsumExpOp op;
  const int at = x.shape().normalize(dim);
  check(is_floating(x.dtype()),
        "logcumsumexp(): Expected floating point type for result tensor, but "
        "got: {}",
        ops::scalar_type_name(x.dtype()));
  if (x.dim() == 0) return x + zeros_like(x);
  return record(op, x.shape(), x.dtype(), {x}, LineAttributes{at});
}

Indexed mode(const Tensor& x, int64_t dim, bool keepdim) {
  static const ModeOp op;
  const int at = x.shape().normalize(dim);
  if (x.dim() == 0) return {x + zeros_like(x), zeros({}, DType::kInt64)};
  check<IndexError>(x.shape()[at] > 0, "mode(): Expected reduction dim {} to have non-zero size.",
                    at);
  Shape kept = x.shape();
  kept[at] = 1;
  const Tensor where_it_is = record(op, kept, DType::kInt64, {x}, LineAttributes{at});
  const Tensor values = gather(x, at, where_it_is);
  if (keepdim) return {values, where_it_is};
  return {squeeze(values, at), squeeze(where_it_is, at)};
}

Indexed nanmedian(const Tensor& x, int64_t dim, bool keepdim) {
  const int at = x.shape().normalize(dim);
  if (x.dim() == 0) return {x + zeros_like(x), zeros({}, DType::kInt64)};
  if (!is_floating(x.dtype())) return median(x, dim, keepdim);
  check<IndexError>(x.shape()[at] > 0,
                    "nanmedian(): Expected reduction dim {} to have non-zero size.", at);
  const Tensor count = sum(logical_not(isnan(x)), {at}, true);
  const Tensor middle = floor_divide(maximum(count, ones_like(count)) - 1, full({}, 2));
  const Tensor where_it_is = gather(argsort(x, at), at, middle);
  const Tensor values = gather(x, at, where_it_is);
  if (keepdim) return {values, where_it_is};
  return {squeeze(values, at), squeeze(where_it_is, at)};
}

Tensor nanmedian(const Tensor& x) {
  if (x.numel() == 0) return full({}, std::numeric_limits<double>::quiet_NaN(), x.dtype());
  return nanmedian(reshape(x, Shape{x.numel()}), 0).values;
}

Tensor quantile(const Tensor& x, const Tensor& q, std::optional<int64_t> dim, bool keepdim,
                Between between, bool ignore_nan) {
  check(x.numel() > 0, "quantile() input tensor must be non-empty");
  check(is_floating(x.dtype()), "quantile() input tensor must be either float or double dtype");
  check(q.dim() <= 1, "quantile() q must be a scalar or 1D tensor");
  check(q.dtype() == x.dtype(), "quantile() q tensor must be same dtype as the input tensor");
  for (double f : cast(q.detach(), DType::kFloat64).data<double>())
    check(f >= 0 && f <= 1, "quantile() q values must be in the range [0, 1]");
  const int at = dim ? x.shape().normalize(*dim) : 0;
  const Tensor lines = x.dim() == 0 || !dim ? reshape(x, Shape{x.numel()}) : movedim(x, at, -1);
  const Tensor sorted = sort(lines, -1).values, missing = isnan(lines);
  const int64_t n = lines.size(-1);
  const Tensor fractions = reshape(q, Shape{q.numel()});
  Tensor ranks;
  if (ignore_nan) {
    const Tensor count = cast(sum(logical_not(missing), {-1}, true), x.dtype());
    ranks = fractions * maximum(count - 1, zeros_like(count));
  } else {
    ranks = where(any(missing, {-1}, true), static_cast<double>(n - 1), fractions * (n - 1));
  }
  if (between == Between::kLower) ranks = floor(ranks);
  if (between == Between::kHigher) ranks = ceil(ranks);
  if (between == Between::kNearest) ranks = round(ranks);
  const Tensor below = floor(ranks.detach());
  const auto taken = [&](const Tensor& rank) {
    return gather(sorted, -1, cast(rank.detach(), DType::kInt64));
  };
  Tensor y = taken(below);
  if (between == Between::kLinear || between == Between::kMidpoint) {
    const Tensor weight = between == Between::kMidpoint ? full_like(ranks, 0.5) : ranks - below;
    // Where both neighbours are one element there is no way between them (of an infinity: NaN).
    const Tensor above = taken(ceil(ranks));
    y = where(eq(above, y), y, lerp(y, above, weight));
  }
  // (..., Q): fractions go to the front, and what was reduced stays where asked.
  if (keepdim && x.dim() > 0) {
    if (dim) {
      y = movedim(unsqueeze(y, -2), -2, at);
    } else {
      Shape s;
      for (int d = 0; d < x.dim(); ++d) s.push_back(1);
      s.push_back(q.numel());
      y = reshape(y, s);
    }
  }
  y = movedim(y, -1, 0);
  return q.dim() == 0 ? squeeze(y, 0) : y;
}

Unique unique_slices(const Tensor& x, int64_t dim, bool consecutive) {
  if (stored_only(x.dtype())) {
    Unique u = unique_slices(cast(x, compute_type(x.dtype())), dim, consecutive);
    u.values = cast(u.values, x.dtype());
    return u;
  }
  const int at = x.shape().normalize(dim);
  check(x.dim() > 0, "unique_dim: expected a tensor with at least one dimension");
  const int64_t n = x.size(at), width = n == 0 ? 0 : x.numel() / n;
  check(n == 0 || width > 0 || x.numel() > 0,
        "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied");
  const Tensor moved = movedim(x, at, 0).detach();
  const Tensor rows = moved + zeros_like(moved);
  return dispatch(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const auto data = cast(rows, x.dtype()).template values<T>();
    const auto row = [&](int64_t i) { return data.begin() + i * width; };
    std::vector<int64_t> order(n), inverse(n), counts, first;
    std::iota(order.begin(), order.end(), 0);
    if (!consecutive)
      std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) {
        return std::lexicographical_compare(row(i), row(i) + width, row(j), row(j) + width);
      });
    for (int64_t i : order) {
      if (first.empty() || !std::equal(row(first.back()), row(first.back()) + width, row(i))) {
        first.push_back(i);
        counts.push_back(0);
      }
      ++counts.back();
      inverse[i] = static_cast<int64_t>(first.size()) - 1;
    }
    const Shape found{static_cast<int64_t>(first.size())};
    return Unique{index_select(x, at, Tensor::from(first, found)).detach(),
                  Tensor::from(inverse, Shape{n}), Tensor::from(counts, found)};
  });
}

Tensor histogram(const Tensor& x, const std::vector<Tensor>& edges, const Tensor& weight,
                 bool density) {
  check(x.dim() == 2 && x.size(1) == static_cast<int64_t>(edges.size()),
        "histogramdd: expected points (N, {}), got {}", edges.size(), x.shape());
  check(!weight.defined() || weight.numel() == x.size(0),
        "histogramdd: expected one weight per point ({}), got {}", x.size(0),
        weight.defined() ? weight.numel() : 0);
  const NoGrad off;
  const auto doubles = [](const Tensor& t) { return cast(t, DType::kFloat64).values<double>(); };
  const auto points = doubles(x);
  const auto weights = weight.defined() ? doubles(weight) : std::vector<double>();
  const size_t d = edges.size(), n = static_cast<size_t>(x.size(0));
  std::vector<std::vector<double>> ends;
  Shape shape;
  for (const Tensor& e : edges) {
    check(e.dim() == 1 && e.numel() >= 2,
          "histogramdd: bins tensor should have one dimension and at least 2 edges, got {}",
          e.shape());
    ends.push_back(doubles(e));
    shape.push_back(e.numel() - 1);
  }
  std::vector<double> counts(shape.numel());
  double total = 0;
  for (size_t i = 0; i < n; ++i) {
    int64_t at = 0;
    for (size_t k = 0; k < d && at >= 0; ++k) {
      const double v = points[i * d + k];
      const auto& e = ends[k];
      if (!(v >= e.front() && v <= e.back())) {
        at = -1;
        break;
      }
      const auto bin = std::upper_bound(e.begin(), e.end(), v) - e.begin() - 1;
      at = at * shape[static_cast<int>(k)] +
           std::min<int64_t>(bin, static_cast<int64_t>(e.size()) - 2);
    }
    if (at < 0) continue;
    const double w = weights.empty() ? 1 : weights[i];
    counts[at] += w;
    total += w;
  }
  if (density) {
    std::array<int64_t, Shape::kMaxRank> coordinates{};
    for (double& c : counts) {
      double volume = total;
      for (size_t k = 0; k < d; ++k)
        volume *= ends[k][coordinates[k] + 1] - ends[k][coordinates[k]];
      c /= volume;
      for (int k = static_cast<int>(d) - 1; k >= 0 && ++coordinates[k] == shape[k]; --k)
        coordinates[k] = 0;
    }
  }
  return cast(Tensor::from(counts, shape), x.dtype());
}

}  // namespace ballast
