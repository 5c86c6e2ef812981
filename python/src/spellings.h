// Further spellings of calls.
#pragma once

#include "bind.h"

namespace ballast::python {

/// Binds `_take_spellings` and `_translate_by`, by which ballast._operations.spellings lets bound
/// functions take `out=`, NumPy's names of arguments and rare options.
void bind_spellings(nb::module_& m);

}  // namespace ballast::python
