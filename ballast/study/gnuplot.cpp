#include "ballast/study/gnuplot.h"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>

#include "ballast/base/error.h"

extern char** environ;

namespace ballast::study {
namespace {

// Middle tones of Okabe and Ito's palette for the colour-blind, and shapes that differ, too.
constexpr const char* kColours[] = {"#2f86d6", "#e07b2a", "#2aa17a",
                                    "#b667b8", "#c9a227", "#8a8a8a"};
constexpr int kShapes[] = {7, 9, 5, 13, 11, 4};
// Stands for the text's colour until the picture is made.
constexpr const char* kInk = "#010203";

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c != '\n' && c != '`') out += c;
  }
  return out + "\"";
}

std::string axis_commands(char name, const Axis& axis) {
  std::string out = fmt::format("set {}label {} noenhanced offset 0,{} textcolor rgb \"{}\"\n",
                                name, quoted(axis.label), name == 'x' ? 0.5 : 0.0, kInk);
  if (axis.log) out += fmt::format("set logscale {0}\nset format {0} \"10^{{%T}}\"\n", name);
  const auto bound = [](const std::optional<double>& v) { return v ? fmt::format("{}", *v) : "*"; };
  out += fmt::format("set {}range [{}:{}]\n", name, bound(axis.low), bound(axis.high));
  return out;
}

std::string number(double v) { return std::isfinite(v) ? fmt::format("{:.9g}", v) : "NaN"; }

/// `aside`: how far points are moved, so that they do not hide each other. `apart`: an empty line
/// after each keeps gnuplot from joining them (its style without lines has a white disc behind
/// each).
std::string data_block(const Series& s, size_t index, bool log, double aside, bool apart) {
  std::string out = fmt::format("$d{} << EOD\n", index);
  for (size_t i = 0; i < s.x.size(); ++i) {
    const bool bars = !s.low.empty() && std::isfinite(s.low[i]) && std::isfinite(s.high[i]);
    double low = bars ? s.low[i] : s.y[i];
    if (log && low <= 0.0) low = 0.1 * s.y[i];  // a logarithmic axis has no zero
    out += fmt::format("{} {} {} {}\n{}", number(s.x[i] + aside), number(s.y[i]), number(low),
                       number(bars ? s.high[i] : s.y[i]), apart ? "\n" : "");
  }
  return out + "EOD\n";
}

/// A file without a name.
struct Scratch {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file{
      std::tmpfile(), [](std::FILE* f) { return f ? std::fclose(f) : 0; }};
  Scratch() {
    check<FileError>(file != nullptr, "a temporary file cannot be made: {}", std::strerror(errno));
  }
  int number() const { return fileno(file.get()); }
  std::string content() const {
    std::rewind(file.get());
    std::string out;
    char buffer[4096];
    while (const size_t n = std::fread(buffer, 1, sizeof buffer, file.get())) out.append(buffer, n);
    return out;
  }
};

/// What gnuplot prints for `script`.
std::string output_of_gnuplot(const std::string& script) {
  const Scratch in, out, err;
  const bool written = std::fwrite(script.data(), 1, script.size(), in.file.get()) == script.size();
  check<FileError>(written && std::fflush(in.file.get()) == 0,
                   "a temporary file cannot be written: {}", std::strerror(errno));
  std::rewind(in.file.get());
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const Scratch* files[] = {&in, &out, &err};
  for (int i = 0; i < 3; ++i) posix_spawn_file_actions_adddup2(&actions, files[i]->number(), i);
  char name[] = "gnuplot";
  char* arguments[] = {name, nullptr};
  pid_t child = 0;
  const int failed = posix_spawnp(&child, name, &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  check<FileError>(failed == 0,
                   "gnuplot, which draws the figures, cannot be started: {} (Debian's "
                   "package is gnuplot-nox)",
                   std::strerror(failed));
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  std::string text = out.content();
  check<FileError>(WIFEXITED(status) && WEXITSTATUS(status) == 0 && !text.empty(),
                   "gnuplot failed: {}", err.content());
  // gnuplot does not look whether its output could be written.
  check<FileError>(text.find("</svg>") != text.npos,
                   "gnuplot's figure is cut off: there is no room for a temporary file");
  return text;
}

void replace_all(std::string& text, const std::string& what, const std::string& by) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size())
    text.replace(at, what.size(), by);
}

/// The plot itself is as high in all figures: below it, more than two names take a line each.
int64_t height_of(const Figure& figure) {
  const auto names = static_cast<int64_t>(figure.series.size());
  return 300 + 20 * (names > 2 ? names : 1) + (figure.ticks.empty() ? 0 : 40);
}

}  // namespace

std::string as_markup(std::string text) {
  replace_all(text, "&", "&amp;");  // first: the others bring more of them
  replace_all(text, "<", "&lt;");
  replace_all(text, ">", "&gt;");
  replace_all(text, "\"", "&quot;");
  return text;
}

std::string gnuplot_script(const Figure& figure) {
  std::string out = fmt::format(
      "set terminal svg size 430,{1} dynamic font \"sans-serif,14\"\n"
      "set encoding utf8\nset datafile missing \"NaN\"\n"
      "set border 3 linecolor rgb \"{0}\"\nset tics nomirror textcolor rgb \"{0}\"\n"
      "set grid linecolor rgb \"#9a9a9a\" linewidth 0.4 dashtype 3\n"
      "set key outside bottom center horizontal noenhanced textcolor rgb \"{0}\" samplen 2 "
      "height 0.8\n"
      "set bars 0.4\nunset mxtics\nunset mytics\n",
      kInk, height_of(figure));
  out += axis_commands('x', figure.x) + axis_commands('y', figure.y);
  if (!figure.ticks.empty()) {
    out += "set xtics noenhanced rotate by -35 (";
    for (size_t i = 0; i < figure.ticks.size(); ++i)
      out += fmt::format("{}{} {}", i == 0 ? "" : ", ", quoted(figure.ticks[i]), i);
    out += fmt::format(")\nset xrange [-0.4:{}]\n", static_cast<double>(figure.ticks.size()) - 0.6);
  }
  std::string plots;
  for (size_t i = 0; i < figure.series.size(); ++i) {
    const Series& s = figure.series[i];
    const size_t look = static_cast<size_t>(s.colour) % std::size(kColours);
    const double from_middle =
        static_cast<double>(i) - 0.5 * static_cast<double>(figure.series.size() - 1);
    const bool apart = !figure.ticks.empty();
    out += data_block(s, i, figure.y.log, apart ? 0.2 * from_middle : 0.0, apart);
    plots += fmt::format(
        "{}$d{} using 1:2:3:4 with yerrorlines title {} linecolor rgb \"{}\" "
        "linewidth 1.6 dashtype {} pointtype {} pointsize {}",
        i == 0 ? "plot " : ", ", i, quoted(s.name), kColours[look], s.dashed ? 2 : 1, kShapes[look],
        s.x.size() > 24 ? 0.25 : 0.55);
  }
  return out + plots + "\n";
}

std::string draw(const Figure& figure) {
  std::string svg = output_of_gnuplot(gnuplot_script(figure));
  svg.erase(0, svg.find("<svg"));
  for (const char* ink : {"rgb(  1,   2,   3)", "rgb(1,2,3)"})
    replace_all(svg, ink, "currentColor");
  replace_all(svg, " color=\"black\"", "");  // so that it is the page's
  replace_all(svg, "<title>Gnuplot</title>",
              fmt::format("<title>{}</title>", as_markup(figure.caption)));
  replace_all(svg, "Produced by GNUPLOT", "Made by gnuplot");
  for (const char* before : {" id=\"", " id='", "href='#", "href=\"#", "url(#"})
    replace_all(svg, before, before + figure.name + "-");
  return svg;
}

std::string standalone(const std::string& svg) {
  constexpr const char* kStyle =
      "<style>svg{color:#1c1e21;background:#fff}@media(prefers-color-scheme:dark)"
      "{svg{color:#e3e5e8;background:#14171a}}</style>";
  std::string out = svg;
  out.insert(out.find('>') + 1, kStyle);
  return "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n" + out;
}

}  // namespace ballast::study
