#include "ballast/nn/options.h"

#include <fmt/core.h>

namespace ballast::nn {

std::string Size2::tuple() const { return fmt::format("({}, {})", rows, columns); }
std::string Size2::str() const { return rows == columns ? fmt::format("{}", rows) : tuple(); }

std::string python_str(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

}  // namespace ballast::nn
