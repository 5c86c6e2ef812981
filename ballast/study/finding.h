// What a claim's experiments found: comparisons that decide, a verdict, tables and figures. Plain
// data; the reports only show it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ballast/study/statistics.h"

namespace ballast::study {

enum class Verdict : uint8_t { kHolds, kFails, kDepends, kUndecided };
/// "holds", "does not hold", "depends", "undecided".
const char* name_of(Verdict v);

/// A difference that speaks for a claim where it is positive.
struct Comparison {
  std::string setting;  ///< "at learning rate 0.1"
  Estimate difference;
  double margin;     ///< the least difference that matters
  std::string unit;  ///< "percentage points"
};

/// For: the interval excludes 0 and the mean is at least the margin. Against: the whole interval is
/// below the margin, so that there is no difference that matters. Else the runs cannot tell.
enum class Evidence : uint8_t { kFor, kAgainst, kUnclear };
Evidence weigh(const Comparison& c);
const char* name_of(Evidence e);

/// Depends: some comparisons speak for and some against. Holds (fails): at least half speak for
/// (against) and none against (for). Else undecided, as without comparisons.
Verdict judge(const std::vector<Comparison>& comparisons);
/// "3 of 5 comparisons speak for it, 1 against, 1 cannot tell".
std::string tally(const std::vector<Comparison>& comparisons);

/// A number or a text in a table.
struct Cell {
  Cell(std::string t) : text(std::move(t)) {}      // NOLINT(google-explicit-constructor)
  Cell(const char* t) : text(t) {}                 // NOLINT(google-explicit-constructor)
  Cell(const Estimate& e) : value(e) {}            // NOLINT(google-explicit-constructor)
  Cell(double v) : value(Estimate{v, v, v, 1}) {}  // NOLINT(google-explicit-constructor)

  std::string text{};
  std::optional<Estimate> value{};
};

struct Column {
  std::string name;
  std::string unit = "";  ///< "%", "epochs", "s"; none for texts and pure numbers
  bool timing = false;    ///< measured by a clock: another run gives another number
};

struct Table {
  std::string caption;
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows;
};

struct Axis {
  std::string label;  ///< with the unit
  bool log = false;
  std::optional<double> low = {}, high = {};
};

/// A line; with an interval at each point where `low` and `high` are not empty.
struct Series {
  std::string name;
  int colour = 0;  ///< 0: with batch norm, 1: without; further ones for others
  std::vector<double> x, y, low = {}, high = {};
  bool dashed = false;

  void add(double at, const Estimate& e) {
    x.push_back(at);
    y.push_back(e.mean);
    low.push_back(e.low);
    high.push_back(e.high);
  }
};

struct Figure {
  Figure(std::string file, std::string text, Axis horizontal, Axis vertical,
         std::vector<Series> lines = {})
      : name(std::move(file)),
        caption(std::move(text)),
        x(std::move(horizontal)),
        y(std::move(vertical)),
        series(std::move(lines)) {}

  std::string name;  ///< of its file, without ending
  std::string caption;
  Axis x, y;
  std::vector<Series> series;
  std::vector<std::string>
      ticks{};          ///< names of x = 0, 1, ..., points without lines; empty: numbers
  bool timing = false;  ///< measured by a clock
};

struct Finding {
  Verdict verdict = Verdict::kUndecided;
  std::string sentence;     ///< with numbers; equal for equal seeds
  std::string timing = "";  ///< what a clock says; differs from run to run
  std::vector<Comparison> comparisons;
  std::vector<Table> tables;
  std::vector<Figure> figures;
};

/// "98.3 (97.9 to 98.8)", or "98.3" where the bounds say nothing more.
std::string text_of(const Estimate& e);
/// A number with four significant digits: "0.0123", "12.3", "1e-05".
std::string text_of(double v);
/// Times 100: differences of fractions as percentage points.
Estimate points(const Estimate& e);
/// Times 100: fractions as percentages; the interval ends at 0 and 100.
Estimate percent(const Estimate& e);

}  // namespace ballast::study
