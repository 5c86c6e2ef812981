#include "cli/text.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace ballast::cli {
namespace {

/// Damerau and Levenshtein's distance, in the variant that edits no part twice.
size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i)
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = i + j;
        continue;
      }
      d[i][j] =
          std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

}  // namespace

std::string closest(const std::string& word, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string& c : candidates)
    if (const size_t d = distance(word, c); d < best_distance) {
      best = c;
      best_distance = d;
    }
  return best;
}

std::string grouped(int64_t n) {
  const std::string digits = std::to_string(n);
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string at_least_one(const std::string& text) { return whole_number<int64_t>(text, 1); }

std::string not_negative(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  const bool whole = !text.empty() && *end == '\0';
  return whole && std::isfinite(value) && value >= 0
             ? ""
             : "expected a number of at least 0, got " + text;
}

std::vector<std::string> drawn(std::span<const float> pixels, int64_t rows, int64_t columns) {
  static const char* const kShades[] = {" ", "░", "▒", "▓", "█"};
  std::vector<std::string> lines(rows);
  for (int64_t i = 0; i < rows * columns; ++i) {
    const int shade = static_cast<int>(std::clamp(pixels[i], 0.0f, 1.0f) * 4 + 0.5f);
    for (int twice = 0; twice < 2; ++twice) lines[i / columns] += kShades[shade];
  }
  return lines;
}

}  // namespace ballast::cli
