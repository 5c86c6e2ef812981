// Pending values hold a bounded amount of memory, and errors of values come where they are made.
#include "ballast/graph/pending.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ballast/base/buffer.h"
#include "ballast/nn/activation.h"
#include "ballast/nn/batch_norm.h"
#include "ballast/nn/common.h"
#include "ballast/nn/conv.h"
#include "ballast/nn/linear.h"
#include "ballast/nn/pool.h"
#include "ballast/nn/sequential.h"
#include "ballast/ops/compare.h"
#include "ballast/ops/create.h"
#include "ballast/ops/embedding.h"
#include "ballast/ops/extremes.h"
#include "ballast/ops/index.h"
#include "ballast/ops/loss.h"
#include "ballast/ops/math.h"
#include "ballast/ops/matmul.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/statistics.h"
#include "ballast/sweep/eval.h"
#include "ballast/train/optim.h"

namespace ballast {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

nn::Sequential small_net() {
  return nn::Sequential(nn::Conv2d(3, 4, 3, {.padding = 1}), nn::BatchNorm2d(4), nn::ReLU(),
                        nn::AdaptiveAvgPool2d(1), nn::Flatten(), nn::Linear(4, 10));
}

/// A program that leaves something unread at every step; `finish` reads it.
struct Program {
  std::function<void(int)> step;
  std::function<double()> read;
};

/// Peak of memory in use over `steps` steps; `reading`: each step is followed by a look.
double peak_mib(const std::function<Program()>& make, int steps, bool reading) {
  const Program p = make();
  for (int i = 0; i < 3; ++i) p.step(i);
  p.read();
  const size_t before = memory_use().live;
  reset_peak_memory();
  for (int i = 0; i < steps; ++i) {
    p.step(i);
    if (reading) p.read();
  }
  const double mib = (static_cast<double>(memory_use().peak) - static_cast<double>(before)) / kMiB;
  p.read();
  return mib;
}

Tensor hits(const Tensor& out, const Tensor& t) { return sum(eq(argmax(out, 1), t)); }

Program evaluation(bool no_grad) {
  struct State {
    nn::Sequential net = small_net();
    Tensor correct = zeros({}, DType::kInt64);
  };
  auto s = std::make_shared<State>();
  s->net.eval();
  return {[s, no_grad](int) {
            const NoGrad off(no_grad);
            const Tensor x = rand({32, 3, 64, 64}), t = randint(0, 10, {32});
            s->correct = s->correct + hits(s->net(x), t);
          },
          [s] { return s->correct.item(); }};
}

/// A step of training, with something made of the outputs before the optimizer's step or after.
struct Training {
  nn::Sequential net{nn::Conv2d(3, 8, 1)};
  optim::SGD opt{net.parameters(), {.lr = 0.01}};
  Tensor x = randn({4, 3, 128, 128}), t = randint(0, 8, {4, 128, 128});

  void step(const std::function<void(const Tensor&, const Tensor&)>& before,
            const std::function<void(const Tensor&, const Tensor&)>& after) {
    opt.zero_grad();
    const Tensor out = net(x), loss = cross_entropy(out, t);
    if (before) before(out, loss);
    loss.backward();
    opt.step();
    if (after) after(out, loss);
  }
};

using Metric = std::function<void(Tensor&, const Tensor&, const Tensor&, const Tensor&)>;

Program training(bool before_step, const Metric& metric) {
  struct State : Training {
    Tensor total = zeros({});
  };
  auto s = std::make_shared<State>();
  const auto made = [s, metric](const Tensor& out, const Tensor& loss) {
    metric(s->total, out, loss, s->t);
  };
  return {[=](int) {
            if (before_step)
              s->step(made, nullptr);
            else
              s->step(nullptr, made);
          },
          [s] { return s->total.item(); }};
}

Program list_of(const std::function<Tensor(const Tensor&, const Tensor&)>& number) {
  struct State : Training {
    std::vector<Tensor> numbers;
  };
  auto s = std::make_shared<State>();
  return {[=](int) {
            s->step([&](const Tensor& out,
                        const Tensor& loss) { s->numbers.push_back(number(out, loss)); },
                    nullptr);
          },
          [s] {
            double total = 0;
            for (const Tensor& n : s->numbers) total += n.item();
            return total;
          }};
}

Program moving_average_of_parameters() {
  struct State {
    nn::Linear net{512, 512};
    optim::SGD opt{net.parameters(), {.lr = 0.01}};
    Tensor x = randn({4, 512}), average = zeros({512, 512});
  };
  auto s = std::make_shared<State>();
  return {[s](int) {
            s->opt.zero_grad();
            mean(square(s->net(s->x))).backward();
            s->opt.step();
            s->average = s->average * 0.99 + s->net.weight.detach() * 0.01;
          },
          [s] { return sum(s->average).item(); }};
}

Program last_outputs() {
  struct State : Training {
    std::map<int, Tensor> last;
  };
  auto s = std::make_shared<State>();
  return {[s](int i) {
            s->step(nullptr,
                    [&](const Tensor& out, const Tensor&) { s->last[i % 3] = out.detach() * 2.0; });
          },
          [s] {
            for (const auto& [i, t] : s->last) t.eval();
            return 0.0;
          }};
}

Program gradients_nobody_steps_with() {
  struct State {
    nn::Sequential net = small_net();
  };
  auto s = std::make_shared<State>();
  return {[s](int) {
            sum(s->net(rand({32, 3, 64, 64}))).backward();
          },
          [s] { return s->net.parameters()[0].grad().values<float>()[0]; }};
}

Program statistics_nobody_reads() {
  struct State {
    nn::BatchNorm2d norm{3};
  };
  auto s = std::make_shared<State>();
  return {[s](int) {
            s->norm(rand({32, 3, 64, 64}));
          },
          [s] { return s->norm.running_mean.values<float>()[0]; }};
}

struct Case {
  const char* name;
  std::function<Program()> make;
};

class UnreadValues : public ::testing::TestWithParam<Case> {};

// Sixty steps hold 90 MiB and more where nothing bounds what is pending.
TEST_P(UnreadValues, HoldLittleMoreThanValuesThatAreRead) {
  const double read = peak_mib(GetParam().make, 60, true);
  const double unread = peak_mib(GetParam().make, 60, false);
  EXPECT_LT(unread, read + 50) << "MiB";
}

TEST_P(UnreadValues, AreWhatTheyWouldBeHadTheyBeenRead) {
  manual_seed(3);
  const Program read = GetParam().make();
  for (int i = 0; i < 40; ++i) {
    read.step(i);
    read.read();
  }
  manual_seed(3);
  const Program unread = GetParam().make();
  for (int i = 0; i < 40; ++i) unread.step(i);
  const double expected = read.read();
  EXPECT_NEAR(unread.read(), expected, 1e-4 * std::abs(expected));
}

// A loop that goes on and on makes no plan after a while.
TEST_P(UnreadValues, KeepToTheSamePlans) {
  const Program p = GetParam().make();
  for (int i = 0; i < 100; ++i) p.step(i);
  const int64_t misses = plan_cache_statistics().misses;
  for (int i = 0; i < 60; ++i) p.step(i);
  EXPECT_LE(plan_cache_statistics().misses - misses, 1);
}

INSTANTIATE_TEST_SUITE_P(
    Programs, UnreadValues,
    ::testing::Values(
        Case{"AccuracyUnderNoGrad", [] { return evaluation(true); }},
        Case{"AccuracyWithGradientsEnabled", [] { return evaluation(false); }},
        Case{"AccuracyBeforeTheStep",
             [] {
               return training(
                   true, [](Tensor& total, const Tensor& out, const Tensor&, const Tensor& labels) {
                     total = total + hits(out, labels);
                   });
             }},
        Case{"AccuracyAfterTheStep",
             [] {
               return training(false,
                               [](Tensor& total, const Tensor& out, const Tensor&,
                                  const Tensor& labels) { total = total + hits(out, labels); });
             }},
        Case{"RunningLoss",
             [] {
               return training(false, [](Tensor& total, const Tensor&, const Tensor& loss,
                                         const Tensor&) { total = total + loss.detach() * 4.0; });
             }},
        Case{"Losses",
             [] {
               return list_of([](const Tensor&, const Tensor& loss) { return loss.detach(); });
             }},
        Case{"LossesWithTheirGraph",
             [] { return list_of([](const Tensor&, const Tensor& loss) { return loss; }); }},
        Case{"Means",
             [] {
               return list_of([](const Tensor& out, const Tensor&) { return mean(out.detach()); });
             }},
        Case{"MovingAverage", moving_average_of_parameters}, Case{"LastOutputs", last_outputs},
        Case{"Gradients", gradients_nobody_steps_with},
        Case{"RunningStatistics", statistics_nobody_reads}),
    [](const auto& at) { return std::string(at.param.name); });

// A number of small values is bounded, too: each takes memory of its own.
TEST(Pending, SmallValuesAreCounted) {
  const NoGrad off;
  const Tensor x = randn({4});
  std::vector<Tensor> all;
  for (int i = 0; i < 6000; ++i) all.push_back(sum(x * static_cast<double>(i)));
  int64_t pending = 0;
  for (const Tensor& t : all) pending += !t.node().evaluated();
  EXPECT_LT(pending, 3000);
  EXPECT_EQ(all[7].item(), sum(x * 7.0).item());
}

TEST(Pending, WhatReadsAStepsLargeValuesIsMadeWithTheStep) {
  const NoGrad off;
  const Tensor x = randn({256, 256}), y = x * 2.0;
  const Tensor metric = sum(y), other = sum(x * 3.0);
  (y + 1.0).eval();
  EXPECT_TRUE(metric.node().evaluated());
  EXPECT_FALSE(other.node().evaluated()) << "reads nothing that was made";
}

TEST(Pending, NothingIsMadeThatIsGoneBeforeTheNextEvaluation) {
  Tensor w = randn({64, 64}), x = randn({64, 64});
  w.set_requires_grad();
  matmul(x, w).sum().backward();
  const Ref<Node> gradient(&w.grad().node());
  (x + 1.0).eval();
  EXPECT_FALSE(gradient->evaluated());
  w.set_grad({});
  (x + 2.0).eval();
}

TEST(Pending, WhatIsPendingAtTwoEvaluationsIsMadeByTheSecond) {
  const NoGrad off;
  const Tensor x = randn({4}), unread = x * 2.0;
  (x + 1.0).eval();
  EXPECT_FALSE(unread.node().evaluated());
  (x + 2.0).eval();
  EXPECT_TRUE(unread.node().evaluated());
}

TEST(Pending, GraphsThatMayBeDifferentiatedStayAsTheyAre) {
  Tensor w = randn({4});
  w.set_requires_grad();
  const Tensor loss = sum(square(w));
  for (int i = 0; i < 3; ++i) (randn({4}) + 1.0).eval();
  EXPECT_FALSE(loss.node().evaluated());
  loss.backward();
  EXPECT_EQ(w.grad().values<float>(), (w.detach() * 2.0).values<float>());
}

// An index that is computed from what is not there yet is found out late.
Tensor late_error() {
  const Tensor index = cast(sum(randn({3, 3}), {1}) * 0.0 + 7.0, DType::kInt64);
  return index_select(randn({3}), 0, index);
}

TEST(Pending, AnErrorIsRaisedWhereItsValueIsLookedAt) {
  const NoGrad off;
  const Tensor x = randn({4}), bad = late_error(), good = x * 2.0;
  for (int i = 0; i < 4; ++i) EXPECT_NO_THROW((x + i).eval());
  EXPECT_TRUE(good.node().evaluated());
  EXPECT_THROW(bad.eval(), IndexError);
  EXPECT_NO_THROW((x + 5.0).eval());
}

TEST(Pending, AnErrorInALoopThatReadsNothingStopsNothing) {
  const NoGrad off;
  Tensor total = zeros({});
  const Tensor bad = late_error();
  for (int i = 0; i < 60; ++i) {
    total = total + sum(rand({512, 512}));
    if (i % 20 == 0) (total * 2.0).eval();
  }
  EXPECT_GT(total.item(), 0);
  EXPECT_THROW(bad.eval(), IndexError);
}

TEST(Pending, ThreadsMayLetGoOfEachOthersNodes) {
  for (int repeat = 0; repeat < 50; ++repeat) {
    const NoGrad off;
    const Tensor x = randn({64});
    std::vector<Tensor> mine;
    for (int i = 0; i < 50; ++i) mine.push_back(sum(x * static_cast<double>(i)));
    std::vector<Tensor> theirs;
    std::thread other([&theirs, mine]() mutable {
      const NoGrad quiet;
      for (Tensor& t : mine) {
        theirs.push_back(t + 1.0);
        t = {};
      }
      theirs.front().eval();
      mine.clear();
    });
    for (Tensor& t : mine) t = {};
    (x + 1.0).eval();
    (x + 2.0).eval();
    other.join();
    (x + 3.0).eval();
    EXPECT_EQ(theirs[3].item(), (sum(x * 3.0) + 1.0).item());
  }
}

// Errors of values.

struct Wrong {
  const char* name;
  std::function<void()> call;
};
class WrongValue : public ::testing::TestWithParam<Wrong> {};

TEST_P(WrongValue, IsFoundOutByTheCall) { EXPECT_THROW(GetParam().call(), Error); }

Tensor index_of(std::initializer_list<int64_t> values) { return Tensor::from(values); }

INSTANTIATE_TEST_SUITE_P(
    Calls, WrongValue,
    ::testing::Values(
        Wrong{"IndexSelect",
              [] {
                index_select(randn({3}), 0, index_of({0, 3}));
              }},
        Wrong{"IndexSelectNegative", [] { index_select(randn({3}), 0, index_of({-1})); }},
        Wrong{"OfAPendingTensor", [] { index_select(randn({3}) + 1.0, 0, index_of({5})); }},
        Wrong{"Gather", [] { gather(randn({3}), 0, index_of({5})); }},
        Wrong{"GatherRows",
              [] {
                gather(randn({2, 3}), 1, reshape(index_of({0, 5}), Shape{2, 1}));
              }},
        Wrong{"Scatter", [] { scatter(zeros({3}), 0, index_of({7}), 1.0); }},
        Wrong{"ScatterAdd", [] { scatter_add(zeros({3}), 0, index_of({7}), ones({1})); }},
        Wrong{"IndexAdd", [] { index_add(zeros({3}), 0, index_of({3}), ones({1})); }},
        Wrong{"Embedding",
              [] {
                embedding(index_of({7}), randn({3, 2}));
              }},
        Wrong{"EmbeddingOfAMatrix",
              [] {
                embedding(reshape(index_of({0, 1, 2, 7}), Shape{2, 2}), randn({3, 2}));
              }},
        Wrong{"OneHot", [] { one_hot(index_of({5}), 3); }},
        Wrong{"CrossEntropy",
              [] {
                cross_entropy(randn({2, 3}), index_of({0, 5}));
              }},
        Wrong{"CrossEntropyOfPendingLogits",
              [] {
                cross_entropy(randn({2, 3}) * 2.0, index_of({-1, 0}));
              }},
        Wrong{"CrossEntropyWithWeights",
              [] {
                cross_entropy(randn({2, 3}), index_of({0, 5}), {.weight = ones({3})});
              }},
        Wrong{"NllLoss",
              [] {
                nll_loss(randn({2, 3}), index_of({0, 5}));
              }},
        Wrong{"CastLabels",
              [] {
                cross_entropy(randn({2, 3}), cast(Tensor::from({0.0f, 5.0f}), DType::kInt64));
              }},
        Wrong{"BinaryCrossEntropy",
              [] { binary_cross_entropy(Tensor::from({1.5f}), Tensor::from({1.0f})); }},
        Wrong{"FloorDivide", [] { floor_divide(index_of({1}), index_of({0})); }},
        Wrong{"FloorDivideByANumber",
              [] {
                floor_divide(index_of({1, 2}), Scalar(0).beside(index_of({1})));
              }},
        Wrong{"Remainder",
              [] {
                remainder(index_of({1, 2}), index_of({1, 0}));
              }},
        Wrong{"Fmod",
              [] {
                fmod(index_of({1, 2}), index_of({0, 1}));
              }}),
    [](const auto& at) { return std::string(at.param.name); });

TEST(WrongValue, ChangesNothing) {
  Tensor x = zeros({3});
  const std::vector<float> before = x.values<float>();
  EXPECT_THROW(x.copy_(scatter(x, 0, index_of({7}), 1.0)), Error);
  EXPECT_EQ(x.values<float>(), before);
  const Tensor w = randn({3, 2}).set_requires_grad();
  EXPECT_THROW(sum(embedding(index_of({9}), w)).backward(), IndexError);
  EXPECT_FALSE(w.grad().defined());
}

TEST(WrongValue, OfNothingIsNoError) {
  EXPECT_NO_THROW(floor_divide(zeros({0}, DType::kInt64), expand(index_of({0}), Shape{0})).eval());
  EXPECT_NO_THROW(cross_entropy(randn({2, 3}), index_of({1, -100})).eval());
  EXPECT_NO_THROW(floor_divide(ones({1}), zeros({1})).eval());
}

}  // namespace
}  // namespace ballast
