#include "ballast/study/report.h"

#include <fmt/format.h>

#include <filesystem>

#include "ballast/base/file.h"
#include "ballast/study/gnuplot.h"

namespace ballast::study {

void draw_pictures(Report& report) {
  try {
    for (const Result& r : report.results)
      for (const Figure& f : r.finding.figures)
        if (!report.pictures.contains(f.name)) report.pictures[f.name] = draw(f);
  } catch (const FileError& e) {
    report.no_pictures = e.what();
  }
}

std::string command_of(const Report& report, const Claim& claim) {
  return fmt::format("ballast study {}{}{}", claim.name, report.command.empty() ? "" : " ",
                     report.command);
}

std::string network_of(const Claim& claim) {
  if (!claim.own_networks) return "";
  return fmt::format("Measured on plain networks of the study's own: {}.", claim.own_networks);
}

void write(const Report& report, const std::string& folder) {
  namespace fs = std::filesystem;
  const std::string figures = folder + "/figures";
  std::error_code error;
  fs::create_directories(figures, error);
  check<FileError>(fs::is_directory(figures), "{}: the folder cannot be made: {}", figures,
                   error.message());
  for (const auto& [name, svg] : report.pictures)
    write_atomically(figures + "/" + name + ".svg", bytes_of(standalone(svg)));
  write_atomically(folder + "/report.html", bytes_of(html_of(report)));
  write_atomically(folder + "/report.md", bytes_of(markdown_of(report)));
  write_atomically(folder + "/report.json", bytes_of(json_of(report)));
}

}  // namespace ballast::study
