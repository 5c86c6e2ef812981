#include "ballast/kernels/product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "ballast/base/random.h"
#include "tests/support/targets.h"

namespace ballast {
namespace {

std::vector<float> uniform(int64_t n) {
  std::vector<float> v(n);
  static Generator random;
  for (float& x : v) x = static_cast<float>(random.random32() % 8192) / 4096 - 1;
  return v;
}

int64_t upto(int64_t n) {
  static Generator random;
  return static_cast<int64_t>(random.random32() % static_cast<uint32_t>(n + 1));
}

/// k products of values in [-1, 1], added up in any order, err by at most k*u*(sum of magnitudes).
double tolerance(int64_t k) { return static_cast<double>((k + 2) * (k + 2)) * 0x1p-24; }

/// Everything a product can be asked for, at random; what lies around the result must not change.
struct Case {
  int64_t rows = upto(30), columns = upto(70), depth = upto(20);
  int batch = static_cast<int>(1 + upto(3));
  bool transposed = upto(1), packed = upto(1), tables = upto(1), accumulate = upto(2) == 0,
       bias = upto(1);

  void check() const {
    const int64_t w = kernels::panel_columns(), lda = (transposed ? rows : depth) + upto(4),
                  ldb = columns + upto(4), ldc = columns + upto(3);
    const auto a = uniform(batch * (lda * (rows + depth) + 1)), b = uniform(batch * depth * ldb),
               start = uniform(rows * ldc), biases = uniform(columns);
    std::vector<float> panels(batch * kernels::packed_size(depth, columns)), c = start;
    std::vector<const float*> as, bs;
    for (int t = 0; t < batch; ++t) {
      as.push_back(a.data() + t * lda * (rows + depth));
      bs.push_back(packed ? panels.data() + t * kernels::packed_size(depth, columns)
                          : b.data() + t * depth * ldb);
      if (packed)
        kernels::pack_b(b.data() + t * depth * ldb, ldb, 1, depth, columns,
                        panels.data() + t * kernels::packed_size(depth, columns));
    }
    kernels::Product q{};
    q.rows = rows;
    q.columns = columns;
    q.depth = depth;
    q.batch = batch;
    q.a = as.data();
    q.sam = transposed ? 1 : lda;
    q.sak = transposed ? lda : 1;
    q.b = bs.data();
    q.sbk = packed ? w : ldb;
    q.panel = packed ? depth * w : w;
    q.c = c.data();
    q.ldc = ldc;
    q.accumulate = accumulate;
    q.bias = bias ? biases.data() : nullptr;
    // Rows of A and C in the opposite order.
    std::vector<int64_t> a_rows, c_rows;
    for (int64_t m = rows; m-- > 0;) {
      a_rows.push_back(m * q.sam);
      c_rows.push_back(m * q.ldc);
    }
    if (tables) {
      q.a_rows = a_rows.data();
      q.c_rows = c_rows.data();
    }
    kernels::product(q);
    for (int64_t m = 0; m < rows; ++m)
      for (int64_t n = 0; n < ldc; ++n) {
        double sum = start[m * ldc + n];
        if (n < columns) {
          if (!accumulate) sum = bias ? biases[n] : 0;
          for (int t = 0; t < batch; ++t)
            for (int64_t k = 0; k < depth; ++k)
              sum += double{as[t][m * q.sam + k * q.sak]} * b[(t * depth + k) * ldb + n];
        }
        ASSERT_NEAR(c[m * ldc + n], sum, n < columns ? tolerance(batch * depth) : 0)
            << rows << "x" << columns << "x" << depth << "x" << batch << " at " << m << "," << n;
      }
  }
};

TEST(ProductKernel, AgreesWithALoopForAnyShapeLayoutAndTarget) {
  test::for_each_target([] {
    for (int i = 0; i < 1500; ++i) Case().check();
    for (int64_t depth : {319, 320, 321, 700}) {
      Case c;
      c.depth = depth;
      c.check();
    }
  });
}

TEST(ProductKernel, PacksEitherOrderOfTheOperandIntoTheSamePanels) {
  test::for_each_target([] {
    const int64_t w = kernels::panel_columns();
    for (int64_t depth : {1, 4, 15, 16, 17, 40})
      for (int64_t columns : {1, 2, 7, 16, 17, 40}) {
        const auto b = uniform(depth * columns);
        std::vector<float> transposed(depth * columns);
        for (int64_t k = 0; k < depth; ++k)
          for (int64_t n = 0; n < columns; ++n) transposed[n * depth + k] = b[k * columns + n];
        std::vector<float> one(kernels::packed_size(depth, columns) + 1, 7.0f), two = one;
        kernels::pack_b(b.data(), columns, 1, depth, columns, one.data());
        kernels::pack_b(transposed.data(), 1, depth, depth, columns, two.data());
        ASSERT_EQ(one, two);
        ASSERT_EQ(one.back(), 7.0f);
        for (int64_t k = 0; k < depth; ++k)
          for (int64_t n = 0; n < (columns + w - 1) / w * w; ++n)
            ASSERT_EQ(one[n / w * depth * w + k * w + n % w],
                      n < columns ? b[k * columns + n] : 0.0f);
      }
  });
}

TEST(ProductKernel, DotsAgreeWithALoopForAnyShapeAndTarget) {
  test::for_each_target([] {
    for (int64_t rows : {0, 1, 2, 3, 8})
      for (int64_t columns : {0, 1, 3, 4, 9})
        for (int64_t depth : {0, 1, 7, 8, 16, 33, 100}) {
          const int64_t lda = depth + 1, ldb = depth + 2, ldc = columns + 1;
          const auto a = uniform(rows * lda), b = uniform(columns * ldb), bias = uniform(columns);
          for (const float* from : {static_cast<const float*>(nullptr), bias.data()}) {
            std::vector<float> c(rows * ldc, 7.0f);
            kernels::dots(a.data(), lda, b.data(), ldb, from, rows, columns, depth, c.data(), ldc);
            for (int64_t m = 0; m < rows; ++m)
              for (int64_t n = 0; n < ldc; ++n) {
                double sum = n == columns ? 7 : from ? from[n] : 0;
                for (int64_t k = 0; n < columns && k < depth; ++k)
                  sum += double{a[m * lda + k]} * b[n * ldb + k];
                ASSERT_NEAR(c[m * ldc + n], sum, n < columns ? tolerance(depth) : 0);
              }
          }
        }
  });
}

}  // namespace
}  // namespace ballast
