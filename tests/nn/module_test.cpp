#include "ballast/nn/module.h"

#include <gtest/gtest.h>

#include "ballast/ops/create.h"
#include "tests/support/files.h"
#include "tests/support/nets.h"

namespace ballast::test {
namespace {

using testing::error_of;

std::vector<float> flat(const Tensor& t) { return t.to(DType::kFloat32).values<float>(); }

void expect_equal(const nn::Module& a, const nn::Module& b) {
  const StateDict x = a.state_dict(), y = b.state_dict();
  ASSERT_EQ(x.size(), y.size());
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(x[i].first, y[i].first);
    EXPECT_EQ(flat(x[i].second), flat(y[i].second)) << x[i].first;
  }
}

/// A forward pass in training mode and a gradient, so that nothing is as it was made.
template <class M>
void disturb(M& m, const Tensor& x) {
  for (auto& [name, p] : m.named_parameters())
    if (p.dim() == 1) nn::init::uniform_(p, 0.5, 1.5);
  Tensor y = m(x);
  if (y.requires_grad()) y.sum().backward();
  for (const auto& [name, t] : m.state_dict()) t.eval();
}

/// The clone computes the same, shares nothing, and its state can be saved into a fresh module.
template <class M>
void expect_clones_and_reloads(M made, M fresh, const Tensor& x) {
  disturb(made, x);
  M copy = nn::clone(made);
  expect_equal(made, copy);
  EXPECT_EQ(made.training(), copy.training());
  const StateDict before = nn::clone(made).state_dict();
  disturb(copy, x + 1.0);
  const StateDict after = made.state_dict();
  for (size_t i = 0; i < after.size(); ++i) {
    EXPECT_EQ(flat(before[i].second), flat(after[i].second)) << "clone shares " << after[i].first;
    EXPECT_FALSE(copy.state_dict()[i].second.is(after[i].second));
  }
  EXPECT_TRUE(fresh.load_state_dict(made.state_dict()).missing.empty());
  expect_equal(made, fresh);
  made.eval();
  fresh.eval();
  EXPECT_EQ(flat(made(x)), flat(fresh(x)));
  const M alias = made;
  EXPECT_FALSE(alias.training());
}

TEST(Clone, EveryLayerClonesSavesAndLoads) {
  const Tensor flat_input = randn({6, 4}), image = randn({3, 4, 6, 6});
  expect_clones_and_reloads(nn::Linear(4, 3), nn::Linear(4, 3), flat_input);
  expect_clones_and_reloads(nn::Linear(4, 3, {.bias = false}), nn::Linear(4, 3, {.bias = false}),
                            flat_input);
  expect_clones_and_reloads(nn::Conv2d(4, 2, 3), nn::Conv2d(4, 2, 3), image);
  expect_clones_and_reloads(nn::BatchNorm1d(4), nn::BatchNorm1d(4), flat_input);
  expect_clones_and_reloads(nn::BatchNorm2d(4), nn::BatchNorm2d(4), image);
  expect_clones_and_reloads(nn::BatchNorm2d(4, {.affine = false}),
                            nn::BatchNorm2d(4, {.affine = false}), image);
  expect_clones_and_reloads(nn::BatchNorm3d(4), nn::BatchNorm3d(4), randn({2, 4, 2, 3, 2}));
  expect_clones_and_reloads(nn::Dropout(0.3), nn::Dropout(0.3), flat_input);
  expect_clones_and_reloads(nn::MaxPool2d(2), nn::MaxPool2d(2), image);
  expect_clones_and_reloads(nn::AvgPool2d(2), nn::AvgPool2d(2), image);
  expect_clones_and_reloads(nn::AdaptiveAvgPool2d({2, 1}), nn::AdaptiveAvgPool2d({2, 1}), image);
  expect_clones_and_reloads(nn::Flatten(), nn::Flatten(), image);
  expect_clones_and_reloads(nn::GELU(), nn::GELU(), image);
  expect_clones_and_reloads(nn::Softmax(1), nn::Softmax(1), image);
  auto nested = [] {
    return nn::Sequential(nn::Linear(4, 5), nn::Sequential()
                                                .push_back("norm", nn::BatchNorm1d(5))
                                                .push_back("act", nn::LeakyReLU(0.2)));
  };
  expect_clones_and_reloads(nested(), nested(), flat_input);
}

TEST(Clone, WholeNetworksCloneSaveAndLoad) {
  expect_clones_and_reloads(Net(), Net(), randn({8, 10}));
  expect_clones_and_reloads(CustomModel(), CustomModel(), randn({8, 64}));
  expect_clones_and_reloads(MyModel(), MyModel(), randn({2, 3, 5, 5}));
}

TEST(Clone, MembersAndChildrenOfACloneAreTheSameModules) {
  const Net net;
  Net copy = nn::clone(net);
  EXPECT_TRUE(copy.state_dict()[0].second.is(copy.fc1.weight));
  EXPECT_FALSE(copy.fc1.weight.is(net.fc1.weight));
  EXPECT_TRUE(copy.fc1.weight.requires_grad());
  copy.bn1.eval();
  EXPECT_FALSE(copy.named_children()[1].second->training());
  EXPECT_TRUE(net.bn1.training());
}

TEST(Module, CopiesAreAliases) {
  Net net, alias = net;
  nn::init::constant_(alias.fc1.bias, 3);
  EXPECT_EQ(net.fc1.bias.values<float>(), std::vector<float>(20, 3));
  alias.eval();
  EXPECT_FALSE(net.bn1.training());
}

TEST(Module, ListsParametersAndBuffersInPyTorchsOrder) {
  Net net;
  std::string names;
  for (const auto& [name, p] : net.named_parameters()) names += name + " ";
  EXPECT_EQ(names, "fc1.weight fc1.bias bn1.weight bn1.bias fc2.weight fc2.bias ");
  names.clear();
  for (const auto& [name, b] : net.named_buffers()) names += name + " ";
  EXPECT_EQ(names, "bn1.running_mean bn1.running_var bn1.num_batches_tracked ");
  names.clear();
  for (const auto& [name, m] : net.named_modules()) names += name + ":" + m->type_name() + " ";
  EXPECT_EQ(names, ":Net fc1:Linear bn1:BatchNorm1d fc2:Linear ");
  EXPECT_EQ(net.num_parameters(), 10 * 20 + 20 + 40 + 200 + 10);
}

TEST(Module, AModuleUsedTwiceIsListedOnceButSavedTwice) {
  const nn::Linear shared(3, 3);
  const nn::Sequential net(shared, nn::ReLU(), shared);
  EXPECT_EQ(net.parameters().size(), 2u);
  EXPECT_EQ(net.state_dict().size(), 4u);
  const nn::Sequential copy = nn::clone(net);
  EXPECT_EQ(copy.parameters().size(), 2u);
}

TEST(Module, LoadingNamesEveryKeyThatDoesNotFitAndChangesNothing) {
  Net net;
  const Net untouched = nn::clone(net);
  StateDict state = nn::clone(Net()).state_dict();
  state.erase(state.begin(), state.begin() + 2);
  state.emplace_back("q", zeros({1}));
  state.emplace_back("z", zeros({2}));
  for (auto& [name, t] : state)
    if (name == "fc2.bias") t = zeros({3});
  EXPECT_EQ(error_of<Error>([&] { net.load_state_dict(state); }),
            "Error(s) in loading state_dict for Net:\n\tMissing key(s) in state_dict: "
            "\"fc1.weight\", \"fc1.bias\". \n\tUnexpected key(s) in state_dict: \"q\", \"z\". "
            "\n\tsize mismatch for fc2.bias: copying a param with shape torch.Size([3]) from "
            "checkpoint, the shape in current model is torch.Size([10]).");
  EXPECT_THROW(net.load_state_dict(state, false), Error);
  expect_equal(net, untouched);
}

TEST(Module, LoadingWithoutStrictReturnsWhatDidNotMatch) {
  Net net;
  const auto keys =
      net.load_state_dict({{"fc1.bias", full({20}, 2.0)}, {"other", zeros({1})}}, false);
  EXPECT_EQ(keys.missing.size(), 8u);
  EXPECT_EQ(keys.missing[0], "fc1.weight");
  EXPECT_EQ(keys.unexpected, std::vector<std::string>{"other"});
  EXPECT_EQ(net.fc1.bias.values<float>(), std::vector<float>(20, 2));
  EXPECT_TRUE(net.fc1.bias.requires_grad() && net.fc1.bias.is_leaf());
}

TEST(Module, LoadedParametersStillGetGradients) {
  Net net;
  net.load_state_dict(Net().state_dict());
  net(randn({4, 10})).sum().backward();
  for (const auto& [name, p] : net.named_parameters()) {
    ASSERT_TRUE(p.grad().defined()) << name;
    EXPECT_EQ(p.grad().shape(), p.shape());
  }
  net.zero_grad();
  EXPECT_FALSE(net.fc1.weight.grad().defined());
}

TEST(Module, ConvertsParametersInPlace) {
  Net net;
  net.to(DType::kFloat64);
  EXPECT_EQ(net.fc1.weight.dtype(), DType::kFloat64);
  EXPECT_EQ(net.bn1.running_var.dtype(), DType::kFloat64);
  EXPECT_EQ(net.bn1.num_batches_tracked.dtype(), DType::kInt64);
  net(randn({4, 10}, DType::kFloat64)).sum().backward();
  EXPECT_EQ(net.fc1.weight.grad().dtype(), DType::kFloat64);
  EXPECT_THROW(net.to(DType::kInt64), TypeError);
}

TEST(Module, WhatAHandleHoldsCanBeReplaced) {
  Net net;
  net.bn1.replace(nn::Identity());
  EXPECT_EQ(net.parameters().size(), 4u);
  EXPECT_EQ(net.bn1.str(), "Identity()");
  const Tensor x = randn({1, 10});  // batch norm would refuse a batch of one
  EXPECT_EQ(net(x).shape(), Shape({1, 10}));
  EXPECT_NE(net.bn1.as<nn::Identity>(), nullptr);
  EXPECT_EQ(nn::clone(net).parameters().size(), 4u);
  EXPECT_THROW(net.fc1.replace(net.fc1), ValueError);
}

TEST(Module, AppliesToChildrenBeforeParents) {
  std::string order;
  Net net;
  net.apply([&](nn::Module& m) { order += m.type_name() + " "; });
  EXPECT_EQ(order, "Linear BatchNorm1d Linear Net ");
}

TEST(Module, RefusesBadNames) {
  struct Bad : nn::Module {
    void again(const std::string& name) { add(name, nn::ReLU()); }
  } m;
  m.again("relu");
  EXPECT_EQ(error_of<KeyError>([&] { m.again("relu"); }), "attribute 'relu' already exists");
  EXPECT_EQ(error_of<KeyError>([&] { m.again("a.b"); }),
            "module name can't contain \".\", got: a.b");
  EXPECT_EQ(error_of<KeyError>([&] { m.again(""); }), "module name can't be empty string \"\"");
  EXPECT_EQ(error_of<NotImplementedError>([&] { m(zeros({1})); }),
            "Module [Bad] is missing the required \"forward\" function");
}

TEST(Layers, RefuseWhatPyTorchRefuses) {
  EXPECT_EQ(error_of<ValueError>([] {
              nn::BatchNorm1d(3)(zeros({2, 3, 4, 4}));
            }),
            "expected 2D or 3D input (got 4D input)");
  EXPECT_EQ(error_of<ValueError>([] {
              nn::BatchNorm2d(3)(zeros({2, 3, 4}));
            }),
            "expected 4D input (got 3D input)");
  EXPECT_EQ(error_of<ValueError>([] {
              nn::BatchNorm3d(3)(zeros({2, 3, 4, 4}));
            }),
            "expected 5D input (got 4D input)");
  EXPECT_EQ(error_of<ValueError>([] {
              nn::BatchNorm1d(20)(zeros({1, 20}));
            }),
            "Expected more than 1 value per channel when training, got input size [1, 20]");
  EXPECT_EQ(error_of<ValueError>([] { nn::Dropout(2.0); }),
            "dropout probability has to be between 0 and 1, but got 2.0");
  EXPECT_EQ(error_of<ValueError>([] { nn::Conv2d(3, 4, 3, {.groups = 2}); }),
            "in_channels must be divisible by groups");
  const nn::Sequential one{nn::ReLU()};
  EXPECT_THROW(one[1], IndexError);
}

TEST(Losses, AsModulesEqualTheFunctions) {
  const Tensor x = randn({4, 3}), y = randn({4, 3}), p = rand({4, 3});
  const Tensor labels = randint(0, 3, {4});
  EXPECT_EQ(nn::CrossEntropyLoss({.label_smoothing = 0.1})(x, labels).item(),
            cross_entropy(x, labels, {.label_smoothing = 0.1}).item());
  EXPECT_EQ(nn::NLLLoss()(x, labels).item(), nll_loss(x, labels).item());
  EXPECT_EQ(nn::MSELoss(Reduction::kSum)(x, y).item(), mse_loss(x, y, Reduction::kSum).item());
  EXPECT_EQ(nn::L1Loss()(x, y).item(), l1_loss(x, y).item());
  EXPECT_EQ(nn::BCEWithLogitsLoss()(x, p).item(), binary_cross_entropy_with_logits(x, p).item());
}

TEST(BatchNormLayer, TracksStatisticsOnceEvenWhenTheLossIsLookedAtTwice) {
  Net net;
  const Tensor y = net(randn({4, 10}));
  y.sum().item();
  y.sum().item();
  EXPECT_EQ(net.bn1.num_batches_tracked.item<int64_t>(), 1);
  net.bn1.reset_running_stats();
  EXPECT_EQ(net.bn1.num_batches_tracked.item<int64_t>(), 0);
  EXPECT_EQ(net.bn1.running_var.values<float>(), std::vector<float>(20, 1));
}

TEST(BatchNormLayer, WithoutStatisticsEvaluationUsesTheBatch) {
  nn::BatchNorm1d bn(3, {.track_running_stats = false});
  const Tensor x = randn({5, 3});
  const auto trained = bn(x).values<float>();
  bn.eval();
  EXPECT_EQ(bn(x).values<float>(), trained);
  EXPECT_EQ(bn.buffers().size(), 0u);
}

}  // namespace
}  // namespace ballast::test
