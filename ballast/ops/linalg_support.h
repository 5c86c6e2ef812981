// What the operations of linear algebra share. Not part of the public interface.
#pragma once

#include <initializer_list>
#include <span>
#include <vector>

#include "ballast/graph/tensor.h"
#include "ballast/ops/linalg.h"

namespace ballast::linalg {

/// One matrix (or vector, a column) of a batch, in double.
struct Block {
  const double* data;
  int64_t m, n;
};

/// An operation on every matrix of a batch. Inputs are (batch..., m, n) with equal batches.
class BatchOp : public Op {
 public:
  using Op::Op;
  void reference(const Call& c) const final;
  /// Computes one matrix's result.
  virtual void run(std::span<const Block> in, double* out, const Attributes& attributes) const = 0;
};

/// Several results of one operation: they lie one after the other in its last dimension.
class Parts {
 public:
  explicit Parts(const Tensor& packed) : packed_(packed) {}
  /// The next one, (batch..., sizes...).
  Tensor next(std::initializer_list<int64_t> sizes);

 private:
  Tensor packed_;
  int64_t at_ = 0;
};

/// The sizes in front of the last two.
Shape batch_of(const Tensor& a);
Shape with_batch(const Shape& batch, std::initializer_list<int64_t> sizes);
Tensor expand_batch(const Tensor& a, const Shape& batch);
/// Every matrix transposed.
Tensor mt(const Tensor& a);
/// v (..., n) times the columns of a (..., m, n).
Tensor scale_columns(const Tensor& a, const Tensor& v);
Tensor identity(int64_t m, int64_t n, DType t);

/// Throws PyTorch's errors unless `a` is a batch of floating-point (square) matrices.
void check_matrix(const char* who, const Tensor& a);
void check_square(const char* who, const Tensor& a);
/// Throws Error unless A X = B, or X A = B, has matching sizes and types.
void check_equation(const char* who, const Tensor& a, const Tensor& b, bool left);
/// Throws LinAlgError with `format` (of the position from 1) for the first info that is not zero.
void check_info(const char* who, const Tensor& info, const char* what);

constexpr DType kWhole = DType::kInt32;  // of pivots and infos
/// The results [factors (m, n) | pivots | info] of one matrix's factorization.
Lu unpack_factors(const Tensor& packed, int64_t m, int64_t n);

/// Unchecked: solutions hold infinities or NaN where A is singular.
Tensor solve_unchecked(const Tensor& a, const Tensor& b);
Tensor inv_unchecked(const Tensor& a);
/// op(A) X = B with square A; batches already equal.
Tensor triangular(const Tensor& a, const Tensor& b, bool upper, bool transpose, bool unit);
/// Zeros of a shape that have a derivative by x, which is 0.
Tensor nothing_of(const Tensor& x, const Shape& shape);
/// numerator/denominator, 0 where the numerator is 0.
Tensor ratio_or_zero(const Tensor& numerator, const Tensor& denominator);

}  // namespace ballast::linalg
