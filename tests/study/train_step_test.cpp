#include "ballast/study/train_step.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ballast/base/random.h"
#include "ballast/models/factory.h"
#include "ballast/nn/nn.h"
#include "ballast/ops/create.h"
#include "ballast/ops/dropout.h"
#include "ballast/ops/loss.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/view.h"
#include "ballast/study/convert_norm.h"
#include "ballast/study/exact_batch.h"
#include "tests/support/gradcheck.h"

namespace ballast::study {
namespace {

using test::uniform;

data::Batch batch_of(const Shape& shape, DType dtype, int64_t classes = 10) {
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < shape[0]; ++i) labels.push_back(i * 7 % classes);
  return {uniform(shape, 1).to(dtype), Tensor::from(labels, {shape[0]})};
}

// Rounding of float64 in sums of some hundred terms, and what normalizations make of it.
constexpr double kTolerance = 1e-11;

/// The largest difference of two tensors relative to the norm of the second.
double difference(const Tensor& got, const Tensor& want) {
  const auto a = got.to(DType::kFloat64).values<double>();
  const auto b = want.to(DType::kFloat64).values<double>();
  double d = 0, n = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    d += (a[i] - b[i]) * (a[i] - b[i]);
    n += b[i] * b[i];
  }
  return std::sqrt(d / std::max(n, 1e-300));
}

/// Takes the step at once and in parts, and expects the same gradients and buffers.
template <class M>
void expect_exact(M& model, const data::Batch& batch, const TrainStepOptions& options,
                  double tolerance) {
  M whole = nn::clone(model), parts = nn::clone(model);
  const Tensor output = whole(batch.x);
  const Tensor loss = options.loss ? options.loss(output, batch.y) : cross_entropy(output, batch.y);
  loss.backward();
  EXPECT_NEAR(train_step(parts, batch, options), loss.item(), tolerance * std::abs(loss.item()));
  const auto want = whole.named_parameters(), got = parts.named_parameters();
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_TRUE(got[i].second.grad().defined()) << want[i].first;
    EXPECT_LT(difference(got[i].second.grad(), want[i].second.grad()), tolerance) << want[i].first;
  }
  const auto state = whole.named_buffers(), buffers = parts.named_buffers();
  for (size_t i = 0; i < state.size(); ++i)
    EXPECT_LT(difference(buffers[i].second, state[i].second), tolerance) << state[i].first;
}

/// Two blocks, one of which the input goes around, with dense connections at the end.
struct Branches : nn::Module {
  nn::Conv2d conv1 = add("conv1", nn::Conv2d(3, 4, 3, {.padding = 1, .bias = false}));
  nn::BatchNorm2d norm1 = add("norm1", nn::BatchNorm2d(4));
  nn::Conv2d conv2 = add("conv2", nn::Conv2d(4, 4, 3, {.padding = 1, .bias = false}));
  nn::BatchNorm2d norm2 = add("norm2", nn::BatchNorm2d(4, {.momentum = std::nullopt}));
  nn::Conv2d around = add("around", nn::Conv2d(3, 4, 1, {.bias = false}));
  nn::BatchNorm2d norm3 = add("norm3", nn::BatchNorm2d(4));
  nn::BatchNorm2d dense = add("dense", nn::BatchNorm2d(8));
  nn::Linear fc = add("fc", nn::Linear(8, 10, {.bias = false}));
  nn::BatchNorm1d last = add("last", nn::BatchNorm1d(10));
  Tensor forward(const Tensor& x) override {
    const Tensor y = relu(norm1(conv1(x)));
    const Tensor z = relu(norm2(conv2(y)) + norm3(around(x)));
    return last(fc(relu(dense(cat({y, z}, 1))).mean({2, 3})));
  }
};

TEST(TrainStep, OfPartsIsTheWholeBatchs) {
  Branches net;
  net.to(DType::kFloat64);
  for (int64_t part : {4, 5, 12, 100})
    for (int stride : {1, 2, 6}) {
      SCOPED_TRACE(fmt::format("{} {}", part, stride));
      expect_exact(net, batch_of({12, 3, 5, 5}, DType::kFloat64),
                   {.micro_batch = part, .stride = stride}, kTolerance);
    }
}

TEST(TrainStep, AccumulatingGradientsIsNotTheSame) {
  Branches net, other = nn::clone(net);
  const data::Batch batch = batch_of({12, 3, 5, 5}, DType::kFloat32);
  train_step(net, batch, {.micro_batch = 4});
  for (int64_t i = 0; i < 12; i += 4)
    (cross_entropy(other(narrow(batch.x, 0, i, 4)), narrow(batch.y, 0, i, 4)) * (1.0 / 3))
        .backward();
  EXPECT_GT(difference(other.conv1.weight.grad(), net.conv1.weight.grad()), 0.05);
}

TEST(TrainStep, OfResNetIsTheWholeBatchs) {
  auto net = models::make("resnet20", {3, 8, 8});
  net->to(DType::kFloat64);
  const data::Batch batch = batch_of({8, 3, 8, 8}, DType::kFloat64);
  StateDict start;
  for (const auto& [name, t] : net->state_dict()) start.emplace_back(name, ballast::clone(t));
  cross_entropy((*net)(batch.x), batch.y).backward();
  std::vector<Tensor> want;
  for (const Tensor& p : net->parameters()) want.push_back(p.grad());
  for (const Tensor& b : net->buffers()) want.push_back(ballast::clone(b).eval());
  net->zero_grad();
  net->load_state_dict(start);
  train_step(*net, batch, {.micro_batch = 3});
  std::vector<Tensor> got;
  for (const Tensor& p : net->parameters()) got.push_back(p.grad());
  for (const Tensor& b : net->buffers()) got.push_back(b);
  for (size_t i = 0; i < want.size(); ++i) EXPECT_LT(difference(got[i], want[i]), 1e-9) << i;
}

TEST(TrainStep, TakesSumsAndOtherLosses) {
  Branches net;
  net.to(DType::kFloat64);
  // Not of squares: normalization fixes their sum.
  const auto sum_of_cubes = [](const Tensor& output, const Tensor&) {
    return sum(square(output) * output);
  };
  expect_exact(net, batch_of({10, 3, 4, 4}, DType::kFloat64),
               {.micro_batch = 3, .loss = sum_of_cubes, .mean = false}, kTolerance);
}

TEST(TrainStep, RenormalizesByTheWholeBatch) {
  Branches net;
  convert_norm(net, NormKind::kRenorm, {.limits = {1.5, 0.5, -1, 0, 0}});
  net.to(DType::kFloat64);
  expect_exact(net, batch_of({10, 3, 4, 4}, DType::kFloat64), {.micro_batch = 4}, kTolerance);
}

TEST(TrainStep, WorksWithoutBatchNormToo) {
  Branches net;
  convert_norm(net, NormKind::kLayer);
  net.to(DType::kFloat64);
  expect_exact(net, batch_of({10, 3, 4, 4}, DType::kFloat64), {.micro_batch = 4}, kTolerance);
  Branches frozen;
  frozen.to(DType::kFloat64);
  frozen.norm2.eval();  // one by its running statistics
  expect_exact(frozen, batch_of({10, 3, 4, 4}, DType::kFloat64), {.micro_batch = 4}, kTolerance);
}

TEST(TrainStep, AddsToGradientsThatAreThere) {
  nn::Sequential net(nn::Linear(3, 10), nn::BatchNorm1d(10));
  net.to(DType::kFloat64);
  const data::Batch batch = batch_of({6, 3}, DType::kFloat64);
  train_step(net, batch, {.micro_batch = 2});
  const auto once = net[0].as<nn::Linear>()->weight.grad().values<double>();
  train_step(net, batch, {.micro_batch = 2});
  const auto twice = net[0].as<nn::Linear>()->weight.grad().values<double>();
  for (size_t i = 0; i < once.size(); ++i) EXPECT_NEAR(twice[i], 2 * once[i], 1e-14);
}

// Masks are drawn part after part: of one layer of dropout, in the order in which the whole batch
// draws them.
TEST(TrainStep, ComputesAgainWithTheSameRandomNumbers) {
  nn::Sequential net(nn::Linear(3, 16, {.bias = false}), nn::Dropout(0.5), nn::BatchNorm1d(16),
                     nn::ReLU(), nn::Linear(16, 16, {.bias = false}), nn::BatchNorm1d(16),
                     nn::Linear(16, 10));
  net.to(DType::kFloat64);
  const data::Batch batch = batch_of({6, 3}, DType::kFloat64);
  nn::Sequential whole = nn::clone(net);
  manual_seed(3);
  cross_entropy(whole(batch.x), batch.y).backward();
  manual_seed(3);
  train_step(net, batch, {.micro_batch = 2, .stride = 1});
  const auto want = whole.parameters(), got = net.parameters();
  for (size_t i = 0; i < want.size(); ++i)
    EXPECT_LT(difference(got[i].grad(), want[i].grad()), kTolerance) << i;
}

TEST(TrainStep, RefusesVirtualBatches) {
  nn::Sequential net(nn::Linear(3, 10), nn::GhostBatchNorm1d(10, 2));
  EXPECT_THROW(train_step(net, batch_of({6, 3}, DType::kFloat32), {.micro_batch = 3}),
               NotImplementedError);
}

struct Looking : nn::Module {
  nn::BatchNorm1d norm = add("norm", nn::BatchNorm1d(3));
  nn::Linear fc = add("fc", nn::Linear(3, 10));
  Tensor forward(const Tensor& x) override {
    const Tensor y = norm(x);
    return mean(y).item() > 0 ? fc(y) : fc(y) * 2.0;
  }
};

TEST(TrainStep, RefusesNetworksThatLookAtValues) {
  Looking net;
  const data::Batch batch = batch_of({6, 3}, DType::kFloat32);
  try {
    train_step(net, batch, {.micro_batch = 3});
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("looks at a value"), std::string::npos) << e.what();
  }
  // Nothing is left behind: the network trains on.
  EXPECT_FALSE(net.fc.weight.grad().defined());
  EXPECT_EQ(net.norm.num_batches_tracked.item<int64_t>(), 0);
  cross_entropy(net(batch.x), batch.y).backward();
  EXPECT_EQ(net.norm.num_batches_tracked.item<int64_t>(), 1);
}

TEST(TrainStep, LeavesEverythingAsItWasWhereALabelIsWrong) {
  nn::Sequential net(nn::Linear(3, 10), nn::BatchNorm1d(10));
  data::Batch batch = batch_of({6, 3}, DType::kFloat32);
  batch.y = Tensor::from<int64_t>({0, 1, 2, 3, 4, 99});
  EXPECT_THROW(train_step(net, batch, {.micro_batch = 3}), Error);
  EXPECT_FALSE(net[0].as<nn::Linear>()->weight.grad().defined());
  EXPECT_EQ(net[1].as<nn::BatchNorm1d>()->num_batches_tracked.item<int64_t>(), 0);
}

TEST(TrainStep, RefusesWhatDoesNotFit) {
  nn::Sequential net(nn::Linear(3, 10), nn::BatchNorm1d(10));
  data::Batch batch = batch_of({6, 3}, DType::kFloat32);
  EXPECT_THROW(train_step(net, batch, {.micro_batch = 0}), ValueError);
  EXPECT_THROW(train_step(net, batch, {.stride = 0}), ValueError);
  EXPECT_THROW(train_step(net, {batch.x, narrow(batch.y, 0, 0, 3)}, {}), ValueError);
  EXPECT_THROW(train_step(net, {narrow(batch.x, 0, 0, 0), narrow(batch.y, 0, 0, 0)}, {}),
               ValueError);
  // Parts of one sample are fine, a batch of one is not.
  EXPECT_GT(train_step(net, batch, {.micro_batch = 1}), 0);
  EXPECT_THROW(train_step(net, {narrow(batch.x, 0, 0, 1), narrow(batch.y, 0, 0, 1)}, {}),
               ValueError);
  EXPECT_THROW(ExactBatch().run(), ValueError);
}

}  // namespace
}  // namespace ballast::study
