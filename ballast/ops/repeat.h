// What a plan needs to know of tensors that repeat the elements of smaller ones. Not part of the
// public interface.
#pragma once

#include "ballast/ops/reduce.h"

namespace ballast::ops {

/// The operation that expands `from` to `to`, of the same rank.
const Op& expander(const Shape& from, const Shape& to);
/// Row-major elements under another shape.
const Op& reshape_op();
/// Whether a reduction (attributes: SumAttributes) takes each element once, however often it comes:
/// the largest, the smallest.
bool counts_once(const Op& reduction);
/// A sum of each element times the attribute.
struct RepeatAttributes {
  int64_t times;
};
const Op& repeat_sum_op();

}  // namespace ballast::ops
