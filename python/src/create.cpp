// Making tensors.
#include "ballast/ops/create.h"

#include "ballast/base/variates.h"
#include "ballast/ops/shape_ops.h"
#include "bind.h"

namespace ballast::python {
namespace {

Tensor finished(Tensor t, bool requires_grad) {
  if (requires_grad) t.set_requires_grad();
  return t;
}

/// The shape of a new tensor, none of whose sizes may be negative.
Shape new_shape(const std::vector<int64_t>& sizes) {
  for (int64_t n : sizes)
    check(n >= 0, "Trying to create tensor with negative dimension {}: {}", n,
          nb::repr(nb::cast(sizes)).c_str());
  return shape_from(sizes);
}

/// Sizes of a new tensor; there is at least one argument.
Shape given_shape(const nb::args& sizes) {
  check<TypeError>(sizes.size() > 0, "missing the argument 'size'");
  return new_shape(sizes_from(sizes));
}

/// Sizes that must be a list. Throws TypeError for others.
Shape listed_shape(nb::handle size) {
  Dims dims;
  check<TypeError>((PyTuple_Check(size.ptr()) || PyList_Check(size.ptr())) && dims.load(size),
                   "argument 'size' must be tuple of ints, not {}", nb::repr(size).c_str());
  return new_shape(dims.values);
}

/// A function of sizes, `f(2, 3)` or `f((2, 3))`, that makes a tensor of a type.
template <class F>
void of_sizes(nb::module_& m, const char* name, F make) {
  m.def(
      name,
      [make](nb::args sizes, DType dtype, Device, bool requires_grad) {
        return finished(make(given_shape(sizes), dtype), requires_grad);
      },
      "size"_a, nb::kw_only(), "dtype"_a = DType::kFloat32, "device"_a = nb::none(),
      "requires_grad"_a = false);
}

template <class F>
void drawn(nb::module_& m, const char* name, F make) {
  m.def(
      name,
      [make](nb::args sizes, Generator* g, DType dtype, Device, bool requires_grad) {
        Generator& generator = g ? *g : default_generator();
        return finished(make(given_shape(sizes), dtype, generator), requires_grad);
      },
      "size"_a, nb::kw_only(), none_default("generator"), "dtype"_a = DType::kFloat32,
      "device"_a = nb::none(), "requires_grad"_a = false);
}

template <class F>
void like(nb::module_& m, const char* name, F make) {
  m.def(
      name,
      [make](const Tensor& x, std::optional<DType> dtype, Device, bool requires_grad) {
        return finished(make(x, dtype), requires_grad);
      },
      "input"_a, nb::kw_only(), "dtype"_a = nb::none(), "device"_a = nb::none(),
      "requires_grad"_a = false);
}

/// A function that draws a number for each element of a float64 tensor.
void variates(nb::module_& m, const char* name, void (*draw)(std::span<double>, Generator&)) {
  m.def(
      name,
      [draw](const Tensor& x, Generator* g) {
        const std::span<const double> parameters = x.data<double>();
        std::vector<double> values(parameters.begin(), parameters.end());
        draw(values, g ? *g : default_generator());
        return Tensor::from(values, x.shape());
      },
      nb::arg(), nb::arg().none());
}

Tensor random_like(const Tensor& x, std::optional<DType> dtype, bool normal) {
  const DType t = dtype.value_or(x.dtype());
  return normal ? randn(x.shape(), t) : rand(x.shape(), t);
}

}  // namespace

void bind_create(nb::module_& m) {
  using G = Generator*;
  const auto generator = [](G g) -> Generator& { return g ? *g : default_generator(); };
  of_sizes(m, "empty", [](const Shape& s, DType t) { return empty(s, t); });
  of_sizes(m, "zeros", [](const Shape& s, DType t) { return zeros(s, t); });
  of_sizes(m, "ones", [](const Shape& s, DType t) { return ones(s, t); });
  drawn(m, "rand", [](const Shape& s, DType t, Generator& g) { return rand(s, t, g); });
  drawn(m, "randn", [](const Shape& s, DType t, Generator& g) { return randn(s, t, g); });
  using Type = std::optional<DType>;
  like(m, "empty_like", [](const Tensor& x, Type t) { return empty_like(x, t); });
  like(m, "zeros_like", [](const Tensor& x, Type t) { return zeros_like(x, t); });
  like(m, "ones_like", [](const Tensor& x, Type t) { return ones_like(x, t); });
  like(m, "rand_like", [](const Tensor& x, Type t) { return random_like(x, t, false); });
  like(m, "randn_like", [](const Tensor& x, Type t) { return random_like(x, t, true); });

  const auto kw = nb::kw_only();
  const auto dtype = ("dtype"_a = nb::none());
  const auto device = ("device"_a = nb::none());
  const auto requires_grad = ("requires_grad"_a = false);
  m.def(
      "full",
      [](nb::object size, nb::object value, Type t, Device, bool grad) {
        if (!t && PyBool_Check(value.ptr())) t = DType::kBool;
        return finished(full(listed_shape(size), nb::cast<Scalar>(value), t), grad);
      },
      "size"_a, "fill_value"_a, kw, dtype, device, requires_grad);
  m.def(
      "full_like",
      [](const Tensor& x, Scalar value, Type t, Device, bool grad) {
        return finished(full_like(x, value, t), grad);
      },
      "input"_a, "fill_value"_a, kw, dtype, device, requires_grad);
  m.def(
      "arange",
      [](Scalar end, Type t, Device, bool grad) {
        return finished(arange(end.integral() ? Scalar(0) : Scalar(0.0), end, 1, t), grad);
      },
      "end"_a, kw, dtype, device, requires_grad);
  m.def(
      "arange",
      [](Scalar start, Scalar end, Scalar step, Type t, Device, bool grad) {
        return finished(arange(start, end, step, t), grad);
      },
      "start"_a, "end"_a, "step"_a = 1, kw, dtype, device, requires_grad);
  m.def(
      "linspace",
      [](Scalar start, Scalar end, int64_t steps, Type t, Device, bool grad) {
        return finished(linspace(start, end, steps, t.value_or(DType::kFloat32)), grad);
      },
      "start"_a, "end"_a, "steps"_a, kw, dtype, device, requires_grad);
  m.def(
      "eye",
      [](int64_t n, std::optional<int64_t> columns, Type t, Device, bool grad) {
        return finished(eye(n, columns, t.value_or(DType::kFloat32)), grad);
      },
      "n"_a, "m"_a = nb::none(), kw, dtype, device, requires_grad);
  const auto whole = [generator](int64_t low, int64_t high, nb::object size, G g, Type t, Device) {
    const Tensor x = randint(low, high, listed_shape(size), generator(g));
    return t ? cast(x, *t) : x;
  };
  m.def(
      "randint",
      [whole](int64_t high, nb::object size, G g, Type t, Device d) {
        return whole(0, high, size, g, t, d);
      },
      "high"_a, "size"_a, kw, none_default("generator"), dtype, device);
  m.def("randint", whole, "low"_a, "high"_a, "size"_a, kw, none_default("generator"), dtype,
        device);
  m.def(
      "randperm",
      [generator](int64_t n, G g, Type t, Device) {
        return cast(randperm(n, generator(g)), t.value_or(DType::kInt64));
      },
      "n"_a, kw, none_default("generator"), dtype, device);
  m.def(
      "_uniform",
      [generator](const Tensor& x, double low, double high, G g) {
        return uniform_(empty_like(x), low, high, generator(g));
      },
      nb::arg(), nb::arg(), nb::arg(), nb::arg().none());
  m.def(
      "_normal",
      [generator](const Tensor& x, double mean, double std, G g) {
        return normal_(empty_like(x), mean, std, generator(g));
      },
      nb::arg(), nb::arg(), nb::arg(), nb::arg().none());
  variates(m, "_gamma_variates", standard_gamma);
  variates(m, "_poisson_variates", poisson);
}

}  // namespace ballast::python
