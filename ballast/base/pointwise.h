// The vector instructions of pointwise programs: named by operations, run by kernels.
#pragma once

#include <cstdint>

namespace ballast {

/// Vector instructions of pointwise programs (kernels/pointwise.cpp); an operation that is one of
/// these can be fused into a chain. Operands a, b, c in the order of the operation's inputs.
enum class Pointwise : uint8_t {
  kNone,
  kCopy,
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMaximum,
  kMinimum,
  kNeg,
  kAbs,
  kSquare,
  kSqrt,
  kRsqrt,
  kReciprocal,
  kExp,
  kLog,
  kRelu,      // max(a, 0), NaN kept
  kReluGrad,  // b > 0 ? a : 0
  kSigmoid,
  kTanh,
  kChannelAffine,  // (a - m)*s + t, with rows m, s, t of the coefficients b
  kChannelScale,   // a * s, with row s of the coefficients b
};

}  // namespace ballast
