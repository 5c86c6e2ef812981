// Gradients of concatenations that share parts.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "ballast/base/random.h"
#include "ballast/grad/grad.h"
#include "ballast/graph/eval.h"
#include "ballast/models/densenet.h"
#include "ballast/ops/activation.h"
#include "ballast/ops/batch_norm.h"
#include "ballast/ops/conv.h"
#include "ballast/ops/create.h"
#include "ballast/ops/loss.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/plan/plan.h"
#include "ballast/sweep/explain.h"
#include "tests/support/gradcheck.h"

namespace ballast {
namespace {

using test::fast_error;
using test::uniform;

constexpr int kLayers = 5;

/// x (N, 4, H, W), then weight and bias of a normalization and the weights of a convolution (3
/// channels more) for each layer: all gradients, of the whole block's or the last layer's squares.
std::vector<Tensor> dense_block(const std::vector<Tensor>& in, bool newest_first,
                                bool whole = true) {
  std::vector<Tensor> parts{in[0]};
  Tensor last;
  for (int i = 0; i < kLayers; ++i) {
    const Tensor *of = &in[1 + 3 * i], x = parts.size() > 1 ? cat(parts, 1) : parts[0];
    last = conv2d(relu(batch_norm(x, nullptr, of[0], of[1], true)), of[2]);
    parts.insert(newest_first ? parts.begin() : parts.end(), last);
  }
  return grad(sum(square(whole ? cat(parts, 1) : last)), in);
}

std::vector<Tensor> operands(const Shape& x) {
  uint64_t seed = 7;
  std::vector<Tensor> in{uniform(x, seed)};
  for (int64_t i = 0, channels = x[1]; i < kLayers; ++i, channels += 3) {
    in.push_back(uniform({channels}, ++seed));
    in.push_back(uniform({channels}, ++seed));
    in.push_back(uniform({3, channels, 1, 1}, ++seed));
  }
  return in;
}

TEST(Accumulate, DenseBlocksAgreeWithTheReference) {
  for (bool newest_first : {false, true})
    for (bool whole : {false, true})
      for (const Shape& x : {Shape{2, 4, 5, 3}, Shape{3, 17, 16, 16}, Shape{5, 1, 1, 1}})
        EXPECT_LT(fast_error([&](const auto& in) { return dense_block(in, newest_first, whole); },
                             operands(x)),
                  1e-3)
            << x.str();
}

// What other gradients read is kept, then, and fewer gradients are added up: of those that were
// made in the place of one longer, one was overwritten by another.
TEST(Accumulate, GradientsMayBeReadOneByOne) {
  auto gradients = [] {
    manual_seed(1);
    models::DenseNet net(
        {.growth_rate = 4, .block_config = {16}, .num_init_features = 8, .small_images = true},
        {.classes = 10});
    const Tensor x = randn({2, 3, 8, 8}), y = randint(0, 10, {2});
    cross_entropy(net(x), y).backward();
    std::map<std::string, Tensor> out;
    for (const auto& [name, p] : net.named_parameters()) out[name] = p.grad();
    return out;
  };
  const auto at_once = gradients(), alone = gradients();
  std::vector<Tensor> all;
  for (const auto& [name, g] : at_once) all.push_back(g);
  eval(std::span<const Tensor>(all));
  for (const auto& [name, g] : alone) {
    const auto want = at_once.at(name).values<float>(), got = g.values<float>();
    for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-4) << name;
  }
}

TEST(Accumulate, NoPassOverMemoryAddsGradients) {
  for (bool newest_first : {false, true}) {
    auto in = operands({2, 4, 8, 8});
    for (Tensor& t : in) {
      t = cast(t, DType::kFloat32).detach();
      t.set_requires_grad();
    }
    const Recorder recorder;
    auto gradients = dense_block(in, newest_first);
    eval(std::span<const Tensor>(gradients));
    const auto plans = recorder.plans();
    ASSERT_EQ(plans.size(), 1U);
    int made = 0, added = 0;
    for (const SweepReport& s : plans[0].sweeps) {
      if (s.name == "add") ++made;
      const auto end = std::find_if(s.fused.begin(), s.fused.end(),
                                    [](const std::string& f) { return f.starts_with("<"); });
      if (s.name.starts_with("conv2d_input_grad") && std::find(s.fused.begin(), end, "add") != end)
        ++added;
    }
    EXPECT_LE(made, 1);  // that of the input, which is asked for
    EXPECT_EQ(added, kLayers - 1);
  }
}

/// Memory for temporary values of the gradients of a dense block.
int64_t temporary_bytes(const std::vector<Tensor>& in, bool newest_first) {
  const Recorder recorder;
  auto gradients = dense_block(in, newest_first, false);
  eval(std::span<const Tensor>(gradients));
  return recorder.plans().at(0).temporary;
}

TEST(Accumulate, SumsAreMadeInPlace) {
  auto in = operands({2, 40, 16, 16});
  for (Tensor& t : in) {
    t = cast(t, DType::kFloat32).detach();
    t.set_requires_grad();
  }
  // The other way around, a shorter gradient is not the first part of a longer one.
  EXPECT_LT(temporary_bytes(in, false), temporary_bytes(in, true));
}

/// Branches of 32 channels that are gated and reduced to 4 each, joined in some order, normalized;
/// each has a loss of its own, too.
std::vector<Tensor> gated(const std::vector<Tensor>& in, const std::vector<size_t>& order) {
  constexpr size_t kBranches = 3;
  std::vector<Tensor> branches, parts;
  for (size_t i = 0; i < kBranches; ++i) {
    const Tensor h = relu(conv2d(in[0], in[2 + i], {}, {.padding = {1, 1}}));
    branches.push_back(conv2d(h, in[5 + i]) * sigmoid(conv2d(h, in[8 + i])));
  }
  for (size_t i : order) parts.push_back(branches[i]);
  const Tensor joined = relu(batch_norm(cat(parts, 1), nullptr, {}, {}, true));
  Tensor loss = sum(square(conv2d(joined, in[1])));
  for (const Tensor& b : branches) loss = loss + sum(square(b));
  return grad(loss, {in.begin() + 1, in.end()});
}

TEST(Accumulate, JoinedPartsThatAreReadElsewhereAgreeWithTheReference) {
  uint64_t seed = 90;
  std::vector<Tensor> in{uniform({2, 4, 6, 6}, ++seed), uniform({2, 12, 1, 1}, ++seed)};
  for (int i = 0; i < 3; ++i) in.push_back(uniform({32, 4, 3, 3}, ++seed));
  for (int i = 0; i < 6; ++i) in.push_back(uniform({4, 32, 1, 1}, ++seed));
  std::vector<size_t> order{0, 1, 2};
  do {
    EXPECT_LT(fast_error([&](const auto& of) { return gated(of, order); }, in), 1e-4);
  } while (std::next_permutation(order.begin(), order.end()));
}

}  // namespace
}  // namespace ballast
