#include "ballast/kernels/update.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/support/targets.h"

namespace ballast {
namespace {

std::vector<float> numbers(int64_t n, float scale, float offset) {
  std::vector<float> v(n);
  for (int64_t i = 0; i < n; ++i)
    v[i] = offset + scale * static_cast<float>((i * 7919 + 13) % 1009) / 1009;
  return v;
}

/// The formula, one rounding an operation.
void plain(const kernels::AdamUpdate& u, float& p, float grad, float& m, float& v, float* largest) {
  float g = u.sign * grad;
  if (u.weight_decay != 0) g += u.weight_decay * p;
  const float away = g - m;
  m = u.lerp_from_end ? g - away * (1.0f - u.rest1) : m + u.rest1 * away;
  v = v * u.beta2 + u.rest2 * g * g;
  float second = v;
  if (largest) second = *largest = std::max(v, *largest);
  p = u.shrink * p - u.step_size * m / (std::sqrt(second) / u.correction + u.eps);
}

TEST(UpdateKernels, AdamGivesTheBitsOfThePlainLoopOnEveryTarget) {
  test::for_each_target([] {
    for (int64_t n : {0, 1, 3, 7, 8, 9, 16, 33, 100})
      for (bool amsgrad : {false, true})
        for (bool from_end : {false, true})
          for (float decay : {0.0f, 0.01f}) {
            const kernels::AdamUpdate u{.sign = amsgrad ? -1.0f : 1.0f,
                                        .weight_decay = decay,
                                        .shrink = 0.999f,
                                        .rest1 = from_end ? 0.6f : 0.1f,
                                        .beta2 = 0.999f,
                                        .rest2 = 0.001f,
                                        .step_size = 0.01f,
                                        .correction = 0.3f,
                                        .eps = 1e-8f,
                                        .lerp_from_end = from_end};
            auto p = numbers(n + 1, 2, -1), m = numbers(n + 1, 1, -0.5f), v = numbers(n + 1, 1, 0),
                 largest = numbers(n + 1, 0.7f, 0.2f);
            const auto g = numbers(n + 1, 3, -1.5f);
            auto p0 = p, m0 = m, v0 = v, largest0 = largest;
            for (int64_t i = 0; i < n; ++i)
              plain(u, p0[i], g[i], m0[i], v0[i], amsgrad ? &largest0[i] : nullptr);
            kernels::adam_update(u, p.data(), g.data(), m.data(), v.data(),
                                 amsgrad ? largest.data() : nullptr, n);
            EXPECT_EQ(p, p0) << n;
            EXPECT_EQ(m, m0) << n;
            EXPECT_EQ(v, v0) << n;
            EXPECT_EQ(largest, largest0) << n;
          }
  });
}

}  // namespace
}  // namespace ballast
