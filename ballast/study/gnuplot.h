// Figures as SVG, drawn by gnuplot.
#pragma once

#include <string>

#include "ballast/study/finding.h"

namespace ballast::study {

/// Text as HTML and SVG write it.
std::string as_markup(std::string text);

/// The program that draws `figure`: commands and data.
std::string gnuplot_script(const Figure& figure);

/// The picture as an `<svg>` element. Lines have colours that are readable on light and dark;
/// everything else has the colour of the text around it. Names within it begin with the figure's,
/// so that a page may hold several. Throws FileError where gnuplot is missing or fails.
std::string draw(const Figure& figure);

/// The same as a file of its own: dark on light, or light on dark where the reader's system is.
std::string standalone(const std::string& svg);

}  // namespace ballast::study
