// Real handwritten digits, embedded in the library.
#pragma once

#include "ballast/data/dataset.h"

namespace ballast::data {

/// Which part of a data set.
enum class Split { kTrain, kTest, kAll };

/// The 1,797 handwritten digits of UCI's optical-recognition set, as scikit-learn ships them (E.
/// Alpaydin and C. Kaynak, https://doi.org/10.24432/C50P49, CC BY 4.0): grey images of 8x8 pixels.
/// `inputs` (N, 1, 8, 8) are the pixels' values 0 to 16 divided by 16, hence exact and from 0 to 1;
/// `labels` 0 to 9.
/// kTrain: 1,437 samples; kTest: the other 360, by a stored permutation (PyTorch's `randperm(1797)`
/// with seed 0); kAll: all of them in scikit-learn's order.
ArrayDataset digits_arrays(Split split = Split::kAll);

}  // namespace ballast::data
