// Samples and their labels.
#pragma once

#include "ballast/io/array.h"

namespace ballast::data {

/// N samples: `inputs` (N, ...) float32, `labels` (N) int64.
struct ArrayDataset {
  io::Array inputs, labels;

  int64_t size() const { return labels.numel(); }
};

}  // namespace ballast::data
