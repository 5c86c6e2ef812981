// Several results as the named tuples that PyTorch returns.
#pragma once

#include "bind.h"

namespace ballast::python {

// One function per file that returns such results.
void bind_linalg(nb::module_& m, nb::class_<Tensor>& c);
void bind_positions(nb::module_& m, nb::class_<Tensor>& c);
void bind_special(nb::module_& m, nb::class_<Tensor>& c);
void bind_attention(nb::module_& m);
void bind_recurrent(nb::module_& m);
void bind_vision(nb::module_& m);

/// `ballast._types.TYPE(results...)`; None stands for undefined tensors.
template <class... Results>
nb::object named_tuple(const char* type, const Results&... results) {
  return nb::module_::import_("ballast._types").attr(type)(results...);
}

/// A function of the module that is also a method.
template <class F, class... Extra>
void function_and_method(nb::module_& m, nb::class_<Tensor>& c, const char* name, F f,
                         const Extra&... extra) {
  c.def(name, f, extra...);
  m.def(name, f, "input"_a, extra...);
}

/// `f` of x with PyTorch's `dtype=`: x is converted first, and the result is of that type.
template <class F>
Tensor in_type(std::optional<DType> t, const Tensor& x, F&& f) {
  return t ? f(x.to(*t)).to(*t) : f(x);
}

}  // namespace ballast::python
