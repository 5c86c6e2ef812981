// What the layers' options share.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ballast::nn {

/// "(3, 3)", as Python prints a tuple of numbers.
std::string tuple_str(std::span<const int64_t> values);
/// A number as Python prints it: "0.1", "1.0", "1e-05".
std::string python_str(double value);
inline const char* python_str(bool value) { return value ? "True" : "False"; }
inline std::string python_str(int64_t value) { return std::to_string(value); }

/// A size for each of `Rank` dimensions, in their order; one number stands for all, as in PyTorch:
/// `3`, `{3, 2}`.
template <int Rank>
class Sizes {
 public:
  Sizes(int64_t all) { values_.fill(all); }  // NOLINT(google-explicit-constructor)
  template <std::convertible_to<int64_t>... Each>
  requires(Rank > 1 && sizeof...(Each) == Rank)
      Sizes(Each... each)  // NOLINT(google-explicit-constructor)
      : values_{static_cast<int64_t>(each)...} {}
  Sizes(const std::array<int64_t, Rank>& each)  // NOLINT(google-explicit-constructor)
      : values_(each) {}

  bool operator==(const Sizes&) const = default;
  int64_t operator[](int d) const { return values_[d]; }
  const std::array<int64_t, Rank>& array() const { return values_; }
  std::vector<int64_t> vector() const { return {values_.begin(), values_.end()}; }
  std::string tuple() const { return tuple_str(values_); }
  /// "3" where all are equal, else "(3, 2)".
  std::string str() const {
    return *this == Sizes(values_[0]) ? std::to_string(values_[0]) : tuple();
  }

 private:
  std::array<int64_t, Rank> values_;
};

/// Rows and columns.
using Size2 = Sizes<2>;

}  // namespace ballast::nn
