// A study's results as pages and data.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ballast/study/claims.h"

namespace ballast::study {

struct Result {
  const Claim* claim;
  Finding finding;
  double seconds = 0.0;  ///< by the clock; short where runs were known
};

struct Report {
  std::string model, data;  ///< what was studied
  std::string effort;       ///< "quick", "full"
  int64_t seeds = 0;
  std::string command;  ///< that makes it again; claims are put after "ballast study"
  std::vector<Result> results;
  std::map<std::string, std::string> pictures;  ///< by a figure's name, `<svg>` elements
  std::string no_pictures;                      ///< why there are none
};

/// Draws all figures. Where gnuplot is missing `no_pictures` says so.
void draw_pictures(Report& report);

/// "ballast study convergence --quick"
std::string command_of(const Report& report, const Claim& claim);
/// What was measured for a claim where that is not the report's network: "Measured on plain
/// networks of the study's own: depth is what is varied." Else nothing.
std::string network_of(const Claim& claim);

/// One page with everything in it: needs no other file and no network.
std::string html_of(const Report& report);
/// Pictures are looked for in `figures`, a folder beside it.
std::string markdown_of(const Report& report, const std::string& figures = "figures");
/// Every number. What a clock measured stands under "timing" keys only.
std::string json_of(const Report& report);

/// Writes report.html, report.md, report.json and figures/NAME.svg into `folder`.
void write(const Report& report, const std::string& folder);

}  // namespace ballast::study
