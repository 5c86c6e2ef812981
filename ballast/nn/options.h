// What the layers' options share.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace ballast::nn {

/// Rows and columns; one number stands for both, as in PyTorch.
struct Size2 {
  Size2(int64_t both) : rows(both), columns(both) {}  // NOLINT(google-explicit-constructor)
  Size2(int64_t r, int64_t c) : rows(r), columns(c) {}

  bool operator==(const Size2&) const = default;
  std::array<int64_t, 2> array() const { return {rows, columns}; }
  /// "(3, 3)"
  std::string tuple() const;
  /// "3" where both are equal, else "(3, 2)".
  std::string str() const;

  int64_t rows, columns;
};

/// A number as Python prints it: "0.1", "1.0", "1e-05".
std::string python_str(double value);
inline const char* python_str(bool value) { return value ? "True" : "False"; }

}  // namespace ballast::nn
