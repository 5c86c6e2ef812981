// What switches passes, and what verifies their plans.
#include <gtest/gtest.h>

#include <utility>

#include "ballast/grad/grad.h"
#include "ballast/ops/activation.h"
#include "ballast/ops/create.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/statistics.h"
#include "ballast/plan/plan.h"
#include "ballast/sweep/eval.h"
#include "ballast/sweep/explain.h"
#include "tests/support/options.h"

namespace ballast {
namespace {

/// The names of what `text` in the environment switches off, or the error.
std::string off(const char* text) {
  return test::with_environment("BALLAST_PLAN", text, [](const plan::Options& o) {
    std::string names;
    for (const plan::Pass& p : plan::kPasses)
      if (!(o.*p.option)) names += std::string(p.name) + " ";
    return names;
  });
}

TEST(Options, PassesAreSwitchedOffInTheEnvironment) {
  for (const plan::Pass& p : plan::kPasses) {
    const std::string name(p.name);
    EXPECT_EQ(off(("-" + name).c_str()), name + " ");
  }
  EXPECT_EQ(off("-cse,-memory,-cache"), "cse memory cache ");
  EXPECT_EQ(off("-cse,cse"), "");
  EXPECT_EQ(off(""), "");
}

TEST(Options, BlanksAroundNamesDoNotCount) {
  EXPECT_EQ(off(" -cse, -winograd , memory "), "cse winograd ");
  EXPECT_EQ(off(" "), "");
}

TEST(Options, UnknownPassesAreErrors) {
  EXPECT_EQ(
      off("-cse,-inline"),
      "BALLAST_PLAN: unknown pass 'inline'; there are fast, cse, normal_form, accumulate, "
      "fuse_pointwise, fuse_prologue, fuse_epilogue, pair_gradients, winograd, memory, cache");
}

/// A chain of sums, each of which needs the one before; and how much memory for temporary values
/// it was given.
std::pair<float, int64_t> chain() {
  const Recorder recorder;
  Tensor x = ones({1000});
  for (int i = 0; i < 8; ++i) x = relu(cumsum(x, 0) * 1e-3);
  const float last = sum(x).item<float>();
  return {last, recorder.plans().at(0).temporary};
}

TEST(Options, WithoutMemoryNoValuesShareIt) {
  const auto [expected, shared] = chain();
  const test::WithOptions scope(test::without(&plan::Options::memory));
  const auto [value, apart] = chain();
  EXPECT_EQ(value, expected);
  EXPECT_GE(apart, 8 * 4000);
  EXPECT_LT(shared, 3 * 4096);
}

TEST(Options, WithoutCacheEveryEvaluationIsPlanned) {
  chain();
  const test::WithOptions scope(test::without(&plan::Options::cache));
  const PlanCacheStatistics before = plan_cache_statistics();
  chain();
  chain();
  const PlanCacheStatistics after = plan_cache_statistics();
  EXPECT_EQ(after.hits, before.hits);
  EXPECT_EQ(after.misses, before.misses + 2);
  EXPECT_EQ(after.size, before.size);
}

// The gradient of a mean: the same number for all elements.
TEST(NormalForm, NumbersAreReadWhereTheyLie) {
  const Tensor x = Tensor::from({1.0f, -2.0f, 3.0f, 4.0f}).set_requires_grad();
  const Recorder recorder;
  const Tensor g = grad(mean(x * x), {x})[0];
  EXPECT_EQ(g.values<float>(), (std::vector<float>{0.5f, -1, 1.5f, 2}));
  for (const PlanReport& plan : recorder.plans())
    for (const SweepReport& sweep : plan.sweeps) EXPECT_NE(sweep.name, "expand");
}

/// c = relu(leaf) + relu(relu(leaf)), in groups of one.
plan::Plan small_plan() {
  const Op* relu_op = relu(ones({16})).node().op;
  const Op* add_op = (ones({16}) + ones({16})).node().op;
  plan::Plan p;
  p.values.resize(4);
  for (plan::Value& v : p.values) v.shape = {16};
  p.values[1].op = p.values[2].op = relu_op;
  p.values[3].op = add_op;
  p.values[1].in = {0};
  p.values[2].in = {1};
  p.values[3].in = {1, 2};
  p.values[3].output = true;
  p.leaves = {0};
  p.outputs = {3};
  p.groups = {{{1}}, {{2}}, {{3}}};
  return p;
}

TEST(Verify, FindsValuesThatAreReadTooEarly) {
  plan::Plan p = small_plan();
  EXPECT_NO_THROW(plan::verify(p));
  std::swap(p.groups[0], p.groups[1]);
  EXPECT_THROW(plan::verify(p), Error);
}

TEST(Verify, FindsValuesThatShareMemoryWhileBothLive) {
  plan::Plan p = small_plan();
  plan::place_memory(p, true);
  EXPECT_EQ(p.arena_bytes, 128);
  EXPECT_NO_THROW(plan::verify(p));
  p.values[2].offset = p.values[1].offset + 32;
  EXPECT_THROW(plan::verify(p), Error);
}

}  // namespace
}  // namespace ballast
