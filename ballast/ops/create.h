// Making tensors: constants, ranges, and random numbers (the same as PyTorch's for the same seed,
// drawn when the function is called).
#pragma once

#include <optional>

#include "ballast/base/random.h"
#include "ballast/graph/tensor.h"
#include "ballast/ops/pointwise.h"

namespace ballast {

/// Contents unspecified.
Tensor empty(const Shape& shape, DType dtype = DType::kFloat32);
Tensor zeros(const Shape& shape, DType dtype = DType::kFloat32);
Tensor ones(const Shape& shape, DType dtype = DType::kFloat32);
/// Filled with `value`; int64 for whole numbers, float32 for others unless `dtype` says otherwise.
Tensor full(const Shape& shape, Scalar value, std::optional<DType> dtype = {});
/// The same with the shape, and by default the type, of another tensor.
Tensor empty_like(const Tensor& x, std::optional<DType> dtype = {});
Tensor zeros_like(const Tensor& x, std::optional<DType> dtype = {});
Tensor ones_like(const Tensor& x, std::optional<DType> dtype = {});
Tensor full_like(const Tensor& x, Scalar value, std::optional<DType> dtype = {});

/// start, start + step, ... before `end`; int64 where all three are whole unless `dtype` says
/// otherwise, else float32. Throws Error for step 0 and for an end on the wrong side of start.
Tensor arange(Scalar start, Scalar end, Scalar step = 1, std::optional<DType> dtype = {});
/// 0, 1, ... before `end`.
Tensor arange(Scalar end);
/// `steps` values from start to end, both included, evenly spaced.
Tensor linspace(Scalar start, Scalar end, int64_t steps, DType dtype = DType::kFloat32);
/// n x m (n x n) with ones on the diagonal.
Tensor eye(int64_t n, std::optional<int64_t> m = {}, DType dtype = DType::kFloat32);

/// Uniform in [0, 1).
Tensor rand(const Shape& shape, DType dtype = DType::kFloat32,
            Generator& generator = default_generator());
/// Normal with mean 0 and variance 1.
Tensor randn(const Shape& shape, DType dtype = DType::kFloat32,
             Generator& generator = default_generator());
/// Whole numbers in [low, high), int64. Throws Error unless low < high.
Tensor randint(int64_t low, int64_t high, const Shape& shape,
               Generator& generator = default_generator());
/// A permutation of 0 ... n - 1.
Tensor randperm(int64_t n, Generator& generator = default_generator());
Tensor rand_like(const Tensor& x);
Tensor randn_like(const Tensor& x);

/// Replaces the values of x (all handles of it see them), unrecorded, as PyTorch's methods of these
/// names under `no_grad`. Return x.
Tensor uniform_(Tensor x, double low = 0.0, double high = 1.0,
                Generator& generator = default_generator());
Tensor normal_(Tensor x, double mean = 0.0, double std = 1.0,
               Generator& generator = default_generator());
Tensor fill_(Tensor x, Scalar value);

}  // namespace ballast
