#include "ballast/io/csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "ballast/base/file.h"
#include "ballast/base/text.h"

namespace ballast::io {
namespace {

enum class Parsed { kNumber, kNonfinite, kTooLarge, kText };

/// The number that the whole of `cell` spells.
Parsed parse_number(std::string_view cell, double* value) {
  if (cell.size() > 1 && cell[0] == '+' && cell[1] != '-') cell.remove_prefix(1);
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), *value);
  if (end != cell.data() + cell.size() || error == std::errc::invalid_argument)
    return Parsed::kText;
  if (error == std::errc::result_out_of_range) return Parsed::kTooLarge;
  return std::isfinite(*value) ? Parsed::kNumber : Parsed::kNonfinite;
}

/// Text from a file, as an error shows it: on one line and not too long.
std::string shown(std::string_view text) {
  std::string s;
  for (char c : text.substr(0, 60)) s += static_cast<unsigned char>(c) < ' ' || c == 127 ? '?' : c;
  return '"' + s + (text.size() > 60 ? "...\"" : "\"");
}

class Reader {
 public:
  Reader(std::string_view text, const std::string& file, const CsvOptions& options)
      : text_(text), file_(file), options_(options), delimiter_(options.delimiter) {
    if (text_.starts_with("\xef\xbb\xbf")) text_.remove_prefix(3);
  }

  Csv read() {
    std::string_view line;
    if (!next_line(&line)) fail<FileError>("{}: empty: expected lines of numbers", file_);
    if (!delimiter_) delimiter_ = detect_delimiter(line);
    columns_ = for_cells(line, [](size_t, std::string_view) {});
    const bool header = has_header(line);
    Csv csv;
    if (header) csv.names = names_of(line);
    label_ = options_.has_labels ? label_column(csv.names) : columns_;
    if (header) {
      if (label_ < csv.names.size()) csv.names.erase(csv.names.begin() + label_);
      if (!next_line(&line)) fail<FileError>("{}: only a header: expected lines of numbers", file_);
    }
    reserve();
    size_t rows = 0;
    do {
      read_row(line);
      ++rows;
    } while (next_line(&line));
    csv.features = Array::of(
        {static_cast<int64_t>(rows), static_cast<int64_t>(features_.size() / rows)}, features_);
    csv.labels = Array::of({static_cast<int64_t>(labels_.size())}, labels_);
    return csv;
  }

 private:
  /// The next line that is not blank, without its end.
  bool next_line(std::string_view* line) {
    while (!text_.empty()) {
      const size_t end = std::min(text_.find('\n'), text_.size());
      *line = text_.substr(0, end);
      text_.remove_prefix(std::min(end + 1, text_.size()));
      if (line->ends_with('\r')) line->remove_suffix(1);
      ++line_number_;
      // A line of tabs or spaces only is blank, also where tabs separate cells.
      if (!trim(*line).empty()) return true;
    }
    return false;
  }

  static char detect_delimiter(std::string_view line) {
    bool semicolon = false, quoted = false;
    for (char c : line) {
      if (c == '"') quoted = !quoted;
      if (quoted) continue;
      if (c == '\t') return '\t';
      semicolon |= c == ';';
    }
    return semicolon ? ';' : ',';
  }

  template <class... Args>
  [[noreturn]] void bad(size_t column, fmt::format_string<Args...> format, Args&&... args) const {
    fail<FileError>("{}:{}:{}: {}", file_, line_number_, column + 1,
                    fmt::format(format, std::forward<Args>(args)...));
  }

  /// Calls `f(column, cell)` for the cells of a line; returns how many there are.
  template <class F>
  size_t for_cells(std::string_view line, F&& f) const {
    for (size_t column = 0;; ++column) {
      std::string_view cell = line;
      // Spaces before a quote; a tab may be the delimiter.
      while (!cell.empty() && cell[0] == ' ') cell.remove_prefix(1);
      const bool quoted = !cell.empty() && cell[0] == '"';
      size_t end;
      if (quoted) {
        const size_t close = cell.find('"', 1);
        if (close == std::string_view::npos) bad(column, "a quote has no end: {}", shown(cell));
        line = cell.substr(close + 1);
        cell = cell.substr(1, close - 1);
        end = std::min(line.find(delimiter_), line.size());
        if (!trim(line.substr(0, end)).empty())
          bad(column, "text after a quoted cell: {}", shown(line.substr(0, end)));
      } else {
        end = std::min(line.find(delimiter_), line.size());
        cell = line.substr(0, end);
      }
      f(column, trim(cell));
      if (end == line.size()) return column + 1;
      line.remove_prefix(end + 1);
    }
  }

  bool has_header(std::string_view line) const {
    if (options_.header != CsvHeader::kDetect) return options_.header == CsvHeader::kYes;
    bool number = false;
    for_cells(line, [&](size_t, std::string_view cell) {
      double ignored;
      number |= parse_number(cell, &ignored) != Parsed::kText;
    });
    return !number;
  }

  std::vector<std::string> names_of(std::string_view line) const {
    std::vector<std::string> names;
    for_cells(line, [&](size_t, std::string_view cell) { names.emplace_back(cell); });
    return names;
  }

  size_t label_column(const std::vector<std::string>& names) const {
    check<FileError>(columns_ > 1, "{}:{}: only one column: expected features and a label", file_,
                     line_number_);
    const std::string& label = options_.label;
    if (label.empty()) return columns_ - 1;
    const auto named = std::find(names.begin(), names.end(), label);
    if (named != names.end()) return named - names.begin();
    int64_t index = 0;
    const auto [end, error] = std::from_chars(label.data(), label.data() + label.size(), index);
    const int64_t count = columns_;
    if (error == std::errc() && end == label.data() + label.size() && index >= -count &&
        index < count)
      return index < 0 ? index + count : index;
    fail<FileError>(
        "{}: there is no column {} for the labels, neither by name nor among the {} by "
        "position",
        file_, shown(label), columns_);
  }

  /// Room for all cells at once. A cell takes two characters or more, so a file with few but long
  /// lines among many short ones cannot ask for much.
  void reserve() {
    const size_t lines = std::count(text_.begin(), text_.end(), '\n') + 2;
    const size_t most = text_.size() / 2 + 2 * columns_;
    features_.reserve(std::min(lines * columns_, most));
    if (label_ < columns_) labels_.reserve(std::min(lines, most));
  }

  void read_row(std::string_view line) {
    const size_t cells = for_cells(line, [&](size_t column, std::string_view cell) {
      if (column >= columns_) return;
      if (column == label_)
        labels_.push_back(label_of(cell, column));
      else
        features_.push_back(feature_of(cell, column));
    });
    check<FileError>(cells == columns_, "{}:{}: expected {} cells as in the first line, got {}",
                     file_, line_number_, columns_, cells);
  }

  float feature_of(std::string_view cell, size_t column) const {
    double value = 0;
    Parsed parsed = parse_number(cell, &value);
    if (parsed == Parsed::kNumber && std::abs(value) > std::numeric_limits<float>::max())
      parsed = Parsed::kTooLarge;
    if (parsed == Parsed::kNonfinite && options_.allow_nonfinite) parsed = Parsed::kNumber;
    switch (parsed) {
      case Parsed::kNumber:
        return static_cast<float>(value);
      case Parsed::kNonfinite:
        bad(column, "{} is not a finite number", shown(cell));
      case Parsed::kTooLarge:
        bad(column, "{} is out of float32's range", shown(cell));
      case Parsed::kText:
        break;
    }
    if (cell.empty()) bad(column, "an empty cell: expected a number");
    bad(column, "{} is not a number", shown(cell));
  }

  int64_t label_of(std::string_view cell, size_t column) const {
    int64_t label = 0;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), label);
    if (error == std::errc() && end == cell.data() + cell.size()) return label;
    // "3.0" is a label too: tables written from floating-point arrays have them. Beyond 2^53 a
    // double no longer tells neighbours apart.
    double value = 0;
    if (parse_number(cell, &value) == Parsed::kNumber && value == std::trunc(value) &&
        std::abs(value) <= 0x1p53)
      return static_cast<int64_t>(value);
    bad(column, "the label {} is not a whole number", shown(cell));
  }

  std::string_view text_;
  const std::string& file_;
  const CsvOptions& options_;
  char delimiter_;
  size_t line_number_ = 0, columns_ = 0, label_ = 0;
  std::vector<float> features_;
  std::vector<int64_t> labels_;
};

}  // namespace

Csv parse_csv(std::string_view text, const std::string& name, const CsvOptions& options) {
  return Reader(text, name, options).read();
}

Csv read_csv(const std::string& path, const CsvOptions& options) {
  const Ref<Buffer> file = map_file(path);
  return parse_csv({reinterpret_cast<const char*>(file->data()), file->bytes()}, path, options);
}

}  // namespace ballast::io
