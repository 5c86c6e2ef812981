// Derivatives of the gamma function's logarithm, of numbers. Not part of the public interface.
#pragma once

#include <cstdint>

namespace ballast::ops {

/// Derivative n >= 1 of digamma at x, to double's last digits.
double polygamma_at(int64_t n, double x);

}  // namespace ballast::ops
