#include <fmt/format.h>

#include "ballast/study/report.h"

namespace ballast::study {
namespace {

std::string heading(const Column& c) {
  return c.unit.empty() || c.unit == c.name ? c.name : fmt::format("{} [{}]", c.name, c.unit);
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

std::string row_of(const std::vector<std::string>& cells) {
  std::string out = "|";
  for (const std::string& c : cells) out += fmt::format(" {} |", escaped(c));
  return out + "\n";
}

std::string table_of(const Table& t) {
  std::vector<std::string> names, rules;
  for (const Column& c : t.columns) {
    names.push_back(heading(c));
    rules.emplace_back("---");
  }
  std::string out = t.caption + ":\n\n" + row_of(names) + row_of(rules);
  for (const auto& row : t.rows) {
    std::vector<std::string> cells;
    cells.reserve(row.size());
    for (const Cell& c : row) cells.push_back(c.value ? text_of(*c.value) : c.text);
    out += row_of(cells);
  }
  return out + "\n";
}

Table comparisons_of(const Finding& f) {
  Table t{"What decides: differences that speak for the claim where they are positive",
          {{"setting"}, {"difference"}, {"matters from"}, {"in"}, {"speaks"}},
          {}};
  for (const Comparison& c : f.comparisons)
    t.rows.push_back({c.setting, c.difference, c.margin, c.unit, name_of(weigh(c))});
  return t;
}

}  // namespace

std::string markdown_of(const Report& report, const std::string& figures) {
  std::string out = fmt::format(
      "# Batch normalization, measured\n\nNetwork `{}` on `{}` where nothing else is said, {} "
      "seeds. Numbers in parentheses "
      "are 95 % confidence intervals.\n\n| claim | verdict |\n|---|---|\n",
      report.model, report.data, report.seeds);
  for (const Result& r : report.results)
    out += fmt::format("| {} | **{}** |\n", r.claim->title, name_of(r.finding.verdict));
  if (!report.no_pictures.empty())
    out += fmt::format("\nThere are no pictures: {}\n", report.no_pictures);
  for (const Result& r : report.results) {
    const Finding& f = r.finding;
    out += fmt::format("\n## {}\n\n*{}* **{}**: {}{}{}\n\n{}{}{}\n\n", r.claim->title,
                       r.claim->statement, name_of(f.verdict), f.sentence,
                       f.timing.empty() ? "" : " ", f.timing, r.claim->method,
                       r.claim->own_networks ? " " : "", network_of(*r.claim));
    for (const Figure& figure : f.figures)
      if (report.pictures.contains(figure.name))
        out += fmt::format("![{}]({}/{}.svg)\n\n", figure.caption, figures, figure.name);
    for (const Table& t : f.tables) out += table_of(t);
    if (!f.comparisons.empty()) out += table_of(comparisons_of(f));
    out += fmt::format("What was found before: {}\n\n`{}`\n", r.claim->literature,
                       command_of(report, *r.claim));
  }
  return out;
}

}  // namespace ballast::study
