// Special functions: as functions of the module, of `torch.special`, and as methods.
#include "ballast/ops/special.h"

#include "results.h"

namespace ballast::python {

void bind_special(nb::module_& m, nb::class_<Tensor>& c) {
  using T = const Tensor&;
  using Unary = Tensor (*)(T);
  const std::pair<const char*, Unary> both[] = {{"erfinv", erfinv}, {"i0", i0}, {"angle", angle}};
  for (const auto& [name, f] : both) function_and_method(m, c, name, f);
  nb::module_ special = m.def_submodule("_special", "What torch.special has beyond torch");
  const std::pair<const char*, Unary> there[] = {
      {"entr", entr}, {"erfcx", erfcx},       {"i0e", i0e},   {"i1", i1},
      {"i1e", i1e},   {"log_ndtr", log_ndtr}, {"ndtr", ndtr}, {"ndtri", ndtri}};
  for (const auto& [name, f] : there) special.def(name, f, "input"_a);
  m.def("polygamma", &polygamma, "n"_a, "input"_a);
  c.def(
      "polygamma", [](T x, int64_t n) { return polygamma(n, x); }, "n"_a);
  function_and_method(m, c, "igamma", &igamma, "other"_a);
  function_and_method(m, c, "igammac", &igammac, "other"_a);
  function_and_method(m, c, "mvlgamma", &mvlgamma, "p"_a);
  function_and_method(m, c, "nextafter", &nextafter, "other"_a);
  function_and_method(m, c, "frexp", [](T x) {
    const Frexp r = frexp(x);
    return named_tuple("frexp", r.mantissa, r.exponent);
  });
}

}  // namespace ballast::python
