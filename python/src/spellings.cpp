// Lets every bound function take PyTorch's further spellings of a call (`out=`, `axis=`, rare
// options), which ballast._operations.spellings translates. A call that fits costs nothing: the
// translation is asked only where the arguments fit no overload, or an option is not implemented.
#include "spellings.h"

#include <array>

namespace ballast::python {
namespace {

// nanobind calls its functions through few different pointers; each is wrapped once.
constexpr size_t kMaxCalls = 16;
std::array<vectorcallfunc, kMaxCalls> original_calls{};
PyObject* translation = nullptr;

/// The translated call's result; null with the error of the first call where there is no other
/// spelling of it.
PyObject* translated(PyObject* function, PyObject* const* args, size_t count, PyObject* names) {
  PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
  PyErr_Fetch(&type, &value, &trace);
  PyObject* result = nullptr;
  PyObject* positional = PyTuple_New(static_cast<Py_ssize_t>(count));
  PyObject* named = PyDict_New();
  bool fine = positional && named;
  for (size_t i = 0; fine && i < count; ++i)
    PyTuple_SET_ITEM(positional, static_cast<Py_ssize_t>(i), Py_NewRef(args[i]));
  for (Py_ssize_t i = 0; fine && names && i < PyTuple_GET_SIZE(names); ++i)
    fine = PyDict_SetItem(named, PyTuple_GET_ITEM(names, i),
                          args[count + static_cast<size_t>(i)]) == 0;
  if (fine) {
    PyObject* all[] = {function, positional, named};
    result = PyObject_Vectorcall(translation, all, 3, nullptr);
  }
  Py_XDECREF(positional);
  Py_XDECREF(named);
  if (result == Py_NotImplemented) {
    Py_DECREF(result);
    PyErr_Restore(type, value, trace);
    return nullptr;
  }
  Py_XDECREF(type);
  Py_XDECREF(value);
  Py_XDECREF(trace);
  return result;
}

template <size_t I>
PyObject* call(PyObject* function, PyObject* const* args, size_t flags, PyObject* names) {
  PyObject* result = original_calls[I](function, args, flags, names);
  if (result || !translation) return result;
  if (!PyErr_ExceptionMatches(PyExc_TypeError) &&
      !PyErr_ExceptionMatches(PyExc_NotImplementedError))
    return nullptr;
  return translated(function, args, static_cast<size_t>(PyVectorcall_NARGS(flags)), names);
}

template <size_t... I>
constexpr std::array<vectorcallfunc, kMaxCalls> wrappers(std::index_sequence<I...>) {
  return {call<I>...};
}
constexpr auto kCalls = wrappers(std::make_index_sequence<kMaxCalls>());

/// Makes `function`, one of nanobind's, ask the translation. Calling it twice does nothing more.
void take_spellings(nb::handle function) {
  PyTypeObject* type = Py_TYPE(function.ptr());
  check<TypeError>(PyType_HasFeature(type, Py_TPFLAGS_HAVE_VECTORCALL) &&
                       std::string_view(type->tp_name).starts_with("nanobind."),
                   "expected a bound function, got {}", type->tp_name);
  auto* slot = reinterpret_cast<vectorcallfunc*>(reinterpret_cast<std::byte*>(function.ptr()) +
                                                 type->tp_vectorcall_offset);
  for (size_t i = 0; i < kMaxCalls; ++i) {
    if (*slot == kCalls[i]) return;
    if (!original_calls[i]) original_calls[i] = *slot;
    if (original_calls[i] != *slot) continue;
    *slot = kCalls[i];
    return;
  }
  fail("no room for another kind of bound function");
}

}  // namespace

void bind_spellings(nb::module_& m) {
  m.def("_take_spellings", &take_spellings, "function"_a);
  m.def(
      "_translate_by", [](nb::object f) { translation = f.release().ptr(); }, "function"_a);
}

}  // namespace ballast::python
