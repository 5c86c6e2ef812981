// Training steps (forward, loss, backward, SGD with momentum) of the example networks from C++.
// `scripts/bench --against torch PYTHON` compares the smallest with the same step from Python.
#include <benchmark/benchmark.h>

#include "ballast/base/random.h"
#include "ballast/base/threads.h"
#include "ballast/models/factory.h"
#include "ballast/ops/create.h"
#include "ballast/ops/loss.h"
#include "ballast/train/optim.h"

namespace ballast {
namespace {

void step(benchmark::State& state, const char* network, Shape sample, int64_t batch) {
  manual_seed(0);
  nn::ModulePtr model = models::make(network);
  Shape shape{batch};
  for (int64_t d : sample) shape.push_back(d);
  const Tensor x = randn(shape), y = randint(0, 10, {batch});
  // A rate of zero: a network that has learnt its one batch by heart would compute with denormals.
  optim::SGD opt(model->parameters(), {.lr = 0.0, .momentum = 0.9});
  for (auto _ : state) {
    opt.zero_grad();
    cross_entropy((*model)(x), y).backward();
    opt.step();
  }
}

BENCHMARK_CAPTURE(step, net_batch64, "net", Shape{10}, 64)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(step, custom_batch64, "custom", Shape{64}, 64)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(step, my_batch64_8x8, "my", Shape{3, 8, 8}, 64)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(step, my_batch64_32x32, "my", Shape{3, 32, 32}, 64)
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(step, resnet20_batch32_8x8, "resnet20", Shape{1, 8, 8}, 32)
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();

}  // namespace
}  // namespace ballast

BENCHMARK_MAIN();
