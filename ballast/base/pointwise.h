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
  kClamp,          // min(max(a, p), q), NaN kept
  kClampGrad,      // p < b < q ? a : 0
  kLeakyRelu,      // a > 0 ? a : p*a
  kLeakyReluGrad,  // b > 0 ? a : p*a
  kChannelAffine,  // (a - m)*s + t, with rows m, s, t of the coefficients b
  kChannelScale,   // a * s, with row s of the coefficients b

  // Pairs and triples of the above that follow each other in batch-normalized networks, made of
  // them when a program is compiled (sweep/compile.cpp); same results, bit for bit.
  kAffineRelu,         // relu((a - m)*s + t)
  kAffineClamp,        // clamp((a - m)*s + t)
  kAffineAdd,          // (a - m)*s + t + b
  kAffineAddRelu,      // relu((a - m)*s + t + b)
  kAddRelu,            // relu(a + b)
  kAffineReluGrad,     // (b - m)*s + t > 0 ? a : 0
  kAffineClampGrad,    // p < (b - m)*s + t < q ? a : 0
  kNormGrad,           // a*s' + ((b - m)*s + t)
  kScaleAdd,           // a*s + b
  kReluGradScaleAdd,   // ((b - m)*s + t > 0 ? a : 0)*s + c
  kClampGradScaleAdd,  // (p < (b - m)*s + t < q ? a : 0)*s + c
};

}  // namespace ballast
