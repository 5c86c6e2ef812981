// The extension module: errors, and the parts in the order of the library's folders.
#include <new>
#include <stdexcept>
#include <thread>
#include <typeinfo>
#include <utility>

#include "ballast/base/text.h"
#include "ballast/base/threads.h"
#include "ballast/base/version.h"
#include "ballast/kernels/target.h"
#include "bind.h"
#include "spellings.h"

namespace ballast::python {

namespace {

// The thread that imports the module, which is Python's main thread.
const std::thread::id g_main_thread = std::this_thread::get_id();

// What a signal's handler raised while values were computed, until it is back in Python.
PyObject* g_raised = nullptr;

/// Lets Python run the handlers of signals that came: on its main thread, as it asks for.
bool interrupted() {
  if (std::this_thread::get_id() != g_main_thread || !Py_IsInitialized()) return false;
  const nb::gil_scoped_acquire lock;
  if (PyErr_Occurred() || PyErr_CheckSignals() == 0) return false;
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  PyErr_NormalizeException(&type, &value, &trace);
  if (trace) PyException_SetTraceback(value, trace);
  Py_XDECREF(type);
  Py_XDECREF(trace);
  Py_XSETREF(g_raised, value);
  return true;
}

/// Python takes UTF-8 only, and makes an empty message of others.
void raise(PyObject* type, const char* what) { PyErr_SetString(type, as_utf8(what).c_str()); }

void translate(const std::exception_ptr& p, void*) {
  try {
    std::rethrow_exception(p);
  } catch (const ValueError& e) {
    raise(PyExc_ValueError, e.what());
  } catch (const IndexError& e) {
    raise(PyExc_IndexError, e.what());
  } catch (const TypeError& e) {
    raise(PyExc_TypeError, e.what());
  } catch (const KeyError& e) {
    raise(PyExc_KeyError, e.what());
  } catch (const NotImplementedError& e) {
    raise(PyExc_NotImplementedError, e.what());
  } catch (const FileError& e) {
    raise(PyExc_OSError, e.what());
  } catch (const Error& e) {
    raise(PyExc_RuntimeError, e.what());
  } catch (const std::bad_cast&) {
    raise(PyExc_TypeError, "an argument's type does not fit");
  } catch (const std::bad_alloc&) {
    raise(PyExc_RuntimeError, "not enough memory");
  } catch (const std::length_error& e) {
    raise(PyExc_RuntimeError, e.what());
  } catch (const std::out_of_range&) {
    raise(PyExc_RuntimeError, "a list of sizes or dimensions is too short");
  } catch (const Interrupted&) {
    PyObject* raised = std::exchange(g_raised, nullptr);
    if (!raised) return raise(PyExc_KeyboardInterrupt, "");
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(raised)), raised);
    Py_DECREF(raised);
  }
}

}  // namespace
}  // namespace ballast::python

NB_MODULE(_core, m) {
  using namespace ballast::python;
  nb::register_exception_translator(translate);
  ballast::set_interrupt_check(&interrupted);
  nb::set_leak_warnings(false);  // modules kept in caches at exit are no leak
  m.attr("__version__") = std::string(ballast::version());
  m.def("get_num_threads", &ballast::num_threads, "Threads that an evaluation may use.");
  m.def("set_num_threads", &ballast::set_num_threads, "n"_a, "Sets how many threads are used.");
  m.def("set_flush_denormal", &ballast::set_flush_denormal, "mode"_a,
        "Make numbers too small for a normal float32 (float64) zero, on every thread.");
  m.def("_target_name", &ballast::kernels::target_name, "Vector instructions in use.");
  bind_graph(m);
  bind_explain(m);
  bind_diagnose(m);
  bind_create(m);
  bind_nn(m);
  bind_layers_nd(m);
  bind_margin_losses(m);
  bind_composed_activations(m);
  bind_optim(m);
  bind_data(m);
  bind_io(m);
  bind_onnx(m);
  bind_study(m);
  bind_statistics(m);
  bind_spellings(m);
  bind_overrides(m);
}
