#include <cmath>
#include <nlohmann/json.hpp>

#include "ballast/base/version.h"
#include "ballast/study/report.h"

namespace ballast::study {
namespace {

using Json = nlohmann::ordered_json;

/// Null for what is no number.
Json number(double v) { return std::isfinite(v) ? Json(v) : Json(nullptr); }

Json json_from(const Estimate& e) {
  return {{"mean", number(e.mean)}, {"low", number(e.low)}, {"high", number(e.high)}, {"n", e.n}};
}

Json json_from(const std::vector<double>& values) {
  Json out = Json::array();
  for (const double v : values) out.push_back(number(v));
  return out;
}

/// The columns for which `timing` is as asked.
Json json_from(const Table& t, bool timing) {
  Json columns = Json::array(), rows = Json::array();
  for (const Column& c : t.columns)
    if (c.timing == timing) columns.push_back({{"name", c.name}, {"unit", c.unit}});
  for (const auto& row : t.rows) {
    Json cells = Json::array();
    for (size_t i = 0; i < row.size(); ++i)
      if (t.columns[i].timing == timing)
        cells.push_back(row[i].value ? json_from(*row[i].value) : Json(row[i].text));
    rows.push_back(cells);
  }
  return {{"caption", t.caption}, {"columns", columns}, {"rows", rows}};
}

bool has_timing(const Table& t) {
  for (const Column& c : t.columns)
    if (c.timing) return true;
  return false;
}

Json json_from(const Figure& f) {
  Json series = Json::array();
  for (const Series& s : f.series)
    series.push_back({{"name", s.name},
                      {"x", json_from(s.x)},
                      {"y", json_from(s.y)},
                      {"low", json_from(s.low)},
                      {"high", json_from(s.high)}});
  return {{"name", f.name}, {"caption", f.caption}, {"x", f.x.label},
          {"y", f.y.label}, {"ticks", f.ticks},     {"series", series}};
}

Json json_from(const Comparison& c) {
  return {{"setting", c.setting},
          {"difference", json_from(c.difference)},
          {"margin", c.margin},
          {"unit", c.unit},
          {"speaks", name_of(weigh(c))}};
}

Json json_from(const Report& report, const Result& r) {
  const Finding& f = r.finding;
  Json comparisons = Json::array(), tables = Json::array(), figures = Json::array(),
       timed_tables = Json::array(), timed_figures = Json::array();
  for (const Comparison& c : f.comparisons) comparisons.push_back(json_from(c));
  for (const Table& t : f.tables) {
    tables.push_back(json_from(t, false));
    if (has_timing(t)) timed_tables.push_back(json_from(t, true));
  }
  for (const Figure& figure : f.figures)
    (figure.timing ? timed_figures : figures).push_back(json_from(figure));
  return {{"name", r.claim->name},
          {"title", r.claim->title},
          {"statement", r.claim->statement},
          {"verdict", name_of(f.verdict)},
          {"sentence", f.sentence},
          {"command", command_of(report, *r.claim)},
          {"network", r.claim->own_networks ? network_of(*r.claim) : report.model},
          {"comparisons", comparisons},
          {"tables", tables},
          {"figures", figures},
          {"timing",
           {{"sentence", f.timing},
            {"seconds", r.seconds},
            {"tables", timed_tables},
            {"figures", timed_figures}}}};
}

}  // namespace

std::string json_of(const Report& report) {
  Json results = Json::array();
  for (const Result& r : report.results) results.push_back(json_from(report, r));
  return Json{{"version", version()},    {"model", report.model}, {"data", report.data},
              {"effort", report.effort}, {"seeds", report.seeds}, {"claims", results}}
             .dump(1) +
         "\n";
}

}  // namespace ballast::study
