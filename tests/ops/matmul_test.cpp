#include "ballast/ops/matmul.h"

#include <gtest/gtest.h>

#include "ballast/ops/reduce.h"
#include "tests/support/files.h"
#include "tests/support/gradcheck.h"
#include "tests/support/layer_golden.h"

namespace ballast {
namespace {

using test::gradient_error;
using test::kGradientTolerance;
using test::uniform;
using testing::error_of;
using Tensors = std::vector<Tensor>;

TEST(Matmul, AgreesWithPyTorch) {
  for (const auto& golden : test::layer_cases("matmul"))
    test::expect_case(golden, [](const Tensors& in) { return matmul(in[0], in[1]); });
}

TEST(Matmul, GradientsMatchFiniteDifferences) {
  const std::vector<std::pair<Shape, Shape>> shapes{
      {{5}, {5}},          {{1}, {1}},          {{2, 3}, {3}},
      {{3}, {4, 3, 2}},    {{2, 2, 3}, {3, 1}}, {{2, 1, 2, 3}, {3, 3, 2}},
      {{2, 3}, {2, 3, 4}}, {{3, 1, 1}, {1, 1}}, {{1, 2, 4}, {3, 4, 1}}};
  for (const auto& [a, b] : shapes) {
    auto f = [](const Tensors& in) { return matmul(in[0], in[1]); };
    EXPECT_LT(gradient_error(f, {uniform(a, 1), uniform(b, 2)}), kGradientTolerance)
        << a.str() << b.str();
  }
}

TEST(Matmul, OfAnEmptySumIsZero) {
  EXPECT_EQ(matmul(uniform({2, 3, 0}, 1), uniform({2, 0, 2}, 2)).values<double>(),
            std::vector<double>(12));
  EXPECT_EQ(matmul(uniform({0}, 1), uniform({0}, 2)).item(), 0);
  EXPECT_EQ(matmul(uniform({0, 2, 3}, 1), uniform({3, 4}, 2)).shape(), (Shape{0, 2, 4}));
}

TEST(Bmm, GradientsMatchFiniteDifferencesUnderEveryTransposition) {
  for (bool ta : {false, true})
    for (bool tb : {false, true}) {
      const Shape a = ta ? Shape{3, 4, 2} : Shape{3, 2, 4},
                  b = tb ? Shape{3, 5, 4} : Shape{3, 4, 5};
      auto f = [&](const Tensors& in) { return bmm(in[0], in[1], ta, tb); };
      EXPECT_EQ(f({uniform(a, 1), uniform(b, 2)}).shape(), (Shape{3, 2, 5}));
      EXPECT_LT(gradient_error(f, {uniform(a, 1), uniform(b, 2)}), kGradientTolerance) << ta << tb;
    }
}

std::string error(const Shape& a, const Shape& b) {
  return error_of<Error>([&] { matmul(uniform(a, 1), uniform(b, 2)); });
}

TEST(Matmul, WrongSizesThrowPyTorchsErrors) {
  EXPECT_EQ(error({}, {2}),
            "both arguments to matmul need to be at least 1D, but they are 0D and 1D");
  EXPECT_EQ(error({3}, {2}),
            "inconsistent tensor size, expected tensor [3] and src [2] to have the same number of "
            "elements, but got 3 and 2 elements respectively");
  EXPECT_EQ(error({3, 3}, {2}), "size mismatch, got input (3), mat (3x3), vec (2)");
  EXPECT_EQ(error({3}, {2, 2}), "mat1 and mat2 shapes cannot be multiplied (1x3 and 2x2)");
  EXPECT_EQ(error({4, 3, 3}, {2, 2}), "mat1 and mat2 shapes cannot be multiplied (12x3 and 2x2)");
  EXPECT_EQ(error({4, 3, 3}, {4, 2, 2}),
            "Expected size for first two dimensions of batch2 tensor to be: [4, 3] but got: [4, "
            "2].");
  EXPECT_EQ(error({4, 3, 3}, {5, 3, 2}),
            "The size of tensor a (4) must match the size of tensor b (5) at non-singleton "
            "dimension 0");
  EXPECT_EQ(error_of<Error>([] {
              bmm(uniform({3, 3}, 1), uniform({5, 3, 2}, 2));
            }),
            "batch1 must be a 3D tensor");
}

TEST(Matmul, MixedTypesThrowPyTorchsErrors) {
  const Tensor a = uniform({4, 3, 3}, 1);
  EXPECT_EQ(error_of<Error>([&] {
              matmul(a.to(DType::kFloat32), uniform({3, 3}, 2));
            }),
            "expected m1 and m2 to have the same dtype, but got: float != double");
  EXPECT_EQ(error_of<Error>([&] { bmm(a.to(DType::kFloat32), a); }),
            "expected scalar type Float but found Double");
}

}  // namespace
}  // namespace ballast
