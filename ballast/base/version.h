#pragma once

#include <string_view>

namespace ballast {

/// The library's version, "major.minor.patch", as the build was configured with.
std::string_view version();

}  // namespace ballast
