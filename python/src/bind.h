// What the binding files share: how tensors, types, numbers and shapes cross between Python and
// C++.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <utility>
#include <vector>

#include "ballast/graph/tensor.h"
#include "ballast/ops/pointwise.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace ballast::python {

/// What Python sees as `ballast.dtype`: one object per type of PyTorch, compared by identity. Those
/// that tensors here cannot have are names only.
struct DTypeObject {
  const char* name;
  size_t itemsize;
  char kind;  ///< of NumPy: b, u, i, f, c
  std::optional<DType> value = {};
};
/// The object that stands for `t`. A new reference.
nb::object dtype_object(DType t);
/// Whether `h` is a `ballast.dtype`, or Python's float, int or bool, which PyTorch takes for one.
bool is_dtype(nb::handle h);
/// The type meant by such an object. Throws NotImplementedError for those that are names only.
DType dtype_from(nb::handle h);

/// A list of sizes or dimensions: PyTorch takes one number where there is one.
struct Dims {
  std::vector<int64_t> values;

  bool load(nb::handle h);
};
/// A pair of sizes (rows, columns), one number standing for both.
struct Pair {
  std::array<int64_t, 2> values{};

  bool load(nb::handle h);
};

/// An argument that names the device of a new tensor, which must be the CPU.
struct Device {};
/// Throws RuntimeError for a device that is not the CPU, TypeError for what names no device.
void check_device(nb::handle h);

/// Read an argument as PyTorch reads one of these types: a number of that type, NumPy's, or a
/// tensor of such a number without dimensions and gradient. `true` is no whole number. False:
/// another type.
bool load_int(PyObject* p, int64_t& out) noexcept;
bool load_double(PyObject* p, double& out) noexcept;
bool load_scalar(PyObject* p, Scalar& out) noexcept;
inline PyObject* number_object(int64_t v) { return PyLong_FromLongLong(v); }
inline PyObject* number_object(double v) { return PyFloat_FromDouble(v); }
inline PyObject* number_object(const Scalar& v) {
  return v.integral() ? number_object(static_cast<int64_t>(v.value())) : number_object(v.value());
}

/// Sizes given as `f(2, 3)` or `f((2, 3))`. Throws TypeError for anything but whole numbers.
std::vector<int64_t> sizes_from(const nb::args& args, size_t from = 0);
inline Shape shape_from(const std::vector<int64_t>& sizes) { return Shape(std::span(sizes)); }
/// A `ballast.Size`.
nb::object size_object(const Shape& shape);

inline bool is_tensor(nb::handle h) { return nb::isinstance<Tensor>(h); }
/// A tensor, or an undefined one for None.
inline Tensor tensor_or_none(const std::optional<Tensor>& t) { return t ? *t : Tensor(); }
inline nb::object none_if_undefined(const Tensor& t) {
  return t.defined() ? nb::cast(t) : nb::none();
}

/// An argument that may be, and is unless given, None.
inline auto none_default(const char* name) { return nb::arg(name).none() = nb::none(); }

/// Computes values with the interpreter's lock released.
inline void eval_released(const Tensor& t) {
  if (t.node().evaluated()) return;
  nb::gil_scoped_release release;
  t.eval();
}
/// The row-major elements of `t`, evaluated.
std::byte* row_major(const Tensor& t);
/// A leaf over `buffer`.
Tensor leaf_of(Ref<Buffer> buffer, const Shape& shape, DType dtype);
/// Keeps `owner` alive as long as the buffer.
Ref<Buffer> wrap_memory(void* data, size_t bytes, nb::object owner);

/// Writes the result of an operation to the tensor x, the object `self`, as far as PyTorch lets the
/// types; returns that object.
nb::object written(nb::handle self, const Tensor& x, const Tensor& value);

/// Binds a function of a tensor and options with PyTorch's last argument `inplace`: whether x takes
/// the value, and is what is returned.
template <class... A, class... Extra>
void def_with_inplace(nb::module_& m, const char* name, Tensor (*f)(const Tensor&, A...),
                      const Extra&... extra) {
  m.def(
      name,
      [f](const Tensor& x, A... a, bool inplace) -> nb::typed<nb::object, Tensor> {
        Tensor value = f(x, a...);
        if (value.is(x)) return nb::borrow(nb::find(x));
        return inplace ? written(nb::find(x), x, value) : nb::cast(std::move(value));
      },
      "input"_a, extra..., "inplace"_a = false);
}

// One function per file of this folder.
void bind_graph(nb::module_& m);
void bind_explain(nb::module_& m);
void bind_index(nb::class_<Tensor>& c);
void bind_autograd(nb::module_& m, nb::class_<Tensor>& c);
void bind_in_place(nb::class_<Tensor>& c);
void bind_ops(nb::module_& m, nb::class_<Tensor>& c);
void bind_math(nb::module_& m, nb::class_<Tensor>& c);
void bind_create(nb::module_& m);
void bind_nn(nb::module_& m);
void bind_layers_nd(nb::module_& m);
void bind_margin_losses(nb::module_& m);
void bind_composed_activations(nb::module_& m);
void bind_optim(nb::module_& m);
void bind_data(nb::module_& m);
void bind_io(nb::module_& m);
void bind_onnx(nb::module_& m);
void bind_diagnose(nb::module_& m);
void bind_study(nb::module_& m);
void bind_statistics(nb::module_& m);
void bind_overrides(nb::module_& m);

}  // namespace ballast::python

namespace nanobind::detail {

/// A type, or none. Which one is found out when the function is called, where errors can be thrown.
template <class T>
struct dtype_caster {
  using Value = T;
  static constexpr auto Name = const_name("dtype");
  template <typename>
  using Cast = Value;
  template <typename>
  static constexpr bool can_cast() {
    return true;
  }

  bool from_python(handle src, uint32_t, cleanup_list*) noexcept {
    object = src;
    return (std::is_same_v<T, std::optional<ballast::DType>> && src.is_none()) ||
           ballast::python::is_dtype(src);
  }
  explicit operator Value() {
    if constexpr (!std::is_same_v<T, ballast::DType>)
      if (object.is_none()) return {};
    return ballast::python::dtype_from(object);
  }
  static handle from_cpp(ballast::DType t, rv_policy, cleanup_list*) noexcept {
    return ballast::python::dtype_object(t).release();
  }

  handle object;
};
template <>
struct type_caster<ballast::DType> : dtype_caster<ballast::DType> {};
template <>
struct type_caster<std::optional<ballast::DType>> : dtype_caster<std::optional<ballast::DType>> {
  static constexpr auto Name = const_name("dtype | None");
};

/// A device, by whatever names it.
template <>
struct type_caster<ballast::python::Device> {
  using Value = ballast::python::Device;
  static constexpr auto Name = const_name("device | str | None");
  template <typename>
  using Cast = Value;
  template <typename>
  static constexpr bool can_cast() {
    return true;
  }
  bool from_python(handle src, uint32_t, cleanup_list*) noexcept {
    object = src;
    return true;
  }
  explicit operator Value() {
    if (!object.is_none()) ballast::python::check_device(object);
    return {};
  }
  handle object;
};

// nanobind's own casters take `True` for 1, "3" for 3 and any tensor of one element for a number.
#define BALLAST_NUMBER_CASTER(TYPE, NAME, LOAD)                         \
  template <>                                                           \
  struct type_caster<TYPE> {                                            \
    using Value = TYPE;                                                 \
    static constexpr auto Name = const_name(NAME);                      \
    template <typename>                                                 \
    using Cast = Value;                                                 \
    template <typename>                                                 \
    static constexpr bool can_cast() {                                  \
      return true;                                                      \
    }                                                                   \
    explicit operator Value() { return value; }                         \
    bool from_python(handle src, uint32_t, cleanup_list*) noexcept {    \
      return ballast::python::LOAD(src.ptr(), value);                   \
    }                                                                   \
    static handle from_cpp(TYPE v, rv_policy, cleanup_list*) noexcept { \
      return ballast::python::number_object(v);                         \
    }                                                                   \
    Value value = 0;                                                    \
  };
BALLAST_NUMBER_CASTER(int64_t, "int", load_int)
BALLAST_NUMBER_CASTER(double, "float", load_double)
BALLAST_NUMBER_CASTER(ballast::Scalar, "float", load_scalar)
#undef BALLAST_NUMBER_CASTER

#define BALLAST_LIST_CASTER(TYPE, NAME)                                                        \
  template <>                                                                                  \
  struct type_caster<TYPE> {                                                                   \
    NB_TYPE_CASTER(TYPE, const_name(NAME))                                                     \
    bool from_python(handle src, uint32_t, cleanup_list*) noexcept { return value.load(src); } \
    static handle from_cpp(const TYPE& v, rv_policy, cleanup_list*) {                          \
      return nb::cast(std::vector<int64_t>(v.values.begin(), v.values.end())).release();       \
    }                                                                                          \
  };
BALLAST_LIST_CASTER(ballast::python::Dims, "int | tuple[int, ...]")
BALLAST_LIST_CASTER(ballast::python::Pair, "int | tuple[int, int]")
#undef BALLAST_LIST_CASTER

}  // namespace nanobind::detail
