#include "ballast/ops/dropout.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ballast/base/random.h"
#include "ballast/ops/reduce.h"
#include "tests/support/files.h"
#include "tests/support/gradcheck.h"
#include "tests/support/layer_golden.h"

namespace ballast {
namespace {

using test::uniform;
using testing::error_of;

template <class T>
void expect_bits(const nlohmann::json& golden) {
  Generator generator(7);
  const Tensor x = uniform({3, 7}, 1).to(dtype_of<T>);
  const double p = golden.at("p");
  const Tensor first = dropout(x, p, true, generator), second = dropout(x, p, true, generator);
  // Looked at in another order than drawn.
  EXPECT_EQ(second.values<T>(), golden.at("second").get<std::vector<T>>()) << p;
  EXPECT_EQ(first.values<T>(), golden.at("first").get<std::vector<T>>()) << p;
}

TEST(Dropout, HasPyTorchsBits) {
  for (const auto& golden : test::layer_cases("dropout"))
    golden.at("dtype") == "float32" ? expect_bits<float>(golden) : expect_bits<double>(golden);
}

TEST(Dropout, GradientIsTheMask) {
  Generator generator(3);
  Tensor x = Tensor::from(std::vector<double>(40, 1.0), {5, 8}).set_requires_grad();
  const Tensor y = dropout(x, 0.25, true, generator);
  const auto mask = y.values<double>();
  sum(y).backward();
  EXPECT_EQ(x.grad().values<double>(), mask);
  for (double v : mask) EXPECT_TRUE(v == 0 || v == 1 / 0.75) << v;
}

TEST(Dropout, DrawsFromTheDefaultGenerator) {
  const Tensor x = uniform({4, 5}, 1);
  manual_seed(11);
  const auto got = dropout(x).values<double>();
  Generator generator(11);
  EXPECT_EQ(got, dropout(x, 0.5, true, generator).values<double>());
}

TEST(Dropout, IsTheIdentityInEvaluationAndForPZero) {
  const Tensor x = uniform({4, 5}, 1);
  Generator generator(5);
  EXPECT_TRUE(dropout(x, 0.5, false, generator).is(x));
  EXPECT_TRUE(dropout(x, 0.0, true, generator).is(x));
  EXPECT_EQ(generator, Generator(5));
}

TEST(Dropout, OfPOneMultipliesByZeroAndDrawsNothing) {
  Generator generator(5);
  const auto y = dropout(Tensor::from({1.0f, NAN, -2.0f}), 1.0, true, generator).values<float>();
  EXPECT_EQ(y[0], 0);
  EXPECT_TRUE(std::isnan(y[1]));
  EXPECT_TRUE(y[2] == 0 && std::signbit(y[2]));
  EXPECT_EQ(generator, Generator(5));
}

TEST(Dropout, WrongArgumentsThrowPyTorchsErrors) {
  const Tensor x = uniform({3}, 1);
  EXPECT_EQ(error_of<ValueError>([&] { dropout(x, -0.1); }),
            "dropout probability has to be between 0 and 1, but got -0.1");
  EXPECT_EQ(error_of<ValueError>([&] { dropout(x, 1.5, false); }),
            "dropout probability has to be between 0 and 1, but got 1.5");
  EXPECT_THROW(dropout(x, NAN), ValueError);
  EXPECT_EQ(error_of<Error>([&] { dropout(x.to(DType::kInt64)); }),
            "result type Float can't be cast to the desired output type Long");
}

}  // namespace
}  // namespace ballast
