#include "ballast/study/finding.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace ballast::study {

const char* name_of(Verdict v) {
  switch (v) {
    case Verdict::kHolds:
      return "holds";
    case Verdict::kFails:
      return "does not hold";
    case Verdict::kDepends:
      return "depends";
    default:
      return "undecided";
  }
}

const char* name_of(Evidence e) {
  switch (e) {
    case Evidence::kFor:
      return "for";
    case Evidence::kAgainst:
      return "against";
    default:
      return "cannot tell";
  }
}

Evidence weigh(const Comparison& c) {
  const Estimate& d = c.difference;
  if (d.low > 0.0 && d.mean >= c.margin) return Evidence::kFor;
  return d.high < c.margin ? Evidence::kAgainst : Evidence::kUnclear;
}

namespace {

/// How many comparisons are each kind of evidence.
std::array<int64_t, 3> counted(const std::vector<Comparison>& comparisons) {
  std::array<int64_t, 3> counts{};
  for (const Comparison& c : comparisons) ++counts[static_cast<size_t>(weigh(c))];
  return counts;
}

}  // namespace

Verdict judge(const std::vector<Comparison>& comparisons) {
  const auto [in_favour, against, unclear] = counted(comparisons);
  if (in_favour > 0 && against > 0) return Verdict::kDepends;
  if (in_favour > 0 && in_favour >= unclear) return Verdict::kHolds;
  if (against > 0 && against >= unclear) return Verdict::kFails;
  return Verdict::kUndecided;
}

std::string tally(const std::vector<Comparison>& comparisons) {
  const auto [in_favour, against, unclear] = counted(comparisons);
  std::string text =
      fmt::format("{} of {} comparison{} {} for it", in_favour, comparisons.size(),
                  comparisons.size() == 1 ? "" : "s", in_favour == 1 ? "speaks" : "speak");
  if (against > 0) text += fmt::format(", {} against", against);
  if (unclear > 0) text += fmt::format(", {} cannot tell", unclear);
  return text;
}

std::string text_of(double v) {
  if (std::isnan(v)) return "none";
  if (v != 0.0 && (std::abs(v) < 1e-3 || std::abs(v) >= 1e5)) return fmt::format("{:.2e}", v);
  return fmt::format("{:.{}f}", v,
                     std::abs(v) >= 1000  ? 0
                     : std::abs(v) >= 100 ? 1
                     : std::abs(v) >= 10  ? 2
                                          : 3);
}

std::string text_of(const Estimate& e) {
  if (std::isnan(e.low) || (e.low == e.high && e.n == 1)) return text_of(e.mean);
  return fmt::format("{} ({} to {})", text_of(e.mean), text_of(e.low), text_of(e.high));
}

Estimate points(const Estimate& e) { return {100 * e.mean, 100 * e.low, 100 * e.high, e.n}; }

Estimate percent(const Estimate& e) {
  Estimate p = points(e);
  if (p.low < 0.0) p.low = 0.0;  // not NaN
  if (p.high > 100.0) p.high = 100.0;
  return p;
}

}  // namespace ballast::study
