#include "ballast/ops/matmul.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "ballast/base/threads.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "tests/support/gradcheck.h"

namespace ballast {
namespace {

using test::uniform;

// A dot product of k terms in [-1, 1], in any order, errs by at most k*u*sum|x||y| with u = 2^-24;
// the sum is below k/3 on average, and below k always.
double tolerance(int64_t k) { return static_cast<double>(k * k) * 0x1p-24 / 3 + 1e-7; }

TEST(MatmulSweep, AgreesWithTheReferenceForManyShapes) {
  const int64_t shapes[][3] = {{1, 1, 1},       {64, 20, 10},  {64, 10, 20}, {7, 33, 5},
                               {85, 129, 257},  {1, 1000, 3},  {3, 1, 300},  {14, 32, 64},
                               {200, 17, 100},  {5, 0, 4},     {0, 3, 4},    {6, 16, 4100},
                               {10, 64, 20000}, {31, 16, 0},   {8, 40, 70},  {2, 130, 300},
                               {100, 700, 300}, {300, 24, 310}};
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

TEST(MatmulSweep, AgreesWithTheReferenceBetweenChainsAndSums) {
  uint64_t seed = 1;
  for (const auto& [m, n, k] : {std::array<int64_t, 3>{7, 33, 50},
                                {100, 600, 40},
                                {64, 20, 3000},
                                {200, 17, 100},
                                {1, 70, 30}})
    for (bool ta : {false, true})
      for (bool tb : {false, true}) {
        // Rows of samples are made as they are read; of the result, squares and sums are made.
        const auto f = [=](const std::vector<Tensor>& in) {
          const Tensor b = ta ? square(in[1]) - 0.25 : in[1];
          const Tensor y = mm(square(in[0]) - 0.5, b, ta, tb, in[2]);
          return std::vector<Tensor>{square(y), sum(y, {0})};
        };
        // Roundings of random sign: sqrt(k) of them, twice over for squares; 16 for the tails.
        const double error = test::fast_error(
            f, {uniform(ta ? Shape{k, m} : Shape{m, k}, ++seed),
                uniform(tb ? Shape{n, k} : Shape{k, n}, ++seed), uniform({n}, ++seed)});
        EXPECT_LT(error, 32 * std::sqrt(static_cast<double>(k)) * 0x1p-24)
            << m << "x" << n << "x" << k << " " << ta << tb;
      }
}

TEST(BmmSweep, AgreesWithTheReferenceForManyShapes) {
  uint64_t seed = 1;
  for (const auto& [batch, m, n, k] : {std::array<int64_t, 4>{1, 1, 1, 1},
                                       {3, 7, 5, 33},
                                       {2, 100, 40, 16},
                                       {5, 9, 64, 1},
                                       {2, 3, 4, 0},
                                       {0, 3, 4, 2},
                                       {4, 13, 17, 400}})
    for (bool ta : {false, true})
      for (bool tb : {false, true}) {
        const auto f = [ta = ta, tb = tb](const std::vector<Tensor>& in) {
          return std::vector<Tensor>{bmm(in[0], in[1], ta, tb)};
        };
        const double error =
            test::fast_error(f, {uniform(ta ? Shape{batch, k, m} : Shape{batch, m, k}, ++seed),
                                 uniform(tb ? Shape{batch, n, k} : Shape{batch, k, n}, ++seed)});
        // Roundings of random sign: sqrt(k) of them; 8 for the tails.
        EXPECT_LE(error, 8 * std::sqrt(static_cast<double>(k)) * 0x1p-24)
            << batch << "x" << m << "x" << n << "x" << k << " " << ta << tb;
      }
}

TEST(MatmulSweep, GivesTheSameBitsWithAnyNumberOfThreads) {
  const int before = num_threads();
  for (const auto& [m, n, k] :
       {std::array<int64_t, 3>{256, 512, 512}, {10, 64, 20000}, {4, 2000, 1000}, {700, 30, 64}})
    for (bool ta : {false, true})
      for (bool tb : {false, true}) {
        std::vector<float> results[3];
        for (int i : {0, 1, 2}) {
          set_num_threads(1 << i);
          const Tensor a = cast(uniform(ta ? Shape{k, m} : Shape{m, k}, 1), DType::kFloat32);
          const Tensor b = cast(uniform(tb ? Shape{n, k} : Shape{k, n}, 2), DType::kFloat32);
          results[i] = mm(a, b, ta, tb).values<float>();
        }
        EXPECT_EQ(results[0], results[1]);
        EXPECT_EQ(results[0], results[2]);
      }
  set_num_threads(before);
}

}  // namespace
}  // namespace ballast
