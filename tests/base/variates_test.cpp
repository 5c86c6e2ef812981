#include "ballast/base/variates.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "ballast/base/error.h"

namespace ballast {
namespace {

struct Moments {
  double mean = 0, variance = 0;
};

Moments moments(const std::vector<double>& x) {
  Moments m;
  for (double v : x) m.mean += v / static_cast<double>(x.size());
  for (double v : x) m.variance += (v - m.mean) * (v - m.mean) / static_cast<double>(x.size());
  return m;
}

// Both distributions have the variance `parameter` and the mean `parameter`; a sample's mean is
// off by its standard error, the variance by about sqrt(2 + 6/parameter) of that, 5 of which are
// allowed.
void expect_moments(void (*draw)(std::span<double>, Generator&), double parameter) {
  constexpr int kCount = 20000;
  Generator g(3);
  std::vector<double> x(kCount, parameter);
  draw(x, g);
  const Moments m = moments(x);
  EXPECT_NEAR(m.mean, parameter, 5 * std::sqrt(parameter / kCount)) << parameter;
  EXPECT_NEAR(m.variance, parameter, 5 * parameter * std::sqrt((2 + 6 / parameter) / kCount))
      << parameter;
}

TEST(Variates, GammaHasItsMomentsBelowAndAboveOne) {
  for (double shape : {0.2, 0.9, 1.0, 3.5, 40.0}) expect_moments(standard_gamma, shape);
}

TEST(Variates, PoissonHasItsMomentsByBothMethods) {
  for (double rate : {0.3, 4.0, 9.9, 10.0, 25.0, 400.0}) expect_moments(poisson, rate);
}

TEST(Variates, EndsAreKept) {
  Generator g(3);
  std::vector<double> shape = {0.0, std::nan("")};
  standard_gamma(shape, g);
  EXPECT_GT(shape[0], 0.0);
  EXPECT_TRUE(std::isnan(shape[1]));
  std::vector<double> rate = {0.0};
  poisson(rate, g);
  EXPECT_EQ(rate[0], 0.0);
}

TEST(Variates, NegativeParametersAreRefusedBeforeAnythingIsDrawn) {
  Generator g(3);
  const Generator before = g;
  std::vector<double> bad = {1.0, -1.0};
  EXPECT_THROW(standard_gamma(bad, g), Error);
  EXPECT_THROW(poisson(bad, g), Error);
  EXPECT_EQ(g, before);
  EXPECT_EQ(bad[0], 1.0);
}

}  // namespace
}  // namespace ballast
