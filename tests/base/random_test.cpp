#include "ballast/base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ballast/base/error.h"
#include "tests/support/files.h"

namespace ballast {
namespace {

using nlohmann::json;

// Values made by tests/golden/make_random.py, which says what they mean.
const json& golden() {
  static const json values = json::parse(std::ifstream(testing::golden("random.json")));
  return values;
}

template <class T>
std::string checksum(const std::vector<T>& values) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
  uint64_t value = 0xcbf29ce484222325u;
  for (size_t i = 0; i < values.size() * sizeof(T); ++i)
    value = (value ^ bytes[i]) * 0x100000001b3u;
  return fmt::format("{:016x}", value);
}

// The stored ends, within `tolerance`, and, where that is zero, the bits of everything.
template <class T>
void expect_golden(const std::vector<T>& got, const json& want, double tolerance = 0.0) {
  const auto first = want.at("first").get<std::vector<T>>();
  const auto last = want.at("last").get<std::vector<T>>();
  ASSERT_GE(got.size(), first.size());
  ASSERT_EQ(first.size(), last.size());
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_LE(std::abs(static_cast<double>(got[i] - first[i])), tolerance) << "at " << i;
    const size_t j = got.size() - last.size() + i;
    EXPECT_LE(std::abs(static_cast<double>(got[j] - last[i])), tolerance) << "at " << j;
  }
  if (tolerance == 0.0) {
    EXPECT_EQ(checksum(got), want.at("checksum").get<std::string>());
  }
}

template <class T>
std::vector<T> draw_floats(const json& call, Generator& g) {
  const auto op = call.at("op").get<std::string>();
  const double a = call.at("a"), b = call.at("b");
  std::vector<T> out(call.at("n").get<size_t>());
  if (op == "uniform") uniform(std::span<T>(out), a, b, g);
  if (op == "normal") normal(std::span<T>(out), a, b, g);
  if (op == "bernoulli") bernoulli(std::span<T>(out), a, g);
  if (op == "dropout") dropout_mask(std::span<T>(out), a, g);
  return out;
}

std::vector<int64_t> draw_integers(const json& call, Generator& g) {
  const auto op = call.at("op").get<std::string>();
  std::vector<int64_t> out(call.at("n").get<size_t>());
  if (op == "randint") randint(out, call.at("a"), call.at("b"), g);
  if (op == "randperm") randperm(out, g);
  if (op == "draw_seed") out[0] = static_cast<int64_t>(draw_seed(g));
  return out;
}

// Normal values that go through the C library's log, sine and cosine in double: those are within an
// ulp, each moves a value of size 8 at most by a few units of 2^-52 * 8, times std (3 at most).
// Cast to float, that is half a unit of 2^-23 * 8, now and then.
double tolerance_of(const json& call) {
  if (call.at("op") != "normal") return 0.0;
  if (call.at("dtype") == "float64") return 3 * 8 * 4 * 0x1p-52;
  return call.at("n") < 16 ? 2e-6 : 0.0;
}

void replay(const char* group) {
  for (const json& sequence : golden().at(group)) {
    Generator g(sequence.at("seed").get<uint64_t>());
    for (const json& call : sequence.at("calls")) {
      SCOPED_TRACE(fmt::format("seed {}: {} of {} {}", sequence.at("seed").dump(),
                               call.at("op").dump(), call.at("n").dump(), call.at("dtype").dump()));
      const double tolerance = tolerance_of(call);
      if (call.at("dtype") == "float32")
        expect_golden(draw_floats<float>(call, g), call, tolerance);
      else if (call.at("dtype") == "float64")
        expect_golden(draw_floats<double>(call, g), call, tolerance);
      else
        expect_golden(draw_integers(call, g), call);
    }
  }
}

TEST(Random, UniformHasPyTorchsBits) { replay("uniform"); }
TEST(Random, UniformValuesRoundedUpToTheEndMoveToTheStart) { replay("rounding"); }
TEST(Random, NormalHasPyTorchsBitsFromSixteenFloatsOnAndIsCloseBelow) { replay("normal"); }
TEST(Random, BernoulliHasPyTorchsBits) { replay("bernoulli"); }
TEST(Random, DropoutMasksHavePyTorchsBits) { replay("dropout"); }
TEST(Random, IntegersAreThoseOfPyTorch) { replay("randint"); }
TEST(Random, PermutationsAreThoseOfPyTorch) { replay("randperm"); }
TEST(Random, CallsOfAllKindsMoveTheGeneratorAsInPyTorch) { replay("mixed"); }

// The default initialization: kaiming_uniform_(a=sqrt(5)) for weights, 1/sqrt(fan_in) for biases.
void expect_default_initialization(const char* layer, size_t outputs, size_t fan_in) {
  Generator g(0);
  std::vector<float> weight(outputs * fan_in), bias(outputs);
  const double fan = static_cast<double>(fan_in);
  const double gain = std::sqrt(2.0 / (1.0 + std::sqrt(5.0) * std::sqrt(5.0)));
  const double bound = std::sqrt(3.0) * (gain / std::sqrt(fan));
  uniform(std::span<float>(weight), -bound, bound, g);
  uniform(std::span<float>(bias), -1 / std::sqrt(fan), 1 / std::sqrt(fan), g);
  expect_golden(weight, golden().at(layer).at("weight"));
  expect_golden(bias, golden().at(layer).at("bias"));
}

TEST(Random, LinearStartsFromPyTorchsWeights) {
  expect_default_initialization("linear_10_20", 20, 10);
}

TEST(Random, ConvolutionStartsFromPyTorchsWeights) {
  expect_default_initialization("conv2d_3_64_3", 64, 3 * 3 * 3);
}

TEST(Random, ShuffledEpochsAreThoseOfPyTorchsDataLoader) {
  const json& want = golden().at("loader");
  Generator g(0);
  for (const json& epoch : want.at("epochs")) {
    draw_seed(g);
    Generator sampler(draw_seed(g));
    std::vector<int64_t> order(want.at("size").get<size_t>());
    randperm(order, sampler);
    EXPECT_EQ(order, epoch.get<std::vector<int64_t>>());
  }
  float next;
  uniform(std::span<float>(&next, 1), 0, 1, g);
  EXPECT_EQ(next, want.at("next_rand").get<float>());
}

TEST(Random, MersenneTwisterAgreesWithTheStandardLibrarys) {
  Generator g(5489);
  for (int i = 1; i < 10000; ++i) g.random32();
  EXPECT_EQ(g.random32(), 4123659995u);  // the value [rand.predef] requires of std::mt19937
}

TEST(Random, DrawsInBulkAreTheSameDraws) {
  Generator one(3), many(3);
  for (size_t count : {1, 623, 2, 0, 624, 2000}) {
    std::vector<uint32_t> draws(count);
    many.random32(draws);
    for (uint32_t draw : draws) EXPECT_EQ(draw, one.random32());
  }
  EXPECT_EQ(one, many);
}

TEST(Random, UntouchedGeneratorHasPyTorchsDefaultSeed) {
  EXPECT_EQ(Generator().initial_seed(), 67280421310721u);
}

TEST(Random, ManualSeedStartsTheDefaultGeneratorOver) {
  manual_seed(uint64_t{1} << 63);
  EXPECT_EQ(default_generator().initial_seed(), uint64_t{1} << 63);
  double kept;
  normal(std::span<double>(&kept, 1), 0, 1, default_generator());
  manual_seed(7);
  EXPECT_EQ(default_generator(), Generator(7));
}

TEST(Random, StateContinuesWhereItWasTaken) {
  Generator g(11);
  std::vector<double> values(5);
  normal(std::span<double>(values), 0, 1, g);  // an odd count: one value is kept
  Generator other;
  other.set_state(g.get_state());
  EXPECT_EQ(other, g);
  EXPECT_EQ(other.initial_seed(), 11u);
  std::vector<double> again(5);
  normal(std::span<double>(values), 0, 1, g);
  normal(std::span<double>(again), 0, 1, other);
  EXPECT_EQ(values, again);
}

TEST(Random, DamagedStateIsRefusedAndChangesNothing) {
  Generator g(11);
  const Generator before = g;
  const std::vector<uint8_t> good = g.get_state();
  auto refuses = [&](std::vector<uint8_t> state) {
    EXPECT_THROW(g.set_state(state), ValueError);
    EXPECT_EQ(g, before);
  };
  refuses({});
  refuses({good.begin(), good.end() - 1});
  for (size_t position : {size_t{9}, size_t{12}, size_t{18}, size_t{5041}}) {
    // draws left, flag, position, flag of the kept value
    std::vector<uint8_t> bad = good;
    bad[position] ^= 0xff;
    refuses(bad);
  }
}

template <class E, class Call>
std::string message_of(Call call) {
  try {
    call();
  } catch (const E& e) {
    return e.what();
  }
  return "nothing thrown";
}

TEST(Random, ImpossibleArgumentsAreRefusedInPyTorchsWords) {
  Generator g(0);
  const Generator before = g;
  std::vector<float> x(3);
  std::vector<int64_t> k(3);
  EXPECT_EQ(message_of<Error>([&] { uniform(std::span<float>(x), 1, 0, g); }),
            "uniform_ expects to return a [from, to) range, but found from=1 > to=0");
  EXPECT_EQ(message_of<Error>([&] { uniform(std::span<float>(x), -3e38, 3e38, g); }),
            "uniform_ expects to-from <= std::numeric_limits<float>::max(), but found to=3e+38 and "
            "from=-3e+38 which result in to-from to exceed the limit");
  EXPECT_EQ(message_of<Error>([&] { normal(std::span<float>(x), 0, -1, g); }),
            "normal expects std >= 0.0, but found std -1");
  EXPECT_EQ(message_of<Error>([&] { bernoulli(std::span<float>(x), std::nan(""), g); }),
            "bernoulli_ expects p to be in [0, 1], but got p=nan");
  EXPECT_EQ(message_of<ValueError>([&] { dropout_mask(std::span<float>(x), 1.5, g); }),
            "dropout probability has to be between 0 and 1, but got 1.5");
  EXPECT_EQ(message_of<Error>([&] { randint(k, 5, 3, g); }),
            "random_ expects 'from' to be less than 'to', but got from=5 >= to=3");
  EXPECT_EQ(g, before);
}

TEST(Random, IntegersReachBothEndsOfTheirType) {
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  Generator g(0);
  std::vector<int64_t> k(100);
  randint(k, kMin, kMax, g);
  EXPECT_LT(*std::min_element(k.begin(), k.end()), kMin / 2);
  EXPECT_GT(*std::max_element(k.begin(), k.end()), kMax / 2);
}

TEST(Random, NothingIsDrawnForNothing) {
  Generator g(0);
  const Generator before = g;
  uniform(std::span<float>(), 0, 1, g);
  normal(std::span<float>(), 0, 1, g);
  randperm({}, g);
  EXPECT_EQ(g, before);
}

}  // namespace
}  // namespace ballast
