#include "ballast/ops/create.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ballast/base/bytes.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

/// The elements of a tensor just made.
template <class T>
std::span<T> elements(const Tensor& x) {
  return {reinterpret_cast<T*>(x.node().data()), static_cast<size_t>(x.numel())};
}

/// A number as an element: whole numbers wrap around, half types are rounded.
template <class T>
T number(double v) {
  if constexpr (std::is_floating_point_v<T> || std::is_same_v<T, int64_t>) return static_cast<T>(v);
  T out;
  convert_elements(&v, DType::kFloat64, &out, dtype_of<T>, 1);
  return out;
}

/// A new tensor whose elements `f` fills: a span of float or double.
template <class F>
Tensor drawn(const Shape& shape, DType dtype, const char* who, F&& f) {
  const Tensor x = empty(shape, dtype);
  ops::fill_floating(x, who, f);
  return x;
}

}  // namespace

Tensor ops::drawn_normal(const Shape& shape, DType dtype, double mean, double std,
                         Generator& generator) {
  const Tensor x = empty(shape, dtype);
  const int64_t n = x.numel();
  constexpr int64_t kBlock = 16;
  if (!is_half(dtype) || n < kBlock || n % kBlock == 0) {
    ops::fill_floating(x, "normal_", [&](auto out) { normal(out, mean, std, generator); });
    return x;
  }
  // PyTorch draws whole blocks for half types, and the last of them ends with the last element.
  std::vector<float> values((n + kBlock - 1) / kBlock * kBlock);
  normal(std::span<float>(values), mean, std, generator);
  std::copy(values.end() - kBlock, values.end(), values.begin() + (n - kBlock));
  convert_elements(values.data(), DType::kFloat32, x.node().data(), dtype, n);
  return x;
}

Tensor empty(const Shape& shape, DType dtype) { return Tensor(make_leaf(shape, dtype)); }

Tensor zeros(const Shape& shape, DType dtype) {
  const Tensor x = empty(shape, dtype);
  if (x.numel() > 0) std::memset(x.node().data(), 0, bytes_of(shape, dtype));
  return x;
}

Tensor ones(const Shape& shape, DType dtype) { return full(shape, 1, dtype); }

Tensor full(const Shape& shape, Scalar value, std::optional<DType> dtype) {
  const Tensor x = empty(shape, dtype.value_or(value.integral() ? DType::kInt64 : DType::kFloat32));
  const DTypeFacts& facts = facts_of(x.dtype());
  // Whole negative numbers wrap around in unsigned types, fractions do not.
  const bool wraps = value.integral() || facts.kind != 'u' || value.value() >= 0;
  check(wraps && in_range(x.dtype(), value.value()),
        "value cannot be converted to type {} without overflow", facts.c_name);
  dispatch_stored(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    std::ranges::fill(elements<T>(x), number<T>(value.value()));
  });
  return x;
}

Tensor empty_like(const Tensor& x, std::optional<DType> dtype) {
  return empty(x.shape(), dtype.value_or(x.dtype()));
}
Tensor zeros_like(const Tensor& x, std::optional<DType> dtype) {
  return zeros(x.shape(), dtype.value_or(x.dtype()));
}
Tensor ones_like(const Tensor& x, std::optional<DType> dtype) {
  return ones(x.shape(), dtype.value_or(x.dtype()));
}
Tensor full_like(const Tensor& x, Scalar value, std::optional<DType> dtype) {
  return full(x.shape(), value, dtype.value_or(x.dtype()));
}

Tensor arange(Scalar start, Scalar end, Scalar step, std::optional<DType> dtype) {
  const double from = start.value(), to = end.value(), by = step.value();
  check(by != 0, "step must be nonzero");
  check(std::isfinite(from) && std::isfinite(to), "unsupported range: {} -> {}", from, to);
  check(by > 0 ? to >= from : to <= from,
        "upper bound and lower bound inconsistent with step sign");
  const bool whole = start.integral() && end.integral() && step.integral();
  const double size = std::ceil((to - from) / by);
  check(size < 0x1p63, "invalid size, possible overflow?");
  const Tensor x =
      empty({static_cast<int64_t>(size)}, dtype.value_or(whole ? DType::kInt64 : DType::kFloat32));
  // A type of whole numbers drops the fractions of both before they are added, as in PyTorch.
  const bool fractions = is_floating(x.dtype());
  const double first = fractions ? from : std::trunc(from), each = fractions ? by : std::trunc(by);
  dispatch_stored(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    double i = 0;
    for (T& v : elements<T>(x)) v = number<T>(first + each * i++);
  });
  return x;
}
Tensor arange(Scalar end) { return arange(end.integral() ? Scalar(0) : Scalar(0.0), end); }

Tensor linspace(Scalar start, Scalar end, int64_t steps, DType dtype) {
  check(steps >= 0, "number of steps must be non-negative");
  if (!is_floating(dtype))  // the ends and the steps between them are cut off to whole numbers
    return cast(
        linspace(std::trunc(start.value()), std::trunc(end.value()), steps, DType::kFloat64),
        dtype);
  return drawn({steps}, dtype, "linspace", [&]<class T>(std::span<T> out) {
    // From both ends, so that both are exact.
    const T from = static_cast<T>(start.value()), to = static_cast<T>(end.value());
    const T by = (to - from) / static_cast<T>(std::max<int64_t>(steps - 1, 1));
    for (int64_t i = 0; i < steps; ++i)
      out[i] = i < (steps + 1) / 2 ? from + by * static_cast<T>(i)
                                   : to - by * static_cast<T>(steps - 1 - i);
  });
}

Tensor eye(int64_t n, std::optional<int64_t> m, DType dtype) {
  check(n >= 0, "n must be greater or equal to 0, got {}", n);
  const int64_t columns = m.value_or(n);
  check(columns >= 0, "m must be greater or equal to 0, got {}", columns);
  const Tensor x = zeros({n, columns}, dtype);
  dispatch_stored(dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < std::min(n, columns); ++i) elements<T>(x)[i * columns + i] = T(1);
  });
  return x;
}

Tensor rand(const Shape& shape, DType dtype, Generator& generator) {
  return drawn(shape, dtype, "rand", [&](auto out) { uniform(out, 0, 1, generator); });
}
Tensor randn(const Shape& shape, DType dtype, Generator& generator) {
  return ops::drawn_normal(shape, dtype, 0, 1, generator);
}
Tensor randint(int64_t low, int64_t high, const Shape& shape, Generator& generator) {
  const Tensor x = empty(shape, DType::kInt64);
  randint(elements<int64_t>(x), low, high, generator);
  return x;
}
Tensor randperm(int64_t n, Generator& generator) {
  check(n >= 0, "n must be non-negative, got {}", n);
  const Tensor x = empty({n}, DType::kInt64);
  randperm(elements<int64_t>(x), generator);
  return x;
}
Tensor rand_like(const Tensor& x) { return rand(x.shape(), x.dtype()); }
Tensor randn_like(const Tensor& x) { return randn(x.shape(), x.dtype()); }

Tensor uniform_(Tensor x, double low, double high, Generator& generator) {
  x.copy_(drawn(x.shape(), x.dtype(), "uniform_",
                [&](auto out) { uniform(out, low, high, generator); }));
  return x;
}
Tensor normal_(Tensor x, double mean, double std, Generator& generator) {
  x.copy_(ops::drawn_normal(x.shape(), x.dtype(), mean, std, generator));
  return x;
}
Tensor fill_(Tensor x, Scalar value) {
  x.copy_(full_like(x, value));
  return x;
}

}  // namespace ballast
