// Convolutions and their gradients one by one, in operations per second: the layers of well-known
// networks that no faster algorithm takes.
#include <benchmark/benchmark.h>

#include "ballast/base/threads.h"
#include "ballast/ops/conv.h"
#include "ballast/ops/create.h"
#include "bench/roofline.h"

namespace ballast {
namespace {

struct Layer {
  const char* name;
  int64_t batch, in, size, out, kernel, stride, padding, groups = 1;
};

constexpr Layer kLayers[] = {
    {"my_stem_3_64_32px", 64, 3, 32, 64, 3, 1, 1},
    {"resnet_stem_3_64_224px", 16, 3, 224, 64, 7, 2, 3},
    {"resnet18_3x3_s2_64_128_56px", 16, 64, 56, 128, 3, 2, 1},
    {"resnet18_3x3_s2_128_256_28px", 16, 128, 28, 256, 3, 2, 1},
    {"resnet18_3x3_s2_256_512_14px", 16, 256, 14, 512, 3, 2, 1},
    {"resnet18_1x1_s2_64_128_56px", 16, 64, 56, 128, 1, 2, 0},
    {"resnet18_1x1_s2_256_512_14px", 16, 256, 14, 512, 1, 2, 0},
    {"resnet18_3x3_512_512_7px", 16, 512, 7, 512, 3, 1, 1},
    {"resnet18_3x3_512_512_7px_alone", 1, 512, 7, 512, 3, 1, 1},
    {"resnet50_1x1_64_256_56px", 8, 64, 56, 256, 1, 1, 0},
    {"resnet50_1x1_256_64_56px", 8, 256, 56, 64, 1, 1, 0},
    {"resnet50_1x1_1024_256_14px", 16, 1024, 14, 256, 1, 1, 0},
    {"resnet50_1x1_512_2048_7px", 16, 512, 7, 2048, 1, 1, 0},
    {"resnet50_1x1_2048_512_7px", 16, 2048, 7, 512, 1, 1, 0},
    {"mobilenet_1x1_16_96_112px", 16, 16, 112, 96, 1, 1, 0},
    {"mobilenet_1x1_24_144_56px", 16, 24, 56, 144, 1, 1, 0},
    {"mobilenet_1x1_144_24_56px", 16, 144, 56, 24, 1, 1, 0},
    {"mobilenet_1x1_384_64_14px", 16, 384, 14, 64, 1, 1, 0},
    {"mobilenet_1x1_384_64_14px_alone", 1, 384, 14, 64, 1, 1, 0},
    {"mobilenet_1x1_320_1280_7px_alone", 1, 320, 7, 1280, 1, 1, 0},
    {"densenet_1x1_256_128_28px", 16, 256, 28, 128, 1, 1, 0},
    {"densenet_1x1_512_128_14px", 16, 512, 14, 128, 1, 1, 0},
    {"shufflenet_1x1_240_240_28px_by_3", 16, 240, 28, 240, 1, 1, 0, 3},
    {"resnext_3x3_128_128_56px_by_32", 8, 128, 56, 128, 3, 1, 1, 32},
    {"odd_5x5_17_10_33px", 16, 17, 33, 10, 5, 1, 2},
};

/// Random values, channels-last: what a convolution made.
Tensor image(int64_t n, int64_t c, int64_t h, int64_t w) {
  const Tensor t = conv2d(randn({n, 1, h, w}), randn({c, 1, 1, 1}));
  t.eval();
  return t;
}

template <class Make>
void measure(benchmark::State& state, const Layer& l, const Make& make) {
  const int64_t to = (l.size + 2 * l.padding - l.kernel) / l.stride + 1;
  const Tensor x = image(l.batch, l.in, l.size, l.size), g = image(l.batch, l.out, to, to);
  const Tensor w = randn({l.out, l.in / l.groups, l.kernel, l.kernel});
  w.eval();
  const Conv2dAttributes at{{l.stride, l.stride}, {l.padding, l.padding}, {1, 1}, l.groups};
  against_roofline(state, [&] { make(x, w, g, at).eval(); });
  const double operations = 2.0 * static_cast<double>(l.batch * to * to * l.out) *
                            static_cast<double>(l.in / l.groups * l.kernel * l.kernel);
  state.counters["FLOP/s"] =
      benchmark::Counter(operations, benchmark::Counter::kIsIterationInvariantRate);
}

void add_benchmarks() {
  const auto add = [](const Layer& l, const char* what, auto make) {
    benchmark::RegisterBenchmark((std::string(l.name) + "/" + what).c_str(),
                                 [&l, make](benchmark::State& state) { measure(state, l, make); })
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime();
  };
  for (const Layer& l : kLayers) {
    add(l, "forward", [](const Tensor& x, const Tensor& w, const Tensor& g, const auto& at) {
      return record(conv2d_op(), g.shape(), g.dtype(), {x, w}, at);
    });
    add(l, "data", [](const Tensor& x, const Tensor& w, const Tensor& g, const auto& at) {
      return record(conv2d_input_grad_op(), x.shape(), g.dtype(), {g, w}, at);
    });
    add(l, "weight", [](const Tensor& x, const Tensor& w, const Tensor& g, const auto& at) {
      return record(conv2d_weight_grad_op(), w.shape(), g.dtype(), {g, x}, at);
    });
  }
}

}  // namespace
}  // namespace ballast

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  ballast::add_benchmarks();
  benchmark::RunSpecifiedBenchmarks();
}
