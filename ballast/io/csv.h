// Tables of numbers as text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ballast/io/array.h"

namespace ballast::io {

/// Whether the first line names the columns; kDetect: it does unless one of its cells is a number.
enum class CsvHeader { kDetect, kYes, kNo };

/// How a table is to be read.
struct CsvOptions {
  /// Between cells; 0: a tab where the first line has one, else a semicolon, else a comma.
  char delimiter = '\0';
  CsvHeader header = CsvHeader::kDetect;
  /// The last column holds class labels, unless `label` names another: by the header's name, or by
  /// position ("0" is the first, "-1" the last).
  bool has_labels = true;
  std::string label = {};
  /// Accepts cells "nan" and "inf", which are errors otherwise: such data cannot be trained on.
  bool allow_nonfinite = false;
};

/// A table read: N lines of F features and, if there are any, N labels.
struct Csv {
  /// Names of the feature columns, empty without a header.
  std::vector<std::string> names;
  Array features;  ///< (N, F) float32
  Array labels;    ///< (N) int64; absent labels: (0)
};

/// Reads a table. Cells may be in double quotes and have spaces around them; lines end in LF or
/// CRLF; a byte-order mark and blank lines are passed over. Labels must be whole numbers. Throws
/// FileError with file:line:column (both from 1; the column counts cells) and the text that does
/// not fit: a file without data, a line with another number of cells, a cell that is no number.
Csv read_csv(const std::string& path, const CsvOptions& options = {});
/// The same from memory; `name` stands for the file in errors.
Csv parse_csv(std::string_view text, const std::string& name, const CsvOptions& options = {});

}  // namespace ballast::io
