// Whole numbers at their ends: sizes that overflow throw, elements that overflow wrap around as in
// PyTorch, and no division traps.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include "ballast/base/error.h"

namespace ballast {

/// A size or position that is being worked out. Arithmetic that int64 does not hold throws Error.
class Checked {
 public:
  constexpr Checked(int64_t value) : value_(value) {}  // NOLINT(google-explicit-constructor)
  constexpr int64_t value() const { return value_; }
  /// The value brought into [low, high].
  constexpr int64_t within(int64_t low, int64_t high) const {
    return value_ < low ? low : value_ > high ? high : value_;
  }

  friend Checked operator+(Checked a, Checked b) {
    int64_t out;
    const bool overflows = __builtin_add_overflow(a.value_, b.value_, &out);
    return made(overflows, out);
  }
  friend Checked operator-(Checked a, Checked b) {
    int64_t out;
    const bool overflows = __builtin_sub_overflow(a.value_, b.value_, &out);
    return made(overflows, out);
  }
  friend Checked operator*(Checked a, Checked b) {
    int64_t out;
    const bool overflows = __builtin_mul_overflow(a.value_, b.value_, &out);
    return made(overflows, out);
  }

 private:
  static Checked made(bool overflows, int64_t value) {
    check(!overflows, "a size or position does not fit 64 bits");
    return value;
  }
  int64_t value_;
};

/// a + b, a - b and a * b of elements: whole numbers wrap around.
template <class T>
constexpr T wrapping_add(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  else
    return static_cast<T>(a + b);
}
template <class T>
constexpr T wrapping_sub(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
  else
    return static_cast<T>(a - b);
}
template <class T>
constexpr T wrapping_mul(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  else
    return static_cast<T>(a * b);
}

/// Quotient and rest of whole numbers, rounded towards zero. The least number divided by -1 wraps
/// around, where the processor would end the process. Throws Error for b == 0, as PyTorch.
template <class T>
struct Division {
  Division(T a, T b) {
    check(b != 0, "ZeroDivisionError");
    if constexpr (std::is_signed_v<T>) {
      if (b == -1) {
        quotient = wrapping_sub(T{0}, a);
        return;
      }
    }
    quotient = static_cast<T>(a / b);
    rest = static_cast<T>(a % b);
    off_ = rest != 0 && (rest < 0) != (b < 0);
    divisor_ = b;
  }
  /// Rounded down, and the rest that goes with it, which has the divisor's sign.
  T floor() const { return static_cast<T>(quotient - off_); }
  T modulo() const { return static_cast<T>(off_ ? rest + divisor_ : rest); }

  T quotient{}, rest{};

 private:
  T divisor_{};
  bool off_ = false;
};

/// a << b and a >> b as PyTorch computes them: beyond the type's bits, and for negative b, what
/// shifting out all bits leaves.
template <class T>
constexpr T shifted_left(T a, T b) {
  constexpr int kBits = std::numeric_limits<std::make_unsigned_t<T>>::digits;
  if ((std::is_signed_v<T> && b < 0) || static_cast<uint64_t>(b) >= kBits) return 0;
  return static_cast<T>(static_cast<uint64_t>(a) << b);
}
template <class T>
constexpr T shifted_right(T a, T b) {
  constexpr int kMost = std::numeric_limits<T>::digits;
  if ((std::is_signed_v<T> && b < 0) || static_cast<uint64_t>(b) >= kMost)
    return static_cast<T>(std::is_signed_v<T> && a < 0 ? -1 : 0);
  return static_cast<T>(a >> b);
}

}  // namespace ballast
