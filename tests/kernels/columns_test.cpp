#include "ballast/kernels/columns.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "ballast/base/random.h"
#include "tests/support/targets.h"

namespace ballast {
namespace {

constexpr double kEps = 0x1p-24;

std::vector<float> uniform(int64_t n, float mean = 0) {
  std::vector<float> v(n);
  static Generator random;
  for (float& x : v) x = mean + static_cast<float>(random.random32() % 8192) / 4096 - 1;
  return v;
}

/// Sums are runs of 32 rows, then one addition a run; of values up to `size` in magnitude.
double sum_error(int64_t rows, double size) {
  return kEps * (32 + static_cast<double>(rows) / 32 + 2) * static_cast<double>(rows) * size;
}

TEST(ColumnKernels, SumsAgreeWithALoopForAnyWidthPitchAndTarget) {
  test::for_each_target([] {
    for (int64_t columns = 1; columns <= 70; columns += columns < 34 ? 1 : 5)
      for (int64_t rows : {0, 1, 2, 5, 31, 33, 200}) {
        const int64_t g_pitch = columns + 3, x_pitch = columns + 1;
        const auto g = uniform(rows * g_pitch + 1), x = uniform(rows * x_pitch + 1);
        const auto centre = uniform(columns);
        std::vector<float> sum(columns + 1, 7.0f), alone(columns + 1, 7.0f),
            centred(columns + 1, 7.0f);
        kernels::column_sums(g.data() + 1, g_pitch, x.data() + 1, x_pitch, centre.data(), rows,
                             columns, rows > 40, sum.data(), centred.data());
        kernels::column_sums(g.data() + 1, g_pitch, nullptr, 0, nullptr, rows, columns, rows > 40,
                             alone.data(), nullptr);
        for (int64_t c = 0; c < columns; ++c) {
          double s = 0, t = 0;
          for (int64_t r = 0; r < rows; ++r) {
            s += g[1 + r * g_pitch + c];
            t += g[1 + r * g_pitch + c] * (double{x[1 + r * x_pitch + c]} - centre[c]);
          }
          ASSERT_NEAR(sum[c], s, sum_error(rows, 1)) << rows << " x " << columns;
          ASSERT_NEAR(alone[c], s, sum_error(rows, 1)) << rows << " x " << columns;
          ASSERT_NEAR(centred[c], t, sum_error(rows, 2)) << rows << " x " << columns;
        }
        for (const auto* v : {&sum, &alone, &centred}) ASSERT_EQ(v->back(), 7.0f);
      }
  });
}

TEST(ColumnKernels, MomentsAgreeWithALoopForAnyWidthPitchAndTarget) {
  test::for_each_target([] {
    for (int64_t columns = 1; columns <= 70; columns += columns < 34 ? 1 : 5)
      for (int64_t rows : {1, 2, 5, 31, 33, 200}) {
        const int64_t pitch = columns + 3;
        const auto x = uniform(rows * pitch + 1, 1000);
        std::vector<float> centre(columns + 1, 7.0f);
        std::vector<double> sum(columns + 1, 7.0), squares(columns + 1, 7.0);
        kernels::column_moments(x.data() + 1, pitch, rows, columns, rows > 40, centre.data(),
                                sum.data(), squares.data());
        for (int64_t c = 0; c < columns; ++c) {
          double s = 0, t = 0;
          for (int64_t r = 0; r < rows; ++r) {
            const double v = double{x[1 + r * pitch + c]} - centre[c];
            s += v;
            t += v * v;
          }
          ASSERT_NEAR(sum[c], s, 1e-12) << rows << " x " << columns;
          ASSERT_NEAR(squares[c], t, 1e-12) << rows << " x " << columns;
          ASSERT_NEAR(centre[c], 1000, 1);
        }
        ASSERT_EQ(centre.back(), 7.0f);
        for (const auto* v : {&sum, &squares}) ASSERT_EQ(v->back(), 7.0);
      }
  });
}

TEST(ColumnKernels, MomentsOfPartsAreThoseOfAll) {
  test::for_each_target([] {
    constexpr int64_t kColumns = 13;
    const auto x = uniform(60 * kColumns, 100);
    std::vector<double> count(kColumns + 1, 0), mean(kColumns + 1, 0), centred(kColumns + 1, 0);
    // The first columns have seen rows that the others have not, and all see several parts.
    const auto add = [&](int64_t row, int64_t rows, int64_t columns) {
      std::vector<float> centre(columns);
      std::vector<double> sum(columns), squares(columns);
      kernels::column_moments(x.data() + row * kColumns, kColumns, rows, columns, false,
                              centre.data(), sum.data(), squares.data());
      kernels::add_moments(centre.data(), sum.data(), squares.data(), static_cast<double>(rows),
                           columns, count.data(), mean.data(), centred.data());
    };
    add(0, 7, 6);
    add(7, 20, kColumns);
    add(27, 1, kColumns);
    add(28, 32, kColumns);
    for (int64_t c = 0; c < kColumns; ++c) {
      const int64_t first = c < 6 ? 0 : 7, n = 60 - first;
      double m = 0, q = 0;
      for (int64_t r = first; r < 60; ++r) m += x[r * kColumns + c] / static_cast<double>(n);
      for (int64_t r = first; r < 60; ++r) q += std::pow(x[r * kColumns + c] - m, 2);
      ASSERT_EQ(count[c], n);
      ASSERT_NEAR(mean[c], m, 1e-12);
      ASSERT_NEAR(centred[c], q, 1e-11);
    }
    for (const auto* v : {&count, &mean, &centred}) ASSERT_EQ(v->back(), 0);
  });
}

// The sampled rows lie as far from the mean as they can: the variance keeps its digits.
TEST(ColumnKernels, MomentsSurviveASampleUnlikeTheRest) {
  constexpr int64_t kRows = 1024;
  std::vector<float> x(kRows);
  double mean = 0, variance = 0;
  for (int64_t r = 0; r < kRows; ++r) x[r] = r % 8 ? 1 : 1e6f;
  for (float v : x) mean += v / kRows;
  for (float v : x) variance += (v - mean) * (v - mean) / kRows;
  float centre;
  double sum, squares;
  kernels::column_moments(x.data(), 1, kRows, 1, false, &centre, &sum, &squares);
  EXPECT_NEAR((squares - sum * sum / kRows) / kRows / variance, 1, 1e-12);
}

}  // namespace
}  // namespace ballast
