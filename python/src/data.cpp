// Data sets, as tensors.
#include "ballast/data/digits.h"
#include "ballast/data/file.h"
#include "bind.h"

namespace ballast::python {
namespace {

std::pair<Tensor, Tensor> tensors(const data::ArrayDataset& d) {
  return {leaf_of(d.inputs.data, d.inputs.shape, d.inputs.dtype),
          leaf_of(d.labels.data, d.labels.shape, d.labels.dtype)};
}

}  // namespace

void bind_data(nb::module_& m) {
  m.def("_digits", [](const std::string& split) {
    check<ValueError>(split == "train" || split == "test" || split == "all",
                      "the digits' splits are 'train', 'test' and 'all', got '{}'", split);
    return tensors(data::digits_arrays(split == "train"  ? data::Split::kTrain
                                       : split == "test" ? data::Split::kTest
                                                         : data::Split::kAll));
  });
  m.def("_rows", [](const std::vector<int64_t>& rows) {
    return Tensor::from(rows, Shape{static_cast<int64_t>(rows.size())});
  });
  m.def("_load_arrays", [](const std::string& path) { return tensors(data::load_arrays(path)); });
}

}  // namespace ballast::python
