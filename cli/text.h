// Text for people: suggestions, numbers, digits drawn with block characters.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ballast::cli {

/// The candidate that `word` most likely meant: the one with the fewest single-letter insertions,
/// deletions, replacements and swaps of neighbours, at most a third of its length; "" where there
/// is none.
std::string closest(const std::string& word, const std::vector<std::string>& candidates);

/// A count: 1234567 as "1,234,567".
std::string grouped(int64_t n);

/// Checks of options' values, for CLI11: "" for a whole number of at least 1, or for a number of at
/// least 0; else what is wrong.
std::string at_least_one(const std::string& text);
std::string not_negative(const std::string& text);

/// A grey image (values 0 to 1, row-major) as lines of block characters, two to a pixel.
std::vector<std::string> drawn(std::span<const float> pixels, int64_t rows, int64_t columns);

}  // namespace ballast::cli
