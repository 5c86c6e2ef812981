#include "ballast/data/pca.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ballast/data/digits.h"
#include "tests/support/files.h"

namespace ballast::data {
namespace {

using ballast::testing::error_of;
using io::Array;

// scikit-learn's PCA(10, svd_solver="full") of the training digits. It and Jacobi's method are
// backward stable, so they part by some hundred roundings; the values are printed to 8 decimals.
TEST(Pca, FindsTheComponentsOfTheDigitsThatScikitLearnFinds) {
  const Array x = digits_arrays(Split::kTrain).inputs;
  const Pca pca = Pca::fit(x, 10);
  const double variance[] = {0.695117,   0.64240242, 0.55384149, 0.39487407, 0.27744767,
                             0.23355954, 0.20447588, 0.17127494, 0.1554447,  0.14521006};
  const double first[] = {0.90596238,  -0.93661817, -0.8117114, 0.12190234, 0.347176,
                          -0.47916122, -0.70385126, 0.23759006, 0.02577138, -0.23163122};
  const Array y = pca.transform(x);
  ASSERT_EQ(y.shape, (Shape{1437, 10}));
  for (int c = 0; c < 10; ++c) {
    EXPECT_NEAR(pca.variance[c], variance[c], 1e-8) << c;
    // One rounding to float32 of a value below 1.
    EXPECT_NEAR(y.as<float>()[c], first[c], 6e-8) << c;
  }
}

TEST(Pca, ComponentsAreOrthonormalAndCoordinatesUncorrelated) {
  const Pca pca = Pca::fit(digits_arrays().inputs, 64);
  for (int a = 0; a < 64; ++a)
    for (int b = a; b < 64; ++b) {
      double dot = 0;
      for (int j = 0; j < 64; ++j) dot += pca.components[a * 64 + j] * pca.components[b * 64 + j];
      EXPECT_NEAR(dot, a == b, 1e-12) << a << " " << b;
    }
}

TEST(Pca, TheElementOfLargestMagnitudeIsPositive) {
  const Array x = Array::of<float>({4, 2}, {1, -2, -1, 2, 2, -4, -2, 4});
  const Pca pca = Pca::fit(x, 1);
  EXPECT_NEAR(pca.components[0], -1 / std::sqrt(5.0), 1e-15);
  EXPECT_NEAR(pca.components[1], 2 / std::sqrt(5.0), 1e-15);
  EXPECT_NEAR(pca.variance[0], 50.0 / 3, 1e-14);
}

TEST(Pca, RefusesWhatItCannotDo) {
  const Array x = Array::zeros(DType::kFloat32, {3, 4});
  EXPECT_EQ(error_of<ValueError>([&] { Pca::fit(x, 5); }),
            "5 principal components were asked of samples of 4 numbers");
  EXPECT_EQ(error_of<ValueError>([] {
              Pca::fit(Array::zeros(DType::kFloat32, {1, 4}), 1);
            }),
            "principal components need at least two samples, got shape [1, 4]");
  EXPECT_EQ(error_of<ValueError>([&] {
              Pca::fit(x, 2).transform(Array::zeros(DType::kFloat32, {3, 5}));
            }),
            "principal components of 4 numbers were asked of samples of shape [3, 5]");
}

}  // namespace
}  // namespace ballast::data
