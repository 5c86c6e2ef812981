// Data sets in files.
#pragma once

#include <string>

#include "ballast/data/dataset.h"

namespace ballast::data {

/// Reads samples and labels from a file, by its ending:
///   .csv   a line per sample, the label last (see `io::read_csv`); inputs (N, F)
///   .npy   a matrix with a row per sample, the label last; inputs (N, F)
///   .npz   arrays `x` and `y`, or `X` and `y`, `images` and `labels`, `data` and `target`, or the
///   first
///          two; inputs keep their shape (N, ...), labels are (N) or (N, 1)
/// Values are converted to float32 and otherwise left as they are: no scaling. Labels must be whole
/// numbers of at least 0, inputs finite, and there must be at least one sample.
/// Throws FileError with the file and the first sample that does not fit (samples and columns count
/// from 0; in a .csv, lines and columns from 1).
ArrayDataset load_arrays(const std::string& path);

}  // namespace ballast::data
