// Operations that write to their tensor: x.add_(y), x += y. Each returns the object it was called
// on.
#include <nanobind/operators.h>

#include "ballast/base/random.h"
#include "ballast/ops/activation.h"
#include "ballast/ops/compare.h"
#include "ballast/ops/create.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"
#include "ballast/ops/view.h"
#include "bind.h"

namespace ballast::python {

nb::object written(nb::handle self, const Tensor& x, const Tensor& value) {
  const DType from = value.dtype(), to = x.dtype();
  check((!is_floating(from) || is_floating(to)) && (from == DType::kBool || to != DType::kBool),
        "result type {} can't be cast to the desired output type {}", ops::scalar_type_name(from),
        ops::scalar_type_name(to));
  write(x, value);
  return nb::borrow(self);
}

namespace {

using Class = nb::class_<Tensor>;
using T = const Tensor&;

template <class... A, class... Extra>
void in_place(Class& c, const char* name, Tensor (*f)(T, A...), const Extra&... extra) {
  c.def(
      name,
      [f](nb::handle self, A... a) {
        T x = nb::cast<T>(self);
        return written(self, x, f(x, a...));
      },
      extra...);
}

/// x.NAME_(other) and x OP= other, of tensors and numbers.
void binary(Class& c, const char* name, const char* op, Tensor (*tt)(T, T),
            Tensor (*ts)(T, Scalar)) {
  in_place(c, op, tt, nb::is_operator());
  in_place(c, op, ts, nb::is_operator());
  in_place(c, name, tt, "other"_a);
  in_place(c, name, ts, "other"_a);
}

Tensor scaled(T b, Scalar alpha) { return alpha.integral() && alpha.value() == 1 ? b : b * alpha; }

void bind_arithmetic(Class& c) {
  in_place(
      c, "__iadd__", +[](T a, T b) { return a + b; }, nb::is_operator());
  in_place(
      c, "__iadd__", +[](T a, Scalar b) { return a + b; }, nb::is_operator());
  in_place(
      c, "__isub__", +[](T a, T b) { return a - b; }, nb::is_operator());
  in_place(
      c, "__isub__", +[](T a, Scalar b) { return a - b; }, nb::is_operator());
  const auto alpha = ("alpha"_a = 1);
  const auto kw = nb::kw_only();
  using Scaled = Tensor (*)(T, T, Scalar);
  using Number = Tensor (*)(T, Scalar, Scalar);
  const Scaled add = [](T a, T b, Scalar s) { return a + scaled(b, s); };
  const Scaled sub = [](T a, T b, Scalar s) { return a - scaled(b, s); };
  const Number add_number = [](T a, Scalar b, Scalar s) {
    return s.integral() && s.value() == 1 ? a + b : a + Scalar(b.value() * s.value());
  };
  const Number sub_number = [](T a, Scalar b, Scalar s) {
    return s.integral() && s.value() == 1 ? a - b : a - Scalar(b.value() * s.value());
  };
  in_place(c, "add_", add, "other"_a, kw, alpha);
  in_place(c, "add_", add_number, "other"_a, kw, alpha);
  in_place(c, "sub_", sub, "other"_a, kw, alpha);
  in_place(c, "sub_", sub_number, "other"_a, kw, alpha);
  binary(
      c, "mul_", "__imul__", [](T a, T b) { return a * b; }, [](T a, Scalar b) { return a * b; });
  binary(
      c, "div_", "__itruediv__", [](T a, T b) { return a / b; },
      [](T a, Scalar b) { return a / b; });
  in_place(
      c, "pow_", +[](T a, Scalar b) { return pow(a, b); }, "exponent"_a);
  in_place(
      c, "__ipow__", +[](T a, Scalar b) { return pow(a, b); }, nb::is_operator());
}

void bind_combined(Class& c) {
  const auto kw = nb::kw_only();
  const auto value = ("value"_a = 1);
  in_place(
      c, "addcmul_", +[](T x, T a, T b, Scalar v) { return x + scaled(a * b, v); }, "tensor1"_a,
      "tensor2"_a, kw, value);
  in_place(
      c, "addcdiv_", +[](T x, T a, T b, Scalar v) { return x + scaled(a / b, v); }, "tensor1"_a,
      "tensor2"_a, kw, value);
  // From the end that is nearer, as PyTorch.
  in_place(
      c, "lerp_",
      +[](T x, T end, Scalar w) {
        return w.value() < 0.5 ? x + (end - x) * w : end - (end - x) * Scalar(1 - w.value());
      },
      "end"_a, "weight"_a);
  in_place(
      c, "masked_fill_", +[](T x, T mask, Scalar v) { return masked_fill(x, mask, v); }, "mask"_a,
      "value"_a);
  using Bound = std::optional<Scalar>;
  in_place(
      c, "clamp_", +[](T x, Bound low, Bound high) { return clamp(x, low, high); },
      "min"_a = nb::none(), "max"_a = nb::none());
  in_place(
      c, "clip_", +[](T x, Bound low, Bound high) { return clamp(x, low, high); },
      "min"_a = nb::none(), "max"_a = nb::none());
  in_place(
      c, "clamp_min_", +[](T x, Scalar low) { return clamp(x, low, std::nullopt); }, "min"_a);
  in_place(
      c, "clamp_max_", +[](T x, Scalar high) { return clamp(x, std::nullopt, high); }, "max"_a);
}

void bind_unary(Class& c) {
  using Unary = Tensor (*)(T);
  const std::pair<const char*, Unary> list[] = {
      {"neg_", neg},   {"abs_", abs},        {"square_", square},
      {"sqrt_", sqrt}, {"rsqrt_", rsqrt},    {"reciprocal_", reciprocal},
      {"exp_", exp},   {"log_", log},        {"tanh_", tanh},
      {"relu_", relu}, {"sigmoid_", sigmoid}};
  for (const auto& [name, f] : list) in_place(c, name, f);
}

Generator& generator_or_default(Generator* g) { return g ? *g : default_generator(); }

/// A tensor like x that `draw` fills, recorded nowhere.
template <class F>
Tensor drawn_like(T x, const char* name, F&& draw) {
  Tensor out = empty_like(x);
  ops::fill_floating(out, name, draw);
  return out;
}

/// Gives all elements of x one value; where several are one element of memory, that is written
/// once.
void fill(T x, T value) {
  Tensor once = x;
  const auto steps = ops::memory_strides(x);
  for (int d = 0; d < x.dim(); ++d)
    if (steps[d] == 0 && x.shape()[d] > 1) once = narrow(once, d, 0, 1);
  overwrite(once, value);
}

void bind_filling(Class& c) {
  c.def("zero_", [](nb::handle self) {
    T x = nb::cast<T>(self);
    fill(x, full(Shape{}, 0, x.dtype()));
    return nb::borrow(self);
  });
  c.def(
      "fill_",
      [](nb::handle self, Scalar v) {
        T x = nb::cast<T>(self);
        fill(x, full(Shape{}, v, x.dtype()));
        return nb::borrow(self);
      },
      "value"_a);
  c.def(
      "fill_",
      [](nb::handle self, T value) {
        T x = nb::cast<T>(self);
        check(value.dim() == 0,
              "fill_ only supports 0-dimension value tensor but got tensor with {} dimensions.",
              value.dim());
        fill(x, value);
        return nb::borrow(self);
      },
      "value"_a);
  c.def(
      "copy_",
      [](nb::handle self, T source, bool) {
        T x = nb::cast<T>(self);
        overwrite(x, source);
        return nb::borrow(self);
      },
      "src"_a, "non_blocking"_a = false);
  in_place(
      c, "normal_",
      +[](T x, double mean, double std, Generator* g) {
        check(std >= 0, "normal_ expects std >= 0.0, but found std {}", std);
        return ops::drawn_normal(x.shape(), x.dtype(), mean, std, generator_or_default(g));
      },
      "mean"_a = 0.0, "std"_a = 1.0, nb::kw_only(), none_default("generator"));
  in_place(
      c, "_uniform_",
      +[](T x, double low, double high, Generator* g) {
        return drawn_like(x, "uniform_",
                          [&](auto out) { uniform(out, low, high, generator_or_default(g)); });
      },
      nb::arg(), nb::arg(), nb::arg().none());
  in_place(
      c, "_bernoulli_",
      +[](T x, double p, Generator* g) {
        return drawn_like(x, "bernoulli_",
                          [&](auto out) { bernoulli(out, p, generator_or_default(g)); });
      },
      nb::arg(), nb::arg().none());
}

}  // namespace

void bind_in_place(nb::class_<Tensor>& c) {
  bind_arithmetic(c);
  bind_combined(c);
  bind_unary(c);
  bind_filling(c);
}

}  // namespace ballast::python
