// Benchmarks of evaluations, against what the machine could do.
#pragma once

#include <benchmark/benchmark.h>

#include <chrono>

#include "ballast/sweep/explain.h"

namespace ballast {

/// Measures `f`, which evaluates something. The counter `roofline` is the time that its sweeps
/// would take at the roofline (explain.h) over that which it takes: 1 is the machine's limit, more
/// than that comes of operands that are still in a cache.
template <class F>
void against_roofline(benchmark::State& state, const F& f) {
  double bound = 0;
  {
    const Recorder recorder;
    f();
    for (const PlanReport& p : recorder.plans())
      for (const SweepReport& s : p.sweeps) bound += roofline().bound(s);
  }
  const auto start = std::chrono::steady_clock::now();
  for (auto _ : state) f();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  state.counters["roofline"] = bound * static_cast<double>(state.iterations()) / took.count();
}

}  // namespace ballast
