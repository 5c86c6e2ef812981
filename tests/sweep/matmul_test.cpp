#include "ballast/ops/matmul.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ballast/ops/shape_ops.h"
#include "tests/support/gradcheck.h"

namespace ballast {
namespace {

using test::uniform;

// A dot product of k terms in [-1, 1], in any order, errs by at most k*u*sum|x||y| with u = 2^-24;
// the sum is below k/3 on average, and below k always.
double tolerance(int64_t k) { return static_cast<double>(k * k) * 0x1p-24 / 3 + 1e-7; }

TEST(MatmulSweep, AgreesWithTheReferenceForManyShapes) {
  const int64_t shapes[][3] = {{1, 1, 1},       {64, 20, 10}, {64, 10, 20}, {7, 33, 5},
                               {85, 129, 257},  {1, 1000, 3}, {3, 1, 300},  {14, 32, 64},
                               {200, 17, 100},  {5, 0, 4},    {0, 3, 4},    {6, 16, 4100},
                               {10, 64, 20000}, {31, 16, 0}};
  uint64_t seed = 1;
  for (const auto& [m, n, k] : shapes)
    for (bool ta : {false, true})
      for (bool tb : {false, true})
        for (bool with_bias : {false, true}) {
          const Tensor a = uniform(ta ? Shape{k, m} : Shape{m, k}, ++seed);
          const Tensor b = uniform(tb ? Shape{n, k} : Shape{k, n}, ++seed);
          const Tensor bias = with_bias ? uniform({n}, ++seed) : Tensor();
          auto f32 = [](const Tensor& t) { return t.defined() ? cast(t, DType::kFloat32) : t; };
          auto f64 = [&](const Tensor& t) {
            return t.defined() ? cast(f32(t), DType::kFloat64) : t;
          };
          const auto fast = mm(f32(a), f32(b), ta, tb, f32(bias)).values<float>();
          const auto exact = mm(f64(a), f64(b), ta, tb, f64(bias)).values<double>();
          ASSERT_EQ(fast.size(), exact.size());
          for (size_t i = 0; i < fast.size(); ++i)
            ASSERT_NEAR(fast[i], exact[i], tolerance(k))
                << m << "x" << n << "x" << k << " " << ta << tb;
        }
}

}  // namespace
}  // namespace ballast
