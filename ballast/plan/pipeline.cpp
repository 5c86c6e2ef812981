// The passes, in order. Each can be switched off (plan::Options), each is tested with and without.
#include <cstdlib>
#include <string_view>

#include "ballast/plan/plan.h"

namespace ballast::plan {
namespace {

Options from_environment() {
  Options o;
  const char* text = std::getenv("BALLAST_PLAN");
  for (std::string_view rest = text ? text : ""; !rest.empty();) {
    const std::string_view word = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
    const bool on = !word.starts_with('-');
    const std::string_view name = on ? word : word.substr(1);
    if (name == "fast")
      o.fast = on;
    else if (name == "cse")
      o.cse = on;
    else if (name == "fuse_pointwise")
      o.fuse_pointwise = on;
    else
      fail<ValueError>("BALLAST_PLAN: unknown pass '{}'; there are fast, cse, fuse_pointwise",
                       name);
  }
  return o;
}

void checked(const Plan& plan) {
#ifndef NDEBUG
  verify(plan);
#else
  (void)plan;
#endif
}

}  // namespace

Options& options() {
  thread_local Options o = from_environment();
  return o;
}

void run_passes(Plan& plan, const Options& options) {
  if (options.cse) common_subexpressions(plan);
  checked(plan);
  choose_layouts(plan, options.fast);
  checked(plan);
  make_groups(plan, options.fast && options.fuse_pointwise);
  place_memory(plan);
  checked(plan);
}

void verify(const Plan& plan) {
  for (size_t i = 0; i < plan.values.size(); ++i)
    for (int in : plan.values[i].in)
      check(in >= 0 && in < static_cast<int>(plan.values.size()), "plan: value {} reads value {}",
            i, in);
  std::vector<char> made(plan.values.size());
  for (int leaf : plan.leaves) made[leaf] = 1;
  for (const Group& g : plan.groups)
    for (int v : g.values) {
      for (int in : plan.values[v].in)
        check(made[in], "plan: value {} is read before it is made", in);
      made[v] = 1;
    }
  if (!plan.groups.empty())
    for (int out : plan.outputs) check(made[out], "plan: output {} is never made", out);
}

}  // namespace ballast::plan
