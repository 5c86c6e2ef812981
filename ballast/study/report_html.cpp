#include <fmt/format.h>

#include "ballast/study/gnuplot.h"
#include "ballast/study/report.h"

namespace ballast::study {
namespace {

constexpr const char* kStyle = R"css(
:root{color-scheme:light dark;--ink:#1c1e21;--soft:#5b626b;--line:#d9dde2;--page:#fff;--card:#f6f7f9;
--holds:#1f7a4d;--fails:#b3372f;--depends:#8a5a00;--undecided:#5b626b}
@media(prefers-color-scheme:dark){:root{--ink:#e3e5e8;--soft:#a4abb4;--line:#333a42;--page:#14171a;
--card:#1c2025;--holds:#57c08a;--fails:#f08378;--depends:#e0b04c;--undecided:#a4abb4}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:68rem;padding:1.5rem 1rem 4rem;background:var(--page);color:var(--ink);
font:16px/1.55 system-ui,sans-serif}
h1{font-size:1.7rem;line-height:1.2;margin:.5rem 0}
h2{font-size:1.3rem;line-height:1.25;margin:0 0 .5rem}
section{border-top:1px solid var(--line);padding-top:2rem;margin-top:2.5rem}
p{margin:.6rem 0;max-width:46rem}
.soft,figcaption,summary{color:var(--soft)}
.verdict{font-weight:650;white-space:nowrap}
.holds{color:var(--holds)}.fails{color:var(--fails)}.depends{color:var(--depends)}
.undecided{color:var(--undecided)}
blockquote{margin:.6rem 0;padding-left:.9rem;border-left:3px solid var(--line);font-style:italic}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr));gap:1rem;
margin:1.2rem 0}
figure{margin:0;padding:.7rem;background:var(--card);border-radius:.5rem;max-width:34rem}
figure svg{display:block;width:100%;height:auto}
figcaption{font-size:.88rem;margin-bottom:.4rem}
.wide{overflow-x:auto;margin:1rem 0}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
.caption{font-size:.88rem;margin:1.2rem 0 -.6rem}
th,td{text-align:left;vertical-align:top;padding:.32rem .9rem .32rem 0;border-bottom:1px solid var(--line)}
td.n,.wide td{white-space:nowrap}
th{font-weight:600}
a{color:inherit}
code{font-size:.88rem;background:var(--card);padding:.15rem .35rem;border-radius:.25rem;overflow-wrap:anywhere}
details{margin:.8rem 0}
summary{cursor:pointer}
)css";

const char* class_of(Verdict v) {
  constexpr const char* kClasses[] = {"holds", "fails", "depends", "undecided"};
  return kClasses[static_cast<size_t>(v)];
}

std::string badge(Verdict v) {
  return fmt::format("<span class=\"verdict {}\">{}</span>", class_of(v), name_of(v));
}

std::string table_of(const Table& t) {
  std::string out = fmt::format(
      "<p class=\"soft caption\">{}</p>\n<div class=\"wide\" tabindex=\"0\"><table><tr>",
      as_markup(t.caption));
  for (const Column& c : t.columns)
    out += fmt::format("<th>{}{}</th>", as_markup(c.name),
                       c.unit.empty() || c.unit == c.name ? "" : " [" + as_markup(c.unit) + "]");
  out += "</tr>\n";
  for (const auto& row : t.rows) {
    out += "<tr>";
    for (const Cell& c : row)
      out += fmt::format("<td{}>{}</td>", c.value ? " class=\"n\"" : "",
                         as_markup(c.value ? text_of(*c.value) : c.text));
    out += "</tr>\n";
  }
  return out + "</table></div>\n";
}

std::string comparisons_of(const Finding& f) {
  Table t{"Differences between paired runs, positive where they speak for the claim",
          {{"setting"}, {"difference"}, {"matters from"}, {"in"}, {"speaks"}},
          {}};
  for (const Comparison& c : f.comparisons)
    t.rows.push_back({c.setting, c.difference, c.margin, c.unit, name_of(weigh(c))});
  return fmt::format("<details><summary>What decides</summary>{}</details>\n", table_of(t));
}

std::string figures_of(const Report& report, const Finding& f) {
  std::string out;
  for (const Figure& figure : f.figures) {
    const auto picture = report.pictures.find(figure.name);
    if (picture == report.pictures.end()) continue;
    out += fmt::format("<figure><figcaption>{}</figcaption>{}</figure>\n",
                       as_markup(figure.caption), picture->second);
  }
  return out.empty() ? out : "<div class=\"figures\">\n" + out + "</div>\n";
}

std::string section_of(const Report& report, const Result& r) {
  const Finding& f = r.finding;
  std::string out = fmt::format(
      "<section id=\"{}\"><h2>{}</h2>\n<blockquote>{}</blockquote>\n<p>Verdict: {}. {}{}{}</p>\n"
      "<p class=\"soft\">{} {}</p>\n",
      r.claim->name, as_markup(r.claim->title), as_markup(r.claim->statement), badge(f.verdict),
      as_markup(f.sentence), f.timing.empty() ? "" : " ", as_markup(f.timing),
      as_markup(r.claim->method), as_markup(network_of(*r.claim)));
  out += figures_of(report, f);
  for (const Table& t : f.tables) out += table_of(t);
  if (!f.comparisons.empty()) out += comparisons_of(f);
  return out + fmt::format(
                   "<p class=\"soft\">What was found before: {}</p>\n<p>Again: "
                   "<code>{}</code></p></section>\n",
                   as_markup(r.claim->literature), as_markup(command_of(report, *r.claim)));
}

}  // namespace

std::string html_of(const Report& report) {
  std::string out = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
      "<title>Batch normalization, measured</title><style>{}</style></head><body>\n"
      "<h1>Batch normalization, measured</h1>\n<p>What is said of batch normalization, each claim "
      "with the experiment that measures it: network <code>{}</code> on <code>{}</code> where "
      "nothing "
      "else is said, {} seeds a number. In parentheses stand 95 % confidence intervals.</p>\n",
      kStyle, as_markup(report.model), as_markup(report.data), report.seeds);
  if (!report.no_pictures.empty())
    out += fmt::format("<p><strong>There are no pictures:</strong> {}</p>\n",
                       as_markup(report.no_pictures));
  out += "<div><table><tr><th>claim</th><th>verdict</th></tr>\n";
  for (const Result& r : report.results)
    out += fmt::format("<tr><td><a href=\"#{}\">{}</a></td><td>{}</td></tr>\n", r.claim->name,
                       as_markup(r.claim->title), badge(r.finding.verdict));
  out += "</table></div>\n";
  for (const Result& r : report.results) out += section_of(report, r);
  return out + "</body></html>\n";
}

}  // namespace ballast::study
