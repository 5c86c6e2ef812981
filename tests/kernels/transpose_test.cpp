#include "ballast/kernels/transpose.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/support/targets.h"

namespace ballast {
namespace {

TEST(TransposeKernel, MovesEveryElementAndTouchesNoOther) {
  test::for_each_target([] {
    for (int64_t rows : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 50})
      for (int64_t columns : {1, 2, 3, 4, 5, 7, 8, 17, 31, 100})
        for (int64_t gap : {0, 3}) {
          const int64_t in_pitch = columns + gap, out_pitch = rows + gap;
          std::vector<float> in(rows * in_pitch + 1), out(columns * out_pitch + 1, -1.0f);
          for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i);
          kernels::transpose(in.data() + 1, in_pitch, rows, columns, out.data(), out_pitch);
          for (int64_t j = 0; j < columns; ++j)
            for (int64_t i = 0; i < out_pitch; ++i)
              ASSERT_EQ(out[j * out_pitch + i],
                        i < rows ? static_cast<float>(1 + i * in_pitch + j) : -1.0f)
                  << rows << " x " << columns;
          ASSERT_EQ(out.back(), -1.0f);
        }
  });
}

}  // namespace
}  // namespace ballast
