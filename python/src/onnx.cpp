// Exchange with other run-times.
#include "ballast/io/onnx.h"

#include "ballast/base/file.h"
#include "bind.h"

namespace ballast::python {

void bind_onnx(nb::module_& m) {
  using Names = std::vector<std::string>;
  m.def(
      "_onnx",
      [](nb::callable f, const std::vector<Tensor>& inputs, const StateDict& names, bool fold,
         int64_t opset_version, const Names& input_names, const Names& output_names,
         bool dynamic_batch, const Names& input_batch, const Names& output_batch,
         bool open_constants) {
        const io::OnnxFunction function = [&](std::span<const Tensor> x) {
          nb::list arguments;
          for (const Tensor& t : x) arguments.append(nb::cast(t));
          return nb::cast<std::vector<Tensor>>(f(*nb::tuple(arguments)));
        };
        const std::string bytes = io::onnx_bytes(function, inputs,
                                                 {.fold = fold,
                                                  .opset_version = opset_version,
                                                  .input_names = input_names,
                                                  .output_names = output_names,
                                                  .dynamic_batch = dynamic_batch,
                                                  .input_batch = input_batch,
                                                  .output_batch = output_batch,
                                                  .open_constants = open_constants},
                                                 names);
        return nb::bytes(bytes.data(), bytes.size());
      },
      "function"_a, "inputs"_a, "names"_a, "fold"_a, "opset_version"_a, "input_names"_a,
      "output_names"_a, "dynamic_batch"_a, "input_batch"_a, "output_batch"_a, "open_constants"_a);
  m.def(
      "_write_file",
      [](const std::string& path, nb::bytes content) {
        write_atomically(path, {static_cast<const std::byte*>(content.data()), content.size()});
      },
      "path"_a, "content"_a);
}

}  // namespace ballast::python
