#include "ballast/ops/pad.h"

#include "ballast/base/integer.h"
#include "ballast/base/interrupt.h"
#include "ballast/ops/create.h"
#include "ballast/ops/index.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/view.h"

namespace ballast {
namespace {

Tensor pad_constant(Tensor x, int dim, int64_t before, int64_t after, double value) {
  const int64_t n = x.size(dim);
  const Checked padded = Checked(n) + before + after;
  check(padded.value() >= 0,
        "The input size {}, plus negative padding {} and {} resulted in a negative output size, "
        "which is invalid. Check dimension {} of your input.",
        n, before, after, dim);
  const int64_t from = before < 0 ? (Checked(0) - before).value() : 0,
                to = after < 0 ? n + after : n;
  if (from > 0 || to < n) x = slice(x, dim, from, to);
  const auto filled = [&](int64_t size) {
    Shape shape = x.shape();
    shape[dim] = size;
    return full(shape, value, x.dtype());
  };
  if (before > 0 && after > 0) return cat({filled(before), x, filled(after)}, dim);
  if (before > 0) return cat({filled(before), x}, dim);
  if (after > 0) return cat({x, filled(after)}, dim);
  return x;
}

/// The position in a dimension of n elements that position i of the padded one repeats.
int64_t source(int64_t i, int64_t n, PadMode mode) {
  switch (mode) {
    case PadMode::kReflect:
      return i < 0 ? -i : i >= n ? 2 * n - 2 - i : i;
    case PadMode::kReplicate:
      return std::clamp<int64_t>(i, 0, n - 1);
    default:
      return (i % n + n) % n;
  }
}

Tensor pad_from_inside(const Tensor& x, int dim, int64_t before, int64_t after, PadMode mode) {
  const int64_t n = x.size(dim);
  if (mode == PadMode::kReflect)
    check(before < n && after < n,
          "Argument #4: Padding size should be less than the corresponding input dimension, but "
          "got: padding ({}, {}) at dimension {} of input {}",
          before, after, dim, x.shape());
  if (mode == PadMode::kCircular)
    check(before <= n && after <= n, "Padding value causes wrapping around more than once.");
  const Checked padded = Checked(n) + before + after;
  check(padded.value() > 0,
        "input (dimension {} of {}) is too small for padding ({}, {}): the output would be empty",
        dim, x.shape(), before, after);
  // A negative side cuts; circular padding then repeats what the cuts leave.
  const bool circular = mode == PadMode::kCircular;
  const int64_t cut = circular ? std::max<int64_t>(-before, 0) : 0;
  const int64_t kept = circular ? n - cut - std::max<int64_t>(-after, 0) : n;
  check(kept > 0, "padding ({}, {}) cuts off all of dimension {} of input {}", before, after, dim,
        x.shape());
  Tensor from = empty(Shape{padded.value()}, DType::kInt64);
  auto* to = reinterpret_cast<int64_t*>(from.node().data());
  in_slices(padded.value(), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) *to++ = cut + source(i - before - cut, kept, mode);
  });
  return index_select(x, dim, from);
}

}  // namespace

PadMode pad_mode_from(const std::string& name) {
  if (name == "constant") return PadMode::kConstant;
  if (name == "reflect") return PadMode::kReflect;
  if (name == "replicate") return PadMode::kReplicate;
  if (name == "circular") return PadMode::kCircular;
  fail<NotImplementedError>("Unrecognised padding mode {}", name);
}

Tensor pad(const Tensor& x, const std::vector<int64_t>& amounts, PadMode mode, double value) {
  check(amounts.size() % 2 == 0, "Padding length must be divisible by 2");
  const int pairs = static_cast<int>(amounts.size() / 2);
  check(pairs <= x.dim(),
        "Padding length should be less than or equal to two times the input dimension but got "
        "padding length {} and input of dimension {}",
        amounts.size(), x.dim());
  check<NotImplementedError>(
      mode == PadMode::kConstant || (pairs <= 3 && (x.dim() == pairs + 1 || x.dim() == pairs + 2)),
      "Padding size {} is not supported for {}D input tensor.\nSupported combinations for "
      "non-constant padding:\n  - 2D or 3D input: padding size = 2 (pads last dimension)\n  - 3D "
      "or "
      "4D input: padding size = 4 (pads last 2 dimensions)\n  - 4D or 5D input: padding size = 6 "
      "(pads last 3 dimensions)",
      amounts.size(), x.dim());
  check(mode == PadMode::kConstant || value == 0.0, "Padding mode doesn't take in value argument");
  Tensor y = x;
  for (int i = 0; i < pairs; ++i) {
    const int dim = x.dim() - 1 - i;
    const int64_t before = amounts[2 * i], after = amounts[2 * i + 1];
    if (before == 0 && after == 0) continue;
    y = mode == PadMode::kConstant ? pad_constant(y, dim, before, after, value)
                                   : pad_from_inside(y, dim, before, after, mode);
  }
  return ops::fresh(y, {&x, 1});
}

}  // namespace ballast
