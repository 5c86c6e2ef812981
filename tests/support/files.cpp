#include "tests/support/files.h"

namespace ballast::testing {

std::string golden(const std::string& name) {
  return std::string(BALLAST_GOLDEN_FOLDER) + "/" + name;
}

std::string tool_path() { return BALLAST_TOOL; }

}  // namespace ballast::testing
