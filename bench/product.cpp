// Products of matrices in operations per second: those of a perceptron of four layers 512 wide, a
// small network's, and inference for one sample; and the microkernel alone.
#include "ballast/kernels/product.h"

#include <benchmark/benchmark.h>

#include <vector>

#include "ballast/ops/create.h"
#include "ballast/ops/matmul.h"
#include "bench/roofline.h"

namespace ballast {
namespace {

void rate(benchmark::State& state, int64_t m, int64_t n, int64_t k) {
  state.counters["FLOP/s"] =
      benchmark::Counter(2.0 * static_cast<double>(m * n) * static_cast<double>(k),
                         benchmark::Counter::kIsIterationInvariantRate);
}

/// (m, n, k, a transposed, b transposed)
void matrices(benchmark::State& state) {
  const int64_t m = state.range(0), n = state.range(1), k = state.range(2);
  const bool ta = state.range(3), tb = state.range(4);
  const Tensor a = randn(ta ? Shape{k, m} : Shape{m, k}), b = randn(tb ? Shape{n, k} : Shape{k, n});
  against_roofline(state, [&] { mm(a, b, ta, tb).eval(); });
  rate(state, m, n, k);
}

/// (m, n, k, a transposed): operands in the caches.
void microkernel(benchmark::State& state) {
  const int64_t m = state.range(0), n = state.range(1), k = state.range(2);
  const bool ta = state.range(3);
  const std::vector<float> a(m * k, 1.0f), b(kernels::packed_size(k, n), 1.0f);
  std::vector<float> c(m * n);
  const float *pa = a.data(), *pb = b.data();
  kernels::Product q{};
  q.rows = m;
  q.columns = n;
  q.depth = k;
  q.sam = ta ? 1 : k;
  q.sak = ta ? m : 1;
  q.a = &pa;
  q.b = &pb;
  q.sbk = kernels::panel_columns();
  q.panel = k * q.sbk;
  q.c = c.data();
  q.ldc = n;
  for (auto _ : state) kernels::product(q);
  rate(state, m, n, k);
}

BENCHMARK(matrices)
    ->ArgNames({"m", "n", "k", "ta", "tb"})
    ->Args({256, 512, 512, 0, 1})
    ->Args({256, 512, 512, 0, 0})
    ->Args({512, 512, 256, 1, 0})
    ->Args({64, 10, 20, 0, 1})
    ->Args({64, 20, 10, 0, 0})
    ->Args({10, 20, 64, 1, 0})
    ->Args({1, 1000, 512, 0, 1})
    ->Args({1, 4096, 4096, 0, 1})
    ->Args({8, 1000, 2048, 0, 1})
    ->Args({1024, 1024, 1024, 0, 0})
    ->UseRealTime();

BENCHMARK(microkernel)
    ->ArgNames({"m", "n", "k", "ta"})
    ->Args({96, 128, 256, 0})
    ->Args({96, 128, 256, 1})
    ->Args({196, 256, 1024, 0})
    ->Args({196, 64, 320, 0})
    ->Args({96, 64, 64, 0})
    ->Args({96, 96, 16, 0})
    ->Args({96, 24, 144, 0})
    ->Args({42, 16, 16, 0})
    ->Args({42, 16, 256, 0})
    ->Args({14, 16, 16, 0})
    ->Args({42, 32, 16, 0})
    ->Args({16, 16, 42, 1})
    ->Args({42, 32, 32, 0})
    ->Args({32, 32, 42, 1})
    ->Args({42, 64, 64, 0})
    ->Args({64, 64, 42, 1});

}  // namespace
}  // namespace ballast

BENCHMARK_MAIN();
