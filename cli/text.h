// Text for people: suggestions, numbers, digits drawn with block characters.
#pragma once

#include <fmt/format.h>

#include <charconv>
#include <concepts>
#include <cstdint>
#include <limits>
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

/// Checks of options' values, for CLI11, which itself takes the nearest number for one that does
/// not fit: "" for a whole number from `least` to the largest `T`, else what is wrong.
template <std::integral T>
std::string whole_number(const std::string& text, T least) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = !text.empty() && end == text.data() + text.size();
  if (whole && error == std::errc() && value >= least) return "";
  if (whole && error == std::errc::result_out_of_range && text[0] != '-')
    return fmt::format("expected a whole number of at most {}, got {}",
                       std::numeric_limits<T>::max(), text);
  return fmt::format("expected a whole number of at least {}, got {}", least, text);
}
template <std::integral T, T least>
std::string whole(const std::string& text) {
  return whole_number<T>(text, least);
}
/// For counts: a whole number of at least 1.
std::string at_least_one(const std::string& text);
/// A finite number of at least 0.
std::string not_negative(const std::string& text);

/// A grey image (values 0 to 1, row-major) as lines of block characters, two to a pixel.
std::vector<std::string> drawn(std::span<const float> pixels, int64_t rows, int64_t columns);

}  // namespace ballast::cli
