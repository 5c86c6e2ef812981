// The reductions of losses, and PyTorch's arguments of old that choose one.
#pragma once

#include "ballast/ops/loss.h"
#include "bind.h"

namespace ballast::python {

/// The reduction that a loss's arguments name. `size_average` and `reduce`, where one is given,
/// win over the name; one that is not given counts as true. Throws ValueError for other names.
inline Reduction reduction_from(const std::string& name, nb::handle size_average, nb::handle reduce,
                                bool batch_mean = false) {
  if (!size_average.is_none() || !reduce.is_none()) {
    const auto holds = [](nb::handle flag) {
      if (flag.is_none()) return true;
      const int truth = PyObject_IsTrue(flag.ptr());
      if (truth < 0) nb::raise_python_error();
      return truth != 0;
    };
    const bool average = holds(size_average), reduced = holds(reduce);
    return !reduced ? Reduction::kNone : average ? Reduction::kMean : Reduction::kSum;
  }
  if (name == "mean") return Reduction::kMean;
  if (name == "sum") return Reduction::kSum;
  if (name == "none") return Reduction::kNone;
  if (batch_mean && name == "batchmean") return Reduction::kBatchMean;
  fail<ValueError>("{} is not a valid value for reduction", name);
}

}  // namespace ballast::python
