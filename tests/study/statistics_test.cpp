#include "ballast/study/statistics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ballast/base/error.h"
#include "ballast/study/finding.h"

namespace ballast::study {
namespace {

// Quantiles of printed tables of Student's distribution.
TEST(StudyStatistics, StudentQuantilesAreTheTables) {
  EXPECT_NEAR(student_quantile(0.975, 1), 12.7062, 5e-5);
  EXPECT_NEAR(student_quantile(0.975, 2), 4.3027, 5e-5);
  EXPECT_NEAR(student_quantile(0.975, 4), 2.7764, 5e-5);
  EXPECT_NEAR(student_quantile(0.95, 10), 1.8125, 5e-5);
  EXPECT_NEAR(student_quantile(0.975, 1000), 1.9623, 5e-5);
  EXPECT_NEAR(student_quantile(0.025, 4), -2.7764, 5e-5);
  EXPECT_NEAR(student_quantile(0.5, 3), 0.0, 1e-12);
  EXPECT_THROW(student_quantile(1.0, 3), ValueError);
  EXPECT_THROW(student_quantile(0.5, 0), ValueError);
}

TEST(StudyStatistics, AMeansIntervalIsStudents) {
  // 1, 2, 3: mean 2, s = 1, 4.3027/sqrt(3) = 2.4841.
  const Estimate e = mean_interval(std::vector<double>{1, 2, 3});
  EXPECT_DOUBLE_EQ(e.mean, 2);
  EXPECT_NEAR(e.low, 2 - 2.48414, 1e-4);
  EXPECT_NEAR(e.high, 2 + 2.48414, 1e-4);
  EXPECT_EQ(e.n, 3);
}

TEST(StudyStatistics, OneValueHasNoInterval) {
  const Estimate e = mean_interval(std::vector<double>{7});
  EXPECT_EQ(e.mean, 7);
  EXPECT_TRUE(std::isnan(e.low));
  EXPECT_TRUE(std::isnan(mean_interval(std::vector<double>{1, NAN}).high));
  EXPECT_THROW(mean_interval({}), ValueError);
}

TEST(StudyStatistics, PairsCancelWhatBothRunsShare) {
  // The runs differ by 100 from seed to seed, the pairs by 1, 2, 3.
  const Estimate e =
      paired_difference(std::vector<double>{101, 202, 303}, std::vector<double>{100, 200, 300});
  EXPECT_DOUBLE_EQ(e.mean, 2);
  EXPECT_NEAR(e.low, 2 - 2.48414, 1e-4);
  EXPECT_THROW(paired_difference(std::vector<double>{1}, std::vector<double>{1, 2}), ValueError);
}

TEST(StudyStatistics, RatiosAreGeometric) {
  const Estimate e =
      paired_ratio(std::vector<double>{2, 4, 8}, std::vector<double>{1, 1, 1});  // mean log2: 2
  EXPECT_NEAR(e.mean, 4, 1e-12);
  EXPECT_NEAR(std::log2(e.low), 2 - 2.48414, 1e-4);
  EXPECT_THROW(geometric_interval(std::vector<double>{1, 0}), ValueError);
}

TEST(StudyStatistics, AccuracyDifferencesCountTheTestSetsChance) {
  // Both seeds answer alike, so Student's interval has no width; of 100 test samples a answers 20
  // that b does not: the bootstrap's deviation is sqrt(0.2*0.8/100) = 0.04.
  std::vector<double> a(100, 1.0), b(100, 1.0);
  for (int i = 0; i < 20; ++i) b[i] = 0.0;
  const Estimate e = accuracy_difference({a, a}, {b, b});
  EXPECT_NEAR(e.mean, 0.2, 1e-12);
  EXPECT_NEAR(e.low, 0.2 - 1.96 * 0.04, 0.015);
  EXPECT_NEAR(e.high, 0.2 + 1.96 * 0.04, 0.015);
  const Estimate again = accuracy_difference({a, a}, {b, b});
  EXPECT_EQ(e.low, again.low);
  EXPECT_EQ(e.high, again.high);
  EXPECT_THROW(accuracy_difference({}, {}), ValueError);
  EXPECT_THROW(accuracy_difference({a}, {{1.0}}), ValueError);
}

TEST(StudyStatistics, AccuracyDifferencesCountTheSeedsChance) {
  // a answers all, b all or half of 1000 samples, by the seed: mean 1/4, 12.7062*0.25 half as wide.
  const std::vector<double> all(1000, 1.0);
  std::vector<double> half(1000, 1.0);
  for (int i = 0; i < 500; ++i) half[i] = 0.0;
  const Estimate e = accuracy_difference({all, all}, {all, half});
  EXPECT_NEAR(e.mean, 0.25, 1e-12);
  EXPECT_NEAR(e.low, 0.25 - 12.7062 * 0.25, 1e-4);
}

Comparison comparison(double low, double mean, double high) {
  return {"", {mean, low, high, 5}, 0.5, ""};
}
const Comparison kFor = comparison(0.1, 1, 2), kAgainst = comparison(-1, 0, 0.4),
                 kUnclear = comparison(-1, 1, 3);

TEST(StudyVerdict, EvidenceNeedsTheIntervalAndTheMargin) {
  EXPECT_EQ(weigh(kFor), Evidence::kFor);
  EXPECT_EQ(weigh(kAgainst), Evidence::kAgainst);
  EXPECT_EQ(weigh(comparison(-3, -2, -1)), Evidence::kAgainst);
  EXPECT_EQ(weigh(kUnclear), Evidence::kUnclear);
  // Surely positive, too small to matter; and perhaps large enough.
  EXPECT_EQ(weigh(comparison(0.1, 0.2, 0.3)), Evidence::kAgainst);
  EXPECT_EQ(weigh(comparison(0.1, 0.4, 0.7)), Evidence::kUnclear);
  // One seed has no interval.
  EXPECT_EQ(weigh(comparison(NAN, 9, NAN)), Evidence::kUnclear);
}

TEST(StudyVerdict, EachKindIsReached) {
  EXPECT_EQ(judge({kFor, kFor, kUnclear}), Verdict::kHolds);
  EXPECT_EQ(judge({kAgainst, kUnclear, kAgainst}), Verdict::kFails);
  EXPECT_EQ(judge({kFor, kUnclear, kAgainst}), Verdict::kDepends);
  EXPECT_EQ(judge({kUnclear, kUnclear, kFor}), Verdict::kUndecided);
  EXPECT_EQ(judge({}), Verdict::kUndecided);
}

TEST(StudyVerdict, TheTallyCountsEachKind) {
  EXPECT_EQ(tally({kFor, kUnclear, kAgainst, kFor}),
            "2 of 4 comparisons speak for it, 1 against, 1 cannot tell");
  EXPECT_EQ(tally({kFor}), "1 of 1 comparison speaks for it");
}

TEST(StudyText, NumbersAreRoundedToWhatOneReads) {
  EXPECT_EQ(text_of(98.3456), "98.35");
  EXPECT_EQ(text_of(0.01234), "0.012");
  EXPECT_EQ(text_of(1234.5), "1234");
  EXPECT_EQ(text_of(1e-7), "1.00e-07");
  EXPECT_EQ(text_of(0.0), "0.000");
  EXPECT_EQ(text_of(Estimate{2, 1, 3, 3}), "2.000 (1.000 to 3.000)");
  EXPECT_EQ(text_of(Estimate{2, NAN, NAN, 1}), "2.000");
}

}  // namespace
}  // namespace ballast::study
