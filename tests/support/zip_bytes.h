// Zip archives of kinds that Ballast itself does not write.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace ballast::testing {

/// An archive whose sizes, offsets and counts all stand in 64-bit fields, as in files of more than
/// 4 GiB.
std::string zip64_of(const std::vector<std::pair<std::string, std::string>>& files);

/// An archive with one compressed entry, `repeats` times `piece`.
std::string compressed_zip_of(const std::string& name, const std::string& piece, int repeats = 1);

}  // namespace ballast::testing
