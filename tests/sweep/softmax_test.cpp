#include "ballast/ops/softmax.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ballast/grad/grad.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"
#include "ballast/plan/plan.h"
#include "tests/support/gradcheck.h"
#include "tests/support/options.h"
#include "tests/support/targets.h"

namespace ballast {
namespace {

using test::fast_error;
using test::uniform;
using test::with_gradient;

TEST(SoftmaxSweep, AgreesWithTheReferenceForAnyWidthAndTarget) {
  test::for_each_target([] {
    uint64_t seed = 1;
    for (const Shape& s : {Shape{1}, Shape{7}, Shape{3, 8}, Shape{5, 17}, Shape{300, 10},
                           Shape{2, 3, 33}, Shape{9, 1000}, Shape{2, 2, 2, 5}, Shape{4, 1}})
      for (double scale : {1.0, 30.0}) {
        auto f = [&](const std::vector<Tensor>& in) {
          const Tensor x = in[0] * scale;
          auto out = with_gradient(in[0], softmax(x, -1));
          for (const Tensor& t : with_gradient(in[0], log_softmax(x, -1))) out.push_back(t);
          for (const Tensor& t : with_gradient(in[0], logsumexp(x, -1))) out.push_back(t);
          return out;
        };
        // An exponential of an argument of 60 errs by 60 roundings of it.
        EXPECT_LT(fast_error(f, {uniform(s, ++seed)}), scale < 2 ? 2e-6 : 2e-5) << s.str();
      }
  });
}

TEST(SoftmaxSweep, KeepsDigitsNextToAHugeMaximum) {
  const Tensor x = Tensor::from(std::vector<float>{30000, 29999, 29998, 0}, {1, 4});
  const auto y = log_softmax(x, 1).values<float>();
  const double log_sum = std::log(1 + std::exp(-1.0) + std::exp(-2.0));
  for (int i = 0; i < 3; ++i) EXPECT_NEAR(y[i], -i - log_sum, 1e-6);
}

TEST(SoftmaxSweep, TreatsInfinitiesAndNotANumberAsTheReference) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::nanf("");
  const Tensor x = Tensor::from(std::vector<float>{inf, 1, 2, -inf, -inf, -inf, nan, 1, 2, 1, nan,
                                                   2, -inf, 3, 4, inf, inf, -inf},
                                {6, 3});
  std::vector<std::vector<float>> fast, plain;
  for (auto* out : {&fast, &plain}) {
    plan::Options options = plan::options();
    options.fast = out == &fast;
    const test::WithOptions scope(options);
    out->push_back(softmax(x, 1).values<float>());
    out->push_back(log_softmax(x, 1).values<float>());
    out->push_back(logsumexp(x, 1).values<float>());
  }
  for (size_t k = 0; k < fast.size(); ++k)
    for (size_t i = 0; i < fast[k].size(); ++i)
      if (std::isfinite(plain[k][i]))
        EXPECT_NEAR(fast[k][i], plain[k][i], 1e-6) << k << " " << i;
      else
        EXPECT_TRUE(std::isnan(plain[k][i]) ? std::isnan(fast[k][i]) : fast[k][i] == plain[k][i])
            << k << " " << i << ": " << fast[k][i] << ", reference " << plain[k][i];
}

}  // namespace
}  // namespace ballast
