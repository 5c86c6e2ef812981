// Products of vectors and matrices with sums, diagonals, distances; sorting out equal elements.
#pragma once

#include <vector>

#include "ballast/graph/tensor.h"
#include "ballast/ops/extremes.h"
#include "ballast/ops/pointwise.h"

namespace ballast {

/// beta*c + alpha*(a @ b), c broadcast; a and b are matrices; (B, m, k) and (B, k, n), whose
/// products addbmm sums; or a matrix and a vector (addmv). Where beta is 0, c only has the shape.
/// Of whole numbers beta and alpha count without their fractions.
Tensor addmm(const Tensor& c, const Tensor& a, const Tensor& b, double beta = 1.0,
             double alpha = 1.0);
Tensor baddbmm(const Tensor& c, const Tensor& a, const Tensor& b, double beta = 1.0,
               double alpha = 1.0);
Tensor addbmm(const Tensor& c, const Tensor& a, const Tensor& b, double beta = 1.0,
              double alpha = 1.0);
Tensor addmv(const Tensor& c, const Tensor& a, const Tensor& b, double beta = 1.0,
             double alpha = 1.0);
/// The same for the outer product of two vectors; of bools the logical sum. Throws Error where a
/// factor of whole numbers has a fraction.
Tensor addr(const Tensor& c, const Tensor& a, const Tensor& b, Scalar beta = 1, Scalar alpha = 1);
/// a matrix times a vector; two vectors' inner and outer product.
Tensor mv(const Tensor& a, const Tensor& b);
Tensor dot(const Tensor& a, const Tensor& b);
Tensor outer(const Tensor& a, const Tensor& b);

/// As PyTorch's `F.bilinear`: y[o] = sum over i and j of a[i]*weight[o][i][j]*b[j], plus bias[o]
/// where defined; a (..., I), b (..., J), weight (O, I, J). Throws Error where sizes do not fit.
Tensor bilinear(const Tensor& a, const Tensor& b, const Tensor& weight, const Tensor& bias = {});

/// Diagonal `offset` of dimensions dim1 and dim2, which become the last one.
Tensor diagonal(const Tensor& x, int64_t offset = 0, int64_t dim1 = 0, int64_t dim2 = 1);
/// Of a vector the matrix with it on a diagonal, zeros elsewhere; of a matrix a diagonal.
Tensor diag(const Tensor& x, int64_t offset = 0);
/// Vectors along the last dimension as diagonals of matrices in the last two.
Tensor diag_embed(const Tensor& x, int64_t offset = 0);
/// The sum of a matrix's diagonal.
Tensor trace(const Tensor& x);
/// Distances (..., m, n) of the rows of a (..., m, d) from those of b (..., n, d), in the p-norm.
Tensor cdist(const Tensor& a, const Tensor& b, double p = 2.0);

/// x moved by `shifts` along `dims`, what leaves at one end coming in at the other; without dims
/// the flattened tensor.
Tensor roll(const Tensor& x, const std::vector<int64_t>& shifts,
            const std::vector<int64_t>& dims = {});
/// Element k in order along `dim`, k from 1; and that in the middle (the lower of two).
Indexed kthvalue(const Tensor& x, int64_t k, int64_t dim = -1, bool keepdim = false);
Indexed median(const Tensor& x, int64_t dim, bool keepdim = false);
Tensor median(const Tensor& x);

/// The different elements in order, which of them each element is (x's shape), and how often each
/// occurs. Looks at the values.
struct Unique {
  Tensor values, inverse, counts;
};
Unique unique(const Tensor& x);

}  // namespace ballast
