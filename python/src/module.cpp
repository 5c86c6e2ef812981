#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <string>

#include "ballast/base/version.h"

NB_MODULE(_core, m) {
  m.doc() = "The compiled part of the package ballast.";
  m.attr("__version__") = std::string(ballast::version());
}
