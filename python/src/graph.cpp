// Tensors, their types, and what autograd offers.
#include <nanobind/ndarray.h>

#include <cstring>
#include <mutex>

#include "ballast/base/bytes.h"
#include "ballast/base/random.h"
#include "ballast/ops/create.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"
#include "ballast/ops/view.h"
#include "ballast/sweep/eval.h"
#include "results.h"

// How DLPack and NumPy call the half types.
template <>
struct nanobind::detail::dtype_traits<ballast::Half> {
  static constexpr dlpack::dtype value{static_cast<uint8_t>(dlpack::dtype_code::Float), 16, 1};
  static constexpr auto name = const_name("float16");
};
template <>
struct nanobind::detail::dtype_traits<ballast::BFloat16> {
  static constexpr dlpack::dtype value{static_cast<uint8_t>(dlpack::dtype_code::Bfloat), 16, 1};
  static constexpr auto name = const_name("bfloat16");
};

namespace ballast::python {
namespace {

// PyTorch's types that tensors here cannot have.
constexpr DTypeObject kNamesOnly[] = {
    {"float8_e4m3fn", 1, 'f'}, {"float8_e5m2", 1, 'f'}, {"uint32", 4, 'u'},     {"uint64", 8, 'u'},
    {"complex32", 4, 'c'},     {"complex64", 8, 'c'},   {"complex128", 16, 'c'}};

// Python objects that C++ hands out; they live as long as the process.
PyObject* g_dtypes[kDTypes];
PyObject* g_size_type;
PyObject* g_device;
PyObject* g_check_device;

// Memory of NumPy's may be let go by a thread that does not hold the interpreter's lock, and that
// must not wait for it: whoever holds the lock may be waiting for the graph's.
struct Releases {
  std::mutex mutex;
  std::vector<PyObject*> waiting;

  static Releases& instance() {
    static auto* r = new Releases;
    return *r;
  }
  void drain() {
    std::vector<PyObject*> now;
    {
      std::lock_guard lock(mutex);
      now.swap(waiting);
    }
    for (PyObject* p : now) Py_DECREF(p);
  }
  static int pending_call(void*) {
    instance().drain();
    return 0;
  }
  void release(PyObject* p) {
    if (!Py_IsInitialized()) return;
    if (PyGILState_Check()) {
      Py_DECREF(p);
      return;
    }
    {
      std::lock_guard lock(mutex);
      waiting.push_back(p);
    }
    Py_AddPendingCall(&pending_call, nullptr);
  }
};

/// An array over the memory of `t`; of a view, over the part of its base's that it shows.
template <class... Framework>
nb::object to_array(Tensor& t) {
  row_major(t);
  const View* v = t.impl()->is_view() ? t.impl()->view.get() : nullptr;
  auto* keep = new Ref<Buffer>(ops::lend(t));
  nb::capsule owner(keep, [](void* p) noexcept { delete static_cast<Ref<Buffer>*>(p); });
  std::vector<size_t> shape(t.shape().begin(), t.shape().end());
  const std::vector<int64_t> steps = strides(t);
  return dispatch_stored(t.dtype(), [&](auto zero) {
    using T = decltype(zero);
    return nb::cast(nb::ndarray<Framework..., T>((*keep)->data() + (v ? v->offset : 0) * sizeof(T),
                                                 shape.size(), shape.data(), owner,
                                                 v ? steps.data() : nullptr));
  });
}

/// A tensor over memory that `owner` keeps; without an owner, a copy of it.
Tensor from_memory(uintptr_t address, const Dims& sizes, DType dtype, nb::object owner) {
  Releases::instance().drain();
  const Shape shape = shape_from(sizes.values);
  const size_t bytes = bytes_of(shape, dtype);
  auto* const from = reinterpret_cast<void*>(address);
  if (!owner.is_none()) return leaf_of(wrap_memory(from, bytes, std::move(owner)), shape, dtype);
  Ref<Buffer> own = Buffer::allocate(bytes);
  if (bytes) std::memcpy(own->data(), from, bytes);
  return leaf_of(std::move(own), shape, dtype);
}

Tensor from_dlpack(nb::ndarray<nb::c_contig, nb::device::cpu> a) {
  std::vector<int64_t> sizes;
  for (size_t i = 0; i < a.ndim(); ++i) sizes.push_back(static_cast<int64_t>(a.shape(i)));
  for (DType t : kAllDTypes) {
    const nb::dlpack::dtype same =
        dispatch_stored(t, [](auto zero) { return nb::dtype<decltype(zero)>(); });
    if (a.dtype() != same) continue;
    void* data = a.data();
    return leaf_of(wrap_memory(data, a.nbytes(), nb::cast(std::move(a))), shape_from(sizes), t);
  }
  fail<TypeError>("from_dlpack: arrays of this type cannot be shared");
}

void bind_types(nb::module_& m) {
  using D = const DTypeObject&;
  nb::class_<DTypeObject>(m, "dtype", "Element type of a tensor.")
      .def("__repr__", [](D t) { return std::string("torch.") + t.name; })
      .def("__reduce__", [](D t) { return std::string(t.name); })
      .def_prop_ro("is_floating_point", [](D t) { return t.kind == 'f'; })
      .def_prop_ro("is_complex", [](D t) { return t.kind == 'c'; })
      .def_prop_ro("is_signed", [](D t) { return t.kind != 'u' && t.kind != 'b'; })
      .def_prop_ro("itemsize", [](D t) { return t.itemsize; });
  for (DType t : kAllDTypes) {
    g_dtypes[static_cast<int>(t)] =
        nb::cast(DTypeObject{name_of(t), size_of(t), facts_of(t).kind, t}).release().ptr();
    m.attr(name_of(t)) = nb::handle(g_dtypes[static_cast<int>(t)]);
  }
  for (const DTypeObject& t : kNamesOnly) m.attr(t.name) = nb::cast(t);
  m.def("_register", [](nb::object size_type, nb::object device, nb::object check_device) {
    g_size_type = size_type.release().ptr();
    g_device = device.release().ptr();
    g_check_device = check_device.release().ptr();
  });
}

void bind_generator(nb::module_& m) {
  nb::class_<Generator>(m, "Generator", "A source of random numbers; the same as PyTorch's.")
      .def(
          "__init__", [](Generator* g, Device) { new (g) Generator(); }, "device"_a = nb::none())
      .def(
          "manual_seed",
          [](nb::handle self, int64_t seed) {
            nb::cast<Generator&>(self).seed(static_cast<uint64_t>(seed));
            return nb::borrow(self);
          },
          "seed"_a)
      .def("seed",
           [](Generator& g) {
             g.seed(g.random64() >> 1);
             return g.initial_seed();
           })
      .def("initial_seed", &Generator::initial_seed)
      .def("_draw_seed", [](Generator& g) { return draw_seed(g); })
      .def("get_state",
           [](const Generator& g) {
             const auto s = g.get_state();
             return Tensor::from(s, Shape{static_cast<int64_t>(s.size())});
           })
      .def("set_state", [](Generator& g, const Tensor& t) { g.set_state(t.data<uint8_t>()); });
  m.attr("default_generator") = nb::cast(&default_generator(), nb::rv_policy::reference);
  m.def(
      "manual_seed",
      [](int64_t seed) {
        manual_seed(static_cast<uint64_t>(seed));
        return nb::cast(&default_generator(), nb::rv_policy::reference);
      },
      "seed"_a, "Seeds the default generator.");
}

/// A parameter over the value of `source`; it shares the memory.
Ref<Node> leaf_sharing(const Tensor& source, bool requires_grad) {
  check(!requires_grad || is_floating(source.dtype()),
        "Only Tensors of floating point and complex dtype can require gradients");
  eval_released(source);
  const Node& n = source.node();
  Ref<Node> leaf = make_ref<Node>();
  leaf->shape = n.shape;
  leaf->dtype = n.dtype;
  leaf->layout = n.layout;
  leaf->buffer = n.buffer;
  return leaf;
}

/// PyTorch's old constructor: `Tensor(2, 3)` with unspecified contents, or `Tensor([1, 2])`, always
/// float32.
Tensor from_arguments(const nb::args& args) {
  if (args.size() == 1 && !PyIndex_Check(args[0].ptr()))
    return nb::cast<Tensor>(nb::module_::import_("ballast").attr("tensor")(
        args[0], "dtype"_a = dtype_object(DType::kFloat32)));
  const std::vector<int64_t> sizes = sizes_from(args);
  return empty(sizes.empty() ? Shape{0} : shape_from(sizes));
}

/// An element of row-major memory, as Python's bool, int or float.
nb::object number_at(const Tensor& t, int64_t at) {
  return dispatch_stored(t.dtype(), [&](auto zero) -> nb::object {
    using T = decltype(zero);
    const T v = reinterpret_cast<const T*>(t.node().data())[at];
    if constexpr (std::is_same_v<T, bool>)
      return nb::bool_(v);
    else if constexpr (is_floating(dtype_of<T>))
      return nb::float_(static_cast<double>(v));
    else
      return nb::int_(static_cast<int64_t>(v));
  });
}

nb::object item(const Tensor& t) {
  check(t.numel() == 1, "a Tensor with {} elements cannot be converted to Scalar", t.numel());
  eval_released(t);
  return number_at(t, 0);
}

/// The tensor gets a value of another place, and of another shape and type perhaps.
void set_data(Tensor& t, const Tensor& value) {
  check(is_floating(value.dtype()) || !t.requires_grad(),
        "data set to a tensor that requires gradients must be floating point or complex dtype");
  eval_released(value);
  Ref<Node> leaf = leaf_sharing(value, false);
  if (t.requires_grad()) t.impl()->adopt(*leaf);
  t.impl()->rebind(std::move(leaf));
}

nb::list nested_list(const Tensor& t, int dim, int64_t& at) {
  nb::list out;
  for (int64_t i = 0; i < t.shape()[dim]; ++i) {
    if (dim + 1 < t.dim()) {
      out.append(nested_list(t, dim + 1, at));
      continue;
    }
    out.append(number_at(t, at++));
  }
  return out;
}

void bind_properties(nb::class_<Tensor>& c) {
  c.def_prop_ro("shape", [](const Tensor& t) { return size_object(t.shape()); })
      .def_prop_ro("dtype", &Tensor::dtype)
      .def_prop_ro("device", [](const Tensor&) { return nb::borrow(g_device); })
      .def_prop_ro("ndim", &Tensor::dim)
      .def_prop_ro("nbytes", [](const Tensor& t) { return bytes_of(t.shape(), t.dtype()); })
      .def_prop_ro("itemsize", [](const Tensor& t) { return size_of(t.dtype()); })
      .def_prop_ro("is_leaf", &Tensor::is_leaf)
      .def_prop_rw("requires_grad", &Tensor::requires_grad,
                   [](Tensor& t, bool on) { t.set_requires_grad(on); })
      .def_prop_rw(
          "grad", [](const Tensor& t) { return none_if_undefined(t.grad()); },
          [](Tensor& t, std::optional<Tensor> g) {
            check(!g || g->shape() == t.shape(),
                  "assigned grad has data of a different size: expected {}, got {}", t.shape(),
                  g ? g->shape() : Shape());
            t.set_grad(tensor_or_none(g));
          },
          nb::arg("value").none())
      .def_prop_ro("_op_name",
                   [](const Tensor& t) -> std::optional<std::string> {
                     if (!t.requires_grad() || t.is_leaf() || !t.node().op) return {};
                     return t.node().op->name();
                   })
      .def_prop_ro("_operands", [](const Tensor& t) {
        std::vector<Tensor> operands;
        if (t.requires_grad() && !t.is_leaf())
          for (int i = 0; i < t.node().inputs.size(); ++i)
            operands.emplace_back(Ref<Node>(t.node().inputs[i]));
        return operands;
      });
}

}  // namespace

nb::object dtype_object(DType t) { return nb::borrow(g_dtypes[static_cast<int>(t)]); }

bool is_dtype(nb::handle h) {
  DTypeObject* t = nullptr;
  PyObject* p = h.ptr();
  return (nb::try_cast(h, t) && t) || p == reinterpret_cast<PyObject*>(&PyFloat_Type) ||
         p == reinterpret_cast<PyObject*>(&PyLong_Type) ||
         p == reinterpret_cast<PyObject*>(&PyBool_Type);
}

DType dtype_from(nb::handle h) {
  DTypeObject* t = nullptr;
  if (!nb::try_cast(h, t) || !t)
    return h.ptr() == reinterpret_cast<PyObject*>(&PyFloat_Type)  ? DType::kFloat32
           : h.ptr() == reinterpret_cast<PyObject*>(&PyLong_Type) ? DType::kInt64
                                                                  : DType::kBool;
  if (t->value) return *t->value;
  fail<NotImplementedError>("torch.{} is not supported: {}", t->name,
                            t->kind == 'f'   ? "use torch.bfloat16, torch.float16 or torch.float32"
                            : t->kind == 'c' ? "Ballast computes with real numbers"
                                             : "use torch.int64");
}

/// The number in a tensor that PyTorch takes for one; null for any other tensor and for no tensor.
static const Tensor* number_tensor(PyObject* p) noexcept {
  if (!nb::isinstance<Tensor>(nb::handle(p))) return nullptr;
  const Tensor& t = *nb::inst_ptr<Tensor>(nb::handle(p));
  return t.dim() == 0 && !t.requires_grad() ? &t : nullptr;
}

/// The item of a tensor, or none where it cannot be computed: casters do not throw.
static nb::object item_or_none(const Tensor& t) noexcept {
  try {
    return item(t);
  } catch (...) {
    return nb::none();
  }
}

static bool cleared(bool ok) noexcept {
  if (!PyErr_Occurred()) return ok;
  PyErr_Clear();
  return false;
}

bool load_int(PyObject* p, int64_t& out) noexcept {
  if (PyLong_CheckExact(p)) {
    out = PyLong_AsLongLong(p);
    return out != -1 || cleared(true);
  }
  if (PyBool_Check(p)) return false;
  if (nb::isinstance<Tensor>(nb::handle(p))) {
    const Tensor* t = number_tensor(p);
    if (!t || is_floating(t->dtype()) || t->dtype() == DType::kBool) return false;
    const nb::object value = item_or_none(*t);
    return PyLong_Check(value.ptr()) && load_int(value.ptr(), out);
  }
  if (!PyIndex_Check(p)) return false;
  PyObject* i = PyNumber_Index(p);
  if (i) out = PyLong_AsLongLong(i);
  Py_XDECREF(i);
  return cleared(true);
}

/// Any number but a tensor's; sequences that Python can make a number of (arrays) are none.
static bool is_number(PyObject* p) noexcept {
  const PyTypeObject* type = Py_TYPE(p);
  return type->tp_as_number && type->tp_as_number->nb_float &&
         !(type->tp_as_sequence && type->tp_as_sequence->sq_length);
}

bool load_double(PyObject* p, double& out) noexcept {
  if (PyFloat_Check(p)) {
    out = PyFloat_AS_DOUBLE(p);
    return true;
  }
  if (nb::isinstance<Tensor>(nb::handle(p))) {
    const Tensor* t = number_tensor(p);
    return t && load_double(item_or_none(*t).ptr(), out);
  }
  if (!PyLong_Check(p) && !is_number(p)) return false;
  out = PyFloat_AsDouble(p);
  return cleared(true);
}

bool load_scalar(PyObject* p, Scalar& out) noexcept {
  if (const Tensor* t = PyFloat_CheckExact(p) || PyLong_CheckExact(p) ? nullptr : number_tensor(p))
    return load_scalar(item_or_none(*t).ptr(), out);
  int64_t whole = 0;
  if (PyLong_Check(p) || (PyIndex_Check(p) && !nb::isinstance<Tensor>(nb::handle(p)))) {
    const bool fits = PyBool_Check(p) || load_int(p, whole);
    if (fits) out = PyBool_Check(p) ? Scalar(p == Py_True) : Scalar(whole);
    return fits;
  }
  double number = 0;
  if (!load_double(p, number)) return false;
  out = number;
  return true;
}

void check_device(nb::handle h) {
  if (h.ptr() != g_device) nb::borrow(g_check_device)(h);
}

bool Dims::load(nb::handle h) {
  values.clear();
  int64_t v = 0;
  if (!PyTuple_Check(h.ptr()) && !PyList_Check(h.ptr())) {
    if (!load_int(h.ptr(), v)) return false;
    values.push_back(v);
    return true;
  }
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(h.ptr());
  for (Py_ssize_t i = 0; i < n; ++i) {
    if (!load_int(PySequence_Fast_GET_ITEM(h.ptr(), i), v)) return false;
    values.push_back(v);
  }
  return true;
}

bool Pair::load(nb::handle h) {
  Dims d;
  if (!d.load(h) || d.values.empty() || d.values.size() > 2) return false;
  values = {d.values.front(), d.values.back()};
  return true;
}

std::vector<int64_t> sizes_from(const nb::args& args, size_t from) {
  Dims d;
  if (args.size() == from + 1 && d.load(args[from])) return d.values;
  for (size_t i = from; i < args.size(); ++i) {
    int64_t v = 0;
    check<TypeError>(load_int(args[i].ptr(), v), "sizes and dimensions are whole numbers, got {}",
                     nb::repr(args[i]).c_str());
    d.values.push_back(v);
  }
  return d.values;
}

nb::object size_object(const Shape& shape) {
  nb::object tuple = nb::steal(PyTuple_New(shape.rank()));
  for (int i = 0; i < shape.rank(); ++i)
    PyTuple_SET_ITEM(tuple.ptr(), i, PyLong_FromLongLong(shape[i]));
  return nb::borrow(g_size_type)(tuple);
}

std::byte* row_major(const Tensor& t) {
  nb::gil_scoped_release release;
  dispatch_stored(t.dtype(), [&](auto zero) { t.data<decltype(zero)>(); });
  return t.node().data();
}

Tensor leaf_of(Ref<Buffer> buffer, const Shape& shape, DType dtype) {
  Ref<Node> n = make_ref<Node>();
  n->shape = shape;
  n->dtype = dtype;
  n->buffer = std::move(buffer);
  return Tensor(std::move(n));
}

Ref<Buffer> wrap_memory(void* data, size_t bytes, nb::object owner) {
  PyObject* p = owner.release().ptr();
  return Buffer::wrap(data, bytes, [p] { Releases::instance().release(p); });
}

void bind_graph(nb::module_& m) {
  bind_types(m);
  bind_generator(m);
  nb::class_<Tensor> c(m, "Tensor", nb::dynamic_attr(), nb::is_weak_referenceable(),
                       "An n-dimensional array, as torch.Tensor.");
  c.def(
      "__init__",
      [](Tensor* self, const Tensor& source, bool requires_grad) {
        new (self) Tensor(leaf_sharing(source, requires_grad));
        if (requires_grad) self->impl()->adopt(self->node());
      },
      "data"_a, "requires_grad"_a = false);
  c.def("__init__", [](Tensor* self, nb::args args) { new (self) Tensor(from_arguments(args)); });
  bind_properties(c);
  c.def("__hash__", [](const Tensor& t) { return reinterpret_cast<uintptr_t>(t.impl()) >> 4; })
      .def("data_ptr", [](const Tensor& t) { return reinterpret_cast<uintptr_t>(row_major(t)); })
      .def("size", [](const Tensor& t) { return size_object(t.shape()); })
      .def("size", &Tensor::size, "dim"_a)
      .def("stride", [](const Tensor& t) { return nb::tuple(nb::cast(strides(t))); })
      .def(
          "stride",
          [](const Tensor& t, int64_t dim) { return strides(t)[t.shape().normalize(dim)]; },
          "dim"_a)
      .def("dim", &Tensor::dim)
      .def("numel", &Tensor::numel)
      .def("nelement", &Tensor::numel)
      .def("item", &item)
      .def("tolist",
           [](const Tensor& t) -> nb::object {
             if (t.dim() == 0) return item(t);
             row_major(t);
             int64_t at = 0;
             return nested_list(t, 0, at);
           })
      .def("_numpy", &to_array<nb::numpy>)
      .def("_dlpack", &to_array<nb::array_api>)
      .def("__dlpack_device__", [](const Tensor&) { return nb::make_tuple(1, 0); })
      .def("detach", &Tensor::detach)
      .def_prop_ro("_evaluated", [](const Tensor& t) { return t.node().evaluated(); })
      .def(
          "requires_grad_",
          [](nb::handle self, bool on) {
            nb::cast<Tensor&>(self).set_requires_grad(on);
            return nb::borrow(self);
          },
          "requires_grad"_a = true)
      .def("_set_data", &set_data)
      .def("_become", [](Tensor& t, const Tensor& o) { t.impl()->rebind(Ref<Node>(&o.node())); })
      // From now on the object shows what the view `o` of it shows; other objects stay.
      .def("_show", [](Tensor& t, const Tensor& o) { t = o; })
      .def("_written", [](Tensor& t, const Tensor& value) { write(t, value); })
      .def("_same_as", &Tensor::is)
      .def_prop_ro("_is_view", [](const Tensor& t) { return t.impl()->is_view(); })
      .def(
          "is_contiguous", [](const Tensor& t, nb::object) { return is_contiguous(t); },
          "memory_format"_a = nb::none())
      .def(
          "contiguous", [](const Tensor& t, nb::object) { return contiguous(t); },
          "memory_format"_a = nb::none())
      .def(
          "clone", [](const Tensor& t, nb::object) { return clone(t); }, nb::kw_only(),
          "memory_format"_a = nb::none())
      .def("storage_offset",
           [](const Tensor& t) { return t.impl()->is_view() ? t.impl()->view->offset : 0; });
  bind_autograd(m, c);
  bind_in_place(c);
  bind_index(c);
  bind_ops(m, c);
  bind_math(m, c);
  bind_linalg(m, c);
  bind_positions(m, c);
  bind_special(m, c);
  bind_attention(m);
  bind_recurrent(m);
  bind_vision(m);
  m.def("_from_memory", &from_memory, "address"_a, "shape"_a, "dtype"_a, "owner"_a.none());
  m.def("_from_dlpack", &from_dlpack, "array"_a);
}

}  // namespace ballast::python
