// What lies around the products, measured against copying: `copies` is the time of a case divided
// by that of copying (std::memcpy, on as many threads) the bytes that it must read and write. A
// case whose data fit a cache, or whose sums need a pass of their own, lies below or above 1.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

#include "ballast/base/random.h"
#include "ballast/base/threads.h"
#include "ballast/grad/grad.h"
#include "ballast/graph/eval.h"
#include "ballast/ops/activation.h"
#include "ballast/ops/batch_norm.h"
#include "ballast/ops/conv.h"
#include "ballast/ops/create.h"
#include "ballast/ops/loss.h"
#include "ballast/ops/pool.h"
#include "ballast/sweep/convert.h"
#include "ballast/train/optim.h"

namespace ballast {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The least seconds that copying took so that `bytes` were read or written. The copy runs on all
/// threads, over fresh halves of one block of memory.
double copy_seconds(int64_t bytes) {
  constexpr int64_t kPiece = 256 * 1024;
  const int64_t half = std::max<int64_t>(bytes / 2, 1), pieces = (half + kPiece - 1) / kPiece;
  std::vector<char> memory(2 * half, 1);
  double least = 1e9;
  for (int repeat = 0; repeat < 10; ++repeat) {
    const auto start = Clock::now();
    parallel_for(pieces, static_cast<double>(half), [&](int64_t i) {
      const int64_t at = i * kPiece;
      std::memcpy(memory.data() + at, memory.data() + half + at, std::min(kPiece, half - at));
    });
    least = std::min(least, seconds_since(start));
  }
  return least;
}

/// Runs `f`, which reads and writes `floats` numbers at the least, and compares with copies.
template <class F>
void against_copy(benchmark::State& state, double floats, const F& f) {
  f();
  double least = 1e9;
  for (auto _ : state) {
    const auto start = Clock::now();
    f();
    least = std::min(least, seconds_since(start));
  }
  const double bytes = 4 * floats;
  state.counters["GB/s"] = bytes / least / 1e9;
  state.counters["copies"] = least / copy_seconds(static_cast<int64_t>(bytes));
}

/// Random images stored channels-last, as layers leave them.
Tensor images(const Shape& shape) { return avg_pool2d(randn(shape), {1, 1}).eval().detach(); }

Tensor differentiable(const Tensor& x) { return x.detach().set_requires_grad(); }

Shape shape_of(const benchmark::State& state) {
  return {state.range(0), state.range(1), state.range(2), state.range(2)};
}

/// Batch normalization and ReLU, forward and backward. Sums over all pixels stand between two
/// passes in either direction: x is read twice and y written; then g and x are read twice and dx
/// is written. (In a network the products on both sides do most of it on the way.)
void batch_norm_relu(benchmark::State& state) {
  const Shape s = shape_of(state);
  const Tensor x = differentiable(images(s)), g = images(s);
  const Tensor weight = differentiable(ones({s[1]})), bias = differentiable(zeros({s[1]}));
  against_copy(state, 8.0 * static_cast<double>(s.numel()), [&] {
    std::vector<Tensor> made{relu(batch_norm(x, nullptr, weight, bias, true))};
    for (Tensor& t : grad(made[0], {x, weight, bias}, g)) made.push_back(std::move(t));
    eval(made);
  });
}
BENCHMARK(batch_norm_relu)
    ->Args({16, 64, 56})
    ->Args({16, 256, 56})
    ->Args({16, 512, 14})
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();

/// Convolution in groups; the last numbers are the stride, the kernel's side and a group's
/// channels.
void grouped(benchmark::State& state) {
  const Shape s = shape_of(state);
  const int64_t stride = state.range(3), kernel = state.range(4), group = state.range(5);
  const Tensor x = differentiable(images(s)),
               w = differentiable(randn({s[1], group, kernel, kernel}));
  const Conv2dOptions o{
      .stride = {stride, stride}, .padding = {kernel / 2, kernel / 2}, .groups = s[1] / group};
  const Tensor g = images(conv2d(x, w, {}, o).shape());
  // x, y; g, dx; g, x.
  against_copy(state, 3.0 * static_cast<double>(s.numel() + g.numel()), [&] {
    std::vector<Tensor> made{conv2d(x, w, {}, o)};
    for (Tensor& t : grad(made[0], {x, w}, g)) made.push_back(std::move(t));
    eval(made);
  });
}
BENCHMARK(grouped)
    ->Args({16, 32, 112, 1, 3, 1})
    ->Args({16, 96, 112, 2, 3, 1})
    ->Args({16, 144, 56, 1, 3, 1})
    ->Args({16, 384, 14, 1, 3, 1})
    ->Args({16, 960, 7, 1, 3, 1})
    ->Args({16, 144, 56, 2, 5, 1})
    ->Args({1, 144, 56, 1, 3, 1})
    ->Args({16, 128, 56, 1, 3, 4})
    ->Args({16, 256, 56, 2, 3, 8})
    ->Args({16, 256, 28, 1, 3, 8})
    ->Args({16, 512, 14, 1, 3, 16})
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();

template <class Pool>
void pool(benchmark::State& state, const Pool& f) {
  const Shape s = shape_of(state);
  const Tensor x = differentiable(images(s)), g = images(f(x).shape());
  // x, y; g, x, dx.
  against_copy(state, 3.0 * static_cast<double>(s.numel()) + 2.0 * static_cast<double>(g.numel()),
               [&] {
                 const Tensor y = f(x);
                 eval({y, grad(y, {x}, g)[0]});
               });
}
void max_pool_3x3(benchmark::State& state) {
  pool(state, [](const Tensor& x) {
    return max_pool2d(x, {3, 3}, {.stride = {{2, 2}}, .padding = {1, 1}});
  });
}
void max_pool_2x2(benchmark::State& state) {
  pool(state, [](const Tensor& x) { return max_pool2d(x, {2, 2}); });
}
void avg_pool_2x2(benchmark::State& state) {
  pool(state, [](const Tensor& x) { return avg_pool2d(x, {2, 2}); });
}
void global_average(benchmark::State& state) {
  pool(state, [](const Tensor& x) { return adaptive_avg_pool2d(x, {1, 1}); });
}
BENCHMARK(max_pool_3x3)->Args({16, 64, 112})->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK(max_pool_2x2)->Args({16, 64, 112})->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK(avg_pool_2x2)->Args({16, 128, 56})->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK(global_average)->Args({16, 512, 28})->Unit(benchmark::kMicrosecond)->UseRealTime();

/// To channels-last, which is where a network begins.
void to_channels_last(benchmark::State& state) {
  const Shape s = shape_of(state);
  const Tensor x = randn(s).eval();
  std::vector<float> out(s.numel());
  against_copy(state, 2.0 * static_cast<double>(s.numel()),
               [&] { sweep::convert_layout(s, true, x.data<float>().data(), out.data()); });
}
BENCHMARK(to_channels_last)
    ->Args({16, 3, 224})
    ->Args({16, 64, 56})
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();

/// Loss of rows of logits, and its gradient.
void cross_entropy_rows(benchmark::State& state) {
  const Shape s{state.range(0), state.range(1)};
  const Tensor x = differentiable(randn(s)), y = randint(0, s[1], {s[0]});
  against_copy(state, 3.0 * static_cast<double>(s.numel()), [&] {
    const Tensor loss = cross_entropy(x, y);
    eval({loss, grad(loss, {x})[0]});
  });
}
BENCHMARK(cross_entropy_rows)
    ->Args({256, 1000})
    ->Args({128, 10})
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();

/// A step over parameters as ResNet-18 has them: large and small ones.
template <class Optimizer, class Options>
void update(benchmark::State& state, const Options& options, double floats) {
  std::vector<Tensor> params;
  for (int64_t n : {64, 128, 256, 512})
    for (int i = 0; i < 4; ++i)
      for (const Shape& s : {Shape{n, n, 3, 3}, Shape{n}, Shape{n}}) {
        params.push_back(differentiable(randn(s)));
        params.back().set_grad(randn(s).eval());
      }
  double all = 0;
  for (const Tensor& p : params) all += static_cast<double>(p.numel());
  Optimizer optimizer(params, options);
  against_copy(state, floats * all, [&] { optimizer.step(); });
}
void sgd(benchmark::State& state) {  // parameter and momentum are read and written
  update<optim::SGD>(state, optim::SGDOptions{.lr = 1e-6, .momentum = 0.9, .weight_decay = 1e-4},
                     5);
}
void adam(benchmark::State& state) {
  update<optim::Adam>(state, optim::AdamOptions{.lr = 1e-6}, 7);
}
BENCHMARK(sgd)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK(adam)->Unit(benchmark::kMicrosecond)->UseRealTime();

}  // namespace
}  // namespace ballast

BENCHMARK_MAIN();
