// Files of named tensors.
#include <nanobind/stl/map.h>

#include "ballast/io/safetensors.h"
#include "bind.h"

namespace ballast::python {

void bind_io(nb::module_& m) {
  using Named = std::vector<std::pair<std::string, Tensor>>;
  using Metadata = std::map<std::string, std::string>;
  m.def("_save_safetensors",
        [](const std::string& path, const Named& tensors, const Metadata& metadata) {
          io::NamedArrays arrays;
          for (const auto& [name, t] : tensors) {
            row_major(t);
            arrays.emplace_back(name, io::Array{t.dtype(), t.shape(), t.node().buffer});
          }
          nb::gil_scoped_release release;
          io::write_safetensors(path, arrays, metadata);
        });
  m.def("_load_safetensors", [](const std::string& path) {
    io::SafeTensors file;
    {
      nb::gil_scoped_release release;
      file = io::read_safetensors(path);
    }
    Named tensors;
    for (const auto& [name, a] : file.tensors)
      tensors.emplace_back(name, leaf_of(a.data, a.shape, a.dtype));
    return std::make_pair(tensors, file.metadata);
  });
}

}  // namespace ballast::python
