// Random networks, planned with all passes, without each, and with none, against the reference
// kernels.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "ballast/base/threads.h"
#include "ballast/grad/grad.h"
#include "ballast/ops/activation.h"
#include "ballast/ops/batch_norm.h"
#include "ballast/ops/conv.h"
#include "ballast/ops/create.h"
#include "ballast/ops/matmul.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/pool.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/plan/plan.h"
#include "ballast/sweep/eval.h"
#include "tests/support/options.h"

namespace ballast {
namespace {

using test::bare;
using test::norm_of;
using test::WithOptions;
using test::without;

/// A random network of convolutions, normalizations, activations, branches, concatenations, pools
/// and gates, as users write them: whatever a tensor is followed by, every tensor is used.
class RandomNetwork {
 public:
  explicit RandomNetwork(uint32_t seed) : random_(seed) {}

  /// Values of the loss, of every parameter's gradient and of the statistics.
  std::vector<std::vector<float>> step() {
    manual_seed(random_());
    // Large ones, now and then, for more than one block and piece.
    const int64_t n = pick(1, 3), size = pick(0, 9) ? pick(3, 9) : pick(20, 40);
    const Shape images{n, pick(1, 5), size, size};
    add(pick(0, 1) ? parameter(images) : randn(images));
    for (int64_t i = 0, layers = pick(4, 14); i < layers; ++i) layer();
    Tensor loss;
    for (size_t i = 0; i < tensors_.size(); ++i) {
      if (used_[i]) continue;
      const Tensor part =
          mean(square(pick(0, 2) ? adaptive_avg_pool2d(tensors_[i], {1, 1}) : head(tensors_[i])));
      loss = loss.defined() ? loss + part : part;
    }
    if (parameters_.empty()) loss = loss * trained(randn({}));
    loss.backward();
    std::vector<Tensor> results{loss};
    for (const Tensor& p : parameters_)
      if (p.grad().defined()) results.push_back(p.grad());
    for (const Tensor& s : statistics_) results.push_back(s);
    // Together, or each when it is looked at: what is kept in between differs.
    if (pick(0, 4)) eval(std::span<const Tensor>(results));
    if (pick(0, 1)) std::reverse(results.begin(), results.end());
    std::vector<std::vector<float>> values;
    for (const Tensor& t : results) values.push_back(t.values<float>());
    return values;
  }

 private:
  int64_t pick(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_() % static_cast<uint32_t>(high - low + 1));
  }

  Tensor trained(Tensor t) {
    t.set_requires_grad();
    parameters_.push_back(t);
    return t;
  }
  /// Now and then one that is not trained.
  Tensor parameter(const Shape& shape) {
    const Tensor t = randn(shape);
    return pick(0, 5) ? trained(t) : t;
  }

  void add(const Tensor& t) {
    tensors_.push_back(t);
    used_.push_back(false);
  }

  /// A recent tensor, mostly the last.
  size_t recent() {
    const size_t last = tensors_.size() - 1;
    return pick(0, 3) > 0 ? last : last - static_cast<size_t>(pick(0, std::min<int64_t>(last, 4)));
  }

  /// Another tensor for which `fits` holds, or `at` itself.
  template <class F>
  size_t partner(size_t at, const F& fits) {
    for (size_t i = tensors_.size(); i-- > 0;)
      if (i != at && fits(tensors_[i].shape(), tensors_[at].shape())) return i;
    return at;
  }

  Tensor use(size_t i) {
    used_[i] = true;
    return tensors_[i];
  }

  Tensor conv(const Tensor& x, int64_t kernel, int64_t stride, int64_t groups, int64_t out,
              int64_t dilation = 1) {
    const Tensor w = parameter({out, x.size(1) / groups, kernel, kernel});
    const Tensor bias = pick(0, 2) == 0 ? parameter({out}) : Tensor();
    const int64_t padding = kernel / 2 * dilation;
    return conv2d(x, w * 0.5, bias,
                  {.stride = {stride, stride},
                   .padding = {padding, padding},
                   .dilation = {dilation, dilation},
                   .groups = groups});
  }

  /// What networks have less often.
  Tensor rare_conv(const Tensor& x) {
    switch (pick(0, 2)) {
      case 0:
        return conv(x, 3, 1, 1, pick(1, 20), 2);
      case 1:
        return conv(x, pick(0, 1) ? 5 : 7, pick(1, 2), 1, pick(1, 9));
      default: {
        const int64_t groups = x.size(1) % 3 ? x.size(1) % 2 ? 1 : 2 : 3;
        return conv(x, pick(0, 1) ? 3 : 1, 1, groups, groups * pick(1, 6));
      }
    }
  }

  /// Pixels' means, or all of them, through a Linear layer.
  Tensor head(const Tensor& x) {
    const Tensor rows = flatten(pick(0, 1) ? adaptive_avg_pool2d(x, {1, 1}) : x, 1);
    const int64_t out = pick(1, 12);
    return linear(rows, parameter({out, rows.size(1)}) * 0.1, parameter({out}));
  }

  Tensor norm(const Tensor& x) {
    const int64_t c = x.size(1);
    const BatchNormState state{zeros({c}), ones({c}), {}};
    statistics_.push_back(state.mean);
    statistics_.push_back(state.var);
    const bool training = x.numel() > 2 * c && pick(0, 5) > 0;
    return batch_norm(x, &state, parameter({c}), parameter({c}), training, 0.1, 1e-2);
  }

  Tensor slice_of(const Tensor& x) {
    const int64_t start = pick(0, x.size(1) - 1);
    return slice(x, 1, start, pick(start + 1, x.size(1)));
  }

  /// Some channels are added, others joined (Chen et al. 2017, "Dual path networks").
  Tensor both_paths(const Tensor& x) {
    const int64_t c = x.size(1), d = pick(1, c - 1);
    const Tensor y = norm(conv(relu(norm(conv(x, 1, 1, 1, c))), 3, 1, 1, c + 2));
    return relu(
        cat({slice(x, 1, 0, d) + slice(y, 1, 0, d), slice(x, 1, d, c), slice(y, 1, d, c + 2)}, 1));
  }

  /// Layers that read what all before them made (Huang et al. 2017, "Densely connected
  /// convolutional networks"), joined from the first, from the last, pair by pair, or in any order,
  /// one of them perhaps twice, or without its gradient; with other readers besides.
  Tensor dense_block(const Tensor& x) {
    std::vector<Tensor> parts{x};
    const int64_t order = pick(0, 3), layers = pick(2, 4);
    Tensor joined = x;
    for (int64_t i = 0; i < layers; ++i) {
      Tensor y = pick(0, 3) ? relu(norm(joined)) : pick(0, 1) ? norm(joined) : joined;
      if (pick(0, 1)) y = relu(norm(conv(y, 1, 1, 1, pick(1, 20))));
      const Tensor made = conv(y, pick(0, 1) ? 3 : 1, 1, 1, pick(1, 9));
      const Tensor part = pick(0, 9) ? made : made.detach();
      parts.insert(order == 1 ? parts.begin() : parts.end(), part);
      std::vector<Tensor> all = parts;
      if (order == 3) std::shuffle(all.begin(), all.end(), random_);
      if (pick(0, 7) == 0) all.push_back(all[static_cast<size_t>(pick(0, i))]);
      joined = order == 2 ? cat({joined, part}, 1) : cat(all, 1);
      if (pick(0, 3) == 0) add(made);
      if (pick(0, 5) == 0) add(pick(0, 1) ? relu(norm(joined)) : norm(joined.detach()));
    }
    return joined;
  }

  /// Branches side by side, gated or not, joined in any order (Szegedy et al. 2015, "Going deeper
  /// with convolutions"), some of them read elsewhere, too.
  Tensor branches(const Tensor& x) {
    std::vector<Tensor> parts;
    for (int64_t i = 0, count = pick(2, 3); i < count; ++i) {
      const int64_t c = pick(1, 6);
      const Tensor h = pick(0, 1) ? relu(conv(x, pick(0, 1) ? 3 : 1, 1, 1, pick(4, 20))) : x;
      const Tensor y = conv(h, 1, 1, 1, c);
      parts.push_back(pick(0, 1) ? y * sigmoid(conv(h, 1, 1, 1, c)) : y);
      if (pick(0, 1)) add(parts.back());
    }
    std::shuffle(parts.begin(), parts.end(), random_);
    return conv(relu(norm(cat(parts, 1))), 1, 1, 1, pick(1, 9));
  }

  /// A normalization whose result two others read: an activation, and statistics.
  Tensor twice_normalized(const Tensor& x) {
    const Tensor y = norm(x);
    return relu(y) + norm(pick(0, 1) ? y.detach() : y);
  }

  void layer() {
    const size_t at = recent();
    const Tensor x = use(at);
    const int64_t channels = x.size(1);
    switch (pick(0, 17)) {
      case 0:
        return add(conv(x, 3, 1, 1, pick(1, 20)));
      case 1:
        return add(conv(x, 1, 1, 1, pick(1, 20)));
      case 2:
        return add(conv(x, 3, 2, 1, pick(1, 20)));
      case 3:
        return add(conv(x, 3, 1, channels, channels));
      case 4:
      case 5:
        return add(norm(x));
      case 6:
      case 7:
        return add(relu(norm(x)));
      case 8:
        return add(pick(0, 1) ? hardtanh(norm(x), 0, 6) : leaky_relu(x, 0.1));
      case 9: {
        const size_t other = partner(at, [](const Shape& a, const Shape& b) { return a == b; });
        return add(relu(x + use(other)));
      }
      case 10: {
        const size_t other = partner(
            at, [](const Shape& a, const Shape& b) { return a[2] == b[2] && a[3] == b[3]; });
        const Tensor joined = cat({use(other), x}, 1);
        return add(pick(0, 1) ? relu(norm(joined)) : joined);
      }
      case 11:
        if (channels < 2) return add(tanh(x));
        return add(pick(0, 1) ? both_paths(x) : slice_of(x));
      case 12:
        if (x.size(2) < 2) return add(x * 0.5);
        return add(pick(0, 1) ? max_pool2d(x, {2, 2}) : avg_pool2d(x, {2, 2}));
      case 13:
        if (std::exchange(dense_, true)) return add(x + 0.5);
        return add(dense_block(x));
      case 14:
        return add(rare_conv(x));
      case 15:
        return add(twice_normalized(x));
      case 16:
        if (std::exchange(dense_, true)) return add(leaky_relu(x, 0.2));
        return add(branches(x));
      default:  // squeeze and excitation
        return add(x * sigmoid(adaptive_avg_pool2d(x, {1, 1})));
    }
  }

  std::mt19937 random_;
  std::vector<Tensor> tensors_, parameters_, statistics_;
  std::vector<bool> used_;
  bool dense_ = false;  // no more than one block: errors grow with every normalization
};

std::vector<std::vector<float>> run(uint32_t seed, const plan::Options& options) {
  const WithOptions scope(options);
  return RandomNetwork(seed).step();
}

class RandomNetworks : public testing::TestWithParam<uint32_t> {};

TEST_P(RandomNetworks, AreTheSameWithAndWithoutEachPass) {
  const auto expected = run(GetParam(), without(&plan::Options::fast));
  double largest = 0;
  for (const auto& v : expected) largest = std::max(largest, norm_of(v));
  std::vector<std::pair<std::string, plan::Options>> all{{"all", {}}, {"none", bare()}};
  for (const plan::Pass& p : plan::kPasses)
    all.emplace_back("all but " + std::string(p.name), without(p.option));
  for (const auto& [passes, options] : all) {
    const auto values = run(GetParam(), options);
    ASSERT_EQ(values.size(), expected.size());
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(values[i].size(), expected[i].size());
      // Batch normalizations divide by deviations down to 0.1 (eps = 1e-2), a dozen in a row at the
      // most; a unit in the last place that decides on which side of zero a ReLU's input falls
      // moves one of some hundred elements. Some gradients (of what a normalization subtracts) are
      // zero but for the rounding of others.
      EXPECT_LE(norm_of(values[i], &expected[i]),
                5e-3 * norm_of(expected[i]) + 3e-6 * largest + 1e-5)
          << "result " << i << ", passes: " << passes;
    }
  }
}

TEST_P(RandomNetworks, HaveTheSameBitsWhereverTheirValuesLie) {
  const auto expected = run(GetParam(), {});
  EXPECT_EQ(run(GetParam(), without(&plan::Options::memory)), expected);
  EXPECT_EQ(run(GetParam(), without(&plan::Options::cache)), expected);
}

TEST_P(RandomNetworks, HaveTheSameBitsWithAnyNumberOfThreads) {
  const int before = num_threads();
  set_num_threads(1);
  const auto expected = run(GetParam(), {});
  for (int threads : {2, 4}) {
    set_num_threads(threads);
    EXPECT_EQ(run(GetParam(), {}), expected) << threads << " threads";
  }
  set_num_threads(before);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomNetworks, testing::Range(1U, 501U));

}  // namespace
}  // namespace ballast
