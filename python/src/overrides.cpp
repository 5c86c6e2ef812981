// Functions that subclasses of Tensor, and values that stand for tensors, may take over by
// `__torch_function__`. Each public function and method is wrapped once; a call then costs one look
// at the type of each argument more.
#include <Python.h>
#include <structmember.h>

#include <algorithm>

#include "bind.h"

namespace ballast::python {
namespace {

/// How many guards of this thread let functions see plain tensors only.
thread_local int t_disabled = 0;

/// A function or method, wrapped.
struct Overridable {
  PyObject_HEAD vectorcallfunc call;
  PyObject* target;
  PyObject* attributes;
};

Overridable* self_of(PyObject* o) { return reinterpret_cast<Overridable*>(o); }

PyObject* protocol_name() {
  static PyObject* name = PyUnicode_InternFromString("__torch_function__");
  return name;
}

/// The class's `__torch_function__`, borrowed, unless it is the one that leaves functions alone.
PyObject* override_of(PyTypeObject* type) {
  if (type == &PyLong_Type || type == &PyFloat_Type || type == &PyUnicode_Type ||
      type == &PyBool_Type || type == Py_TYPE(Py_None) || type == &PyTuple_Type ||
      type == &PyList_Type || type == &PySlice_Type)
    return nullptr;
  static PyObject* none = [] {
    nb::object found =
        nb::module_::import_("ballast.overrides").attr("_disabled_torch_function_impl");
    return found.release().ptr();
  }();
  static PyTypeObject* tensor = reinterpret_cast<PyTypeObject*>(nb::type<Tensor>().ptr());
  if (type == tensor) return nullptr;
  PyObject* found = _PyType_Lookup(type, protocol_name());
  return found == none ? nullptr : found;
}

/// Adds `arg`, where it overrides functions, to the list in the order in which PyTorch asks: from
/// the left, a subclass before what it is derived from.
void collect(PyObject* arg, std::vector<PyObject*>& found) {
  PyTypeObject* type = Py_TYPE(arg);
  if (!override_of(type)) return;
  for (PyObject* f : found)
    if (Py_TYPE(f) == type) return;
  const auto at = std::find_if(found.begin(), found.end(), [&](PyObject* f) {
    return PyType_IsSubtype(type, Py_TYPE(f)) != 0;
  });
  found.insert(at, arg);
}

/// The arguments that override functions; lists and tuples of arguments are looked into.
std::vector<PyObject*> overriding(PyObject* const* args, size_t n) {
  std::vector<PyObject*> found;
  for (size_t i = 0; i < n; ++i) {
    if (PyTuple_CheckExact(args[i]) || PyList_CheckExact(args[i])) {
      PyObject** items = PySequence_Fast_ITEMS(args[i]);
      for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(args[i]); ++k) collect(items[k], found);
    } else {
      collect(args[i], found);
    }
  }
  return found;
}

/// Asks each of `found` for the result. A new reference, or null with an error set.
PyObject* ask(PyObject* function, const std::vector<PyObject*>& found, PyObject* const* args,
              size_t positional, PyObject* names) {
  nb::object types = nb::steal(PyTuple_New(static_cast<Py_ssize_t>(found.size())));
  for (size_t i = 0; i < found.size(); ++i)
    PyTuple_SET_ITEM(types.ptr(), static_cast<Py_ssize_t>(i),
                     Py_NewRef(reinterpret_cast<PyObject*>(Py_TYPE(found[i]))));
  nb::object all = nb::steal(PyTuple_New(static_cast<Py_ssize_t>(positional)));
  for (size_t i = 0; i < positional; ++i)
    PyTuple_SET_ITEM(all.ptr(), static_cast<Py_ssize_t>(i), Py_NewRef(args[i]));
  nb::object keywords = nb::steal(PyDict_New());
  for (Py_ssize_t i = 0; names && i < PyTuple_GET_SIZE(names); ++i)
    if (PyDict_SetItem(keywords.ptr(), PyTuple_GET_ITEM(names, i), args[positional + i]))
      return nullptr;
  for (PyObject* o : found) {
    // Of the class, not of the object: as a class method, or a static one.
    nb::object method =
        nb::steal(PyObject_GetAttr(reinterpret_cast<PyObject*>(Py_TYPE(o)), protocol_name()));
    if (!method.is_valid()) return nullptr;
    PyObject* result = PyObject_CallFunctionObjArgs(method.ptr(), function, types.ptr(), all.ptr(),
                                                    keywords.ptr(), nullptr);
    if (!result || result != Py_NotImplemented) return result;
    Py_DECREF(result);
  }
  PyErr_Format(PyExc_TypeError, "no implementation found for '%S' on types that implement %U: %R",
               self_of(function)->target, protocol_name(), types.ptr());
  return nullptr;
}

PyObject* call(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
  Overridable* o = self_of(self);
  if (t_disabled == 0) {
    const size_t positional = static_cast<size_t>(PyVectorcall_NARGS(nargsf));
    const size_t named = names ? static_cast<size_t>(PyTuple_GET_SIZE(names)) : 0;
    const std::vector<PyObject*> found = overriding(args, positional + named);
    if (!found.empty()) [[unlikely]]
      return ask(self, found, args, positional, names);
  }
  return PyObject_Vectorcall(o->target, args, nargsf, names);
}

PyObject* bind_to(PyObject* self, PyObject* instance, PyObject*) {
  return instance ? PyMethod_New(self, instance) : Py_NewRef(self);
}

/// Attributes that are not its own are those of what is wrapped.
PyObject* get_attribute(PyObject* self, PyObject* name) {
  static PyObject* wrapped = PyUnicode_InternFromString("__wrapped__");
  static PyObject* dictionary = PyUnicode_InternFromString("__dict__");
  static PyObject* doc = PyUnicode_InternFromString("__doc__");
  static PyObject* module = PyUnicode_InternFromString("__module__");
  Overridable* o = self_of(self);
  if (o->attributes) {
    if (PyObject* own = PyDict_GetItemWithError(o->attributes, name)) return Py_NewRef(own);
    if (PyErr_Occurred()) return nullptr;
  }
  if (PyObject_RichCompareBool(name, wrapped, Py_EQ) == 1) return Py_NewRef(o->target);
  if (PyObject_RichCompareBool(name, dictionary, Py_EQ) == 1) {
    if (!o->attributes) o->attributes = PyDict_New();
    return Py_XNewRef(o->attributes);
  }
  const bool of_target = PyObject_RichCompareBool(name, doc, Py_EQ) == 1 ||
                         PyObject_RichCompareBool(name, module, Py_EQ) == 1;
  if (!of_target) {
    if (PyObject* own = PyObject_GenericGetAttr(self, name)) return own;
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return nullptr;
    PyErr_Clear();
  }
  return PyObject_GetAttr(o->target, name);
}

int set_attribute(PyObject* self, PyObject* name, PyObject* value) {
  Overridable* o = self_of(self);
  if (!o->attributes && !(o->attributes = PyDict_New())) return -1;
  return value ? PyDict_SetItem(o->attributes, name, value) : PyDict_DelItem(o->attributes, name);
}

PyObject* text(PyObject* self) { return PyObject_Repr(self_of(self)->target); }

/// Pickled by name, as functions are.
PyObject* reduce(PyObject* self, PyObject*) {
  return PyObject_GetAttrString(self_of(self)->target, "__name__");
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(self_of(self)->target);
  Py_VISIT(self_of(self)->attributes);
  Py_VISIT(Py_TYPE(self));
  return 0;
}

int clear(PyObject* self) {
  Py_CLEAR(self_of(self)->target);
  Py_CLEAR(self_of(self)->attributes);
  return 0;
}

void destroy(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  clear(self);
  PyObject_GC_Del(self);
  Py_DECREF(type);
}

PyTypeObject* make_type(const char* name, bool method) {
  static PyMemberDef members[] = {
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(Overridable, call), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr}};
  static PyMethodDef methods[] = {{"__reduce__", reduce, METH_NOARGS, nullptr},
                                  {nullptr, nullptr, 0, nullptr}};
  std::vector<PyType_Slot> slots{{Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                                 {Py_tp_dealloc, reinterpret_cast<void*>(destroy)},
                                 {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
                                 {Py_tp_clear, reinterpret_cast<void*>(clear)},
                                 {Py_tp_getattro, reinterpret_cast<void*>(get_attribute)},
                                 {Py_tp_setattro, reinterpret_cast<void*>(set_attribute)},
                                 {Py_tp_repr, reinterpret_cast<void*>(text)},
                                 {Py_tp_members, members},
                                 {Py_tp_methods, methods}};
  if (method) slots.push_back({Py_tp_descr_get, reinterpret_cast<void*>(bind_to)});
  slots.push_back({0, nullptr});
  unsigned flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL;
  if (method) flags |= Py_TPFLAGS_METHOD_DESCRIPTOR;
  PyType_Spec spec{name, sizeof(Overridable), 0, flags, slots.data()};
  return reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
}

nb::object overridable(nb::handle target, bool method) {
  static PyTypeObject* function_type = make_type("ballast._core.function", false);
  static PyTypeObject* method_type = make_type("ballast._core.method", true);
  Overridable* o = PyObject_GC_New(Overridable, method ? method_type : function_type);
  if (!o) nb::raise_python_error();
  o->call = call;
  o->target = Py_NewRef(target.ptr());
  o->attributes = nullptr;
  PyObject_GC_Track(o);
  return nb::steal(reinterpret_cast<PyObject*>(o));
}

}  // namespace

void bind_overrides(nb::module_& m) {
  m.def("_overridable", &overridable, "target"_a, "method"_a,
        "Wraps a function, or a method, which classes may take over by __torch_function__.");
  m.def(
      "_as_subclass",
      [](const Tensor& t, nb::handle cls) {
        if (!PyType_Check(cls.ptr()) ||
            !PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(cls.ptr()),
                              reinterpret_cast<PyTypeObject*>(nb::type<Tensor>().ptr())))
          throw nb::type_error("as_subclass: expected a subclass of Tensor");
        nb::object out = nb::inst_alloc(cls);
        new (nb::inst_ptr<Tensor>(out)) Tensor(t);
        nb::inst_mark_ready(out);
        return out;
      },
      "tensor"_a, "cls"_a, "The same tensor as an object of a subclass.");
  m.def(
      "_overrides_disabled", [](int by) { return t_disabled += by; }, "by"_a,
      "Counts this thread's guards that keep functions from asking.");
}

}  // namespace ballast::python
