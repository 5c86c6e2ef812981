#include "ballast/kernels/target.h"

#include <hwy/targets.h>

#include <cstdlib>
#include <string_view>

#include "ballast/base/error.h"

namespace ballast::kernels {
namespace {

/// Highway numbers targets from the best one up: below a target's bit are those beyond it.
int64_t beyond(std::string_view name) {
  if (name == "baseline") return HWY_STATIC_TARGET - 1;
  if (name == "avx2") return HWY_AVX2 - 1;
  if (name == "avx512" || name.empty()) return 0;
  fail<ValueError>("BALLAST_TARGET: unknown target '{}'; there are baseline, avx2, avx512", name);
}

/// The targets that are left. Asked for once: Highway's answer makes all that the processor has the
/// choice again, and kernels that have packed operands for one target must not go on with another.
int64_t chosen_targets() {
  static const int64_t chosen = [] {
    const char* text = std::getenv("BALLAST_TARGET");
    if (const int64_t unwanted = beyond(text ? text : "")) hwy::DisableTargets(unwanted);
    const int64_t targets = hwy::SupportedTargets();
    hwy::GetChosenTarget().Update(targets);
    return targets;
  }();
  return chosen;
}

}  // namespace

void choose_target() { chosen_targets(); }

const char* target_name() {
  const int64_t targets = chosen_targets();
  return targets & HWY_AVX3 ? "AVX512" : targets & HWY_AVX2 ? "AVX2" : "DEFAULT";
}

}  // namespace ballast::kernels
