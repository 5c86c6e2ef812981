// 3x3 convolutions, forward and both gradients, by Winograd's algorithm and directly. The rate is
// that of the direct algorithm's operations per second of wall time, whichever algorithm runs;
// `roofline` counts those that it makes.
#include "ballast/ops/conv.h"

#include <benchmark/benchmark.h>

#include <vector>

#include "ballast/ops/create.h"
#include "ballast/plan/plan.h"
#include "bench/roofline.h"

namespace {

using namespace ballast;

enum Direction { kForward, kInputGrad, kWeightGrad };
constexpr const char* kNames[] = {"forward", "input_grad", "weight_grad"};

struct Layer {
  int64_t images, height, width, in, out;
};
// ResNet's at a batch of 16, CIFAR's at 128, and single images.
constexpr Layer kLayers[] = {{16, 56, 56, 64, 64},  {16, 28, 28, 128, 128}, {16, 14, 14, 256, 256},
                             {16, 7, 7, 512, 512},  {128, 32, 32, 16, 16},  {128, 16, 16, 32, 32},
                             {128, 8, 8, 64, 64},   {128, 4, 4, 512, 512},  {1, 56, 56, 64, 64},
                             {1, 28, 28, 128, 128}, {1, 14, 14, 256, 256},  {1, 7, 7, 512, 512}};

/// Evaluated and stored as a convolution makes it, channels innermost.
Tensor image(int64_t n, int64_t channels, int64_t height, int64_t width) {
  std::vector<float> one(channels * channels);
  for (int64_t c = 0; c < channels; ++c) one[c * channels + c] = 1;
  const Tensor y =
      conv2d(randn({n, channels, height, width}), Tensor::from(one, {channels, channels, 1, 1}));
  return y.eval();
}

void run(benchmark::State& state, const Layer& l, Direction d, bool winograd) {
  const NoGrad off;
  plan::options().winograd = winograd;
  const Tensor x = image(l.images, l.in, l.height, l.width),
               dy = image(l.images, l.out, l.height, l.width), w = randn({l.out, l.in, 3, 3});
  w.eval();
  const Conv2dAttributes at{{1, 1}, {1, 1}, {1, 1}, 1};
  against_roofline(state, [&] {
    const Tensor made =
        d == kForward ? record(conv2d_op(), dy.shape(), DType::kFloat32, {x, w}, at)
        : d == kInputGrad
            ? record(conv2d_input_grad_op(), x.shape(), DType::kFloat32, {dy, w}, at)
            : record(conv2d_weight_grad_op(), w.shape(), DType::kFloat32, {dy, x}, at);
    made.eval();
  });
  plan::options().winograd = true;
  const double operations =
      18.0 * static_cast<double>(l.images * l.height * l.width * l.in * l.out);
  state.counters["FLOP/s"] =
      benchmark::Counter(operations, benchmark::Counter::kIsIterationInvariantRate);
}

const int registered = [] {
  for (const Layer& l : kLayers)
    for (Direction d : {kForward, kInputGrad, kWeightGrad})
      for (bool winograd : {true, false}) {
        const std::string name = std::string("conv/") + kNames[d] + "/" + std::to_string(l.images) +
                                 "x" + std::to_string(l.height) + "x" + std::to_string(l.width) +
                                 "x" + std::to_string(l.in) + "/" +
                                 (winograd ? "winograd" : "direct");
        benchmark::RegisterBenchmark(name.c_str(),
                                     [=](benchmark::State& s) { run(s, l, d, winograd); })
            ->MeasureProcessCPUTime()
            ->UseRealTime()
            ->Unit(benchmark::kMillisecond);
      }
  return 0;
}();

}  // namespace
