// The passes, in order. Each can be switched off (plan::Options), each is tested with and without.
#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <string_view>
#include <utility>

#include "ballast/plan/plan.h"

namespace ballast::plan {
namespace {

struct Pass {
  std::string_view name;
  bool Options::*option;
};
constexpr Pass kPasses[] = {{"fast", &Options::fast},
                            {"cse", &Options::cse},
                            {"normal_form", &Options::normal_form},
                            {"accumulate", &Options::accumulate},
                            {"fuse_pointwise", &Options::fuse_pointwise},
                            {"fuse_prologue", &Options::fuse_prologue},
                            {"fuse_epilogue", &Options::fuse_epilogue},
                            {"pair_gradients", &Options::pair_gradients},
                            {"winograd", &Options::winograd}};

std::string pass_names() {
  std::string names;
  for (const Pass& p : kPasses) names += (names.empty() ? "" : ", ") + std::string(p.name);
  return names;
}

Options from_environment() {
  Options o;
  const char* text = std::getenv("BALLAST_PLAN");
  for (std::string_view rest = text ? text : ""; !rest.empty();) {
    const std::string_view word = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
    const bool on = !word.starts_with('-');
    const std::string_view name = on ? word : word.substr(1);
    const auto known = std::find_if(std::begin(kPasses), std::end(kPasses),
                                    [&](const Pass& p) { return p.name == name; });
    check<ValueError>(known != std::end(kPasses), "BALLAST_PLAN: unknown pass '{}'; there are {}",
                      name, pass_names());
    o.*known->option = on;
  }
  if (const char* conv = std::getenv("BALLAST_CONV")) {
    check<ValueError>(std::string_view(conv) == "direct",
                      "BALLAST_CONV: unknown way '{}'; there is direct", conv);
    o.winograd = false;
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

uint64_t Options::bits() const {
  uint64_t bits = 0;
  for (const Pass& p : kPasses) bits = bits << 1 | uint64_t{this->*p.option};
  return bits;
}

Options& options() {
  thread_local Options o = from_environment();
  return o;
}

void run_passes(Plan& plan, const Options& options) {
  if (options.normal_form) normal_form(plan);
  checked(plan);
  if (options.cse) common_subexpressions(plan);
  checked(plan);
  if (options.accumulate) accumulate_gradients(plan);
  checked(plan);
  choose_layouts(plan, options.fast);
  checked(plan);
  make_groups(plan, options);
  order_groups(plan);
  if (options.accumulate) accumulate_in_place(plan);
  place_memory(plan);
  checked(plan);
}

void drop_and_sort(Plan& plan) {
  std::vector<Value> old = std::move(plan.values);
  plan.values.clear();
  std::vector<char> needed(old.size());
  std::vector<int> stack = plan.outputs;
  stack.insert(stack.end(), plan.leaves.begin(), plan.leaves.end());
  while (!stack.empty()) {
    const int i = stack.back();
    stack.pop_back();
    if (std::exchange(needed[i], 1)) continue;
    for (int in : old[i].in) stack.push_back(in);
  }
  std::vector<int> moved(old.size(), -1);
  for (size_t i = 0; i < old.size(); ++i) {
    if (!needed[i]) continue;
    for (stack.push_back(static_cast<int>(i)); !stack.empty();) {
      const int at = stack.back();
      if (moved[at] >= 0) {
        stack.pop_back();
        continue;
      }
      Value& v = old[at];
      const auto missing =
          std::find_if(v.in.begin(), v.in.end(), [&](int in) { return moved[in] < 0; });
      if (missing != v.in.end()) {
        stack.push_back(*missing);
        continue;
      }
      stack.pop_back();
      for (int& in : v.in) in = moved[in];
      moved[at] = static_cast<int>(plan.values.size());
      plan.values.push_back(std::move(v));
    }
  }
  for (int& i : plan.leaves) i = moved[i];
  for (int& i : plan.outputs) i = moved[i];
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
      for_each_read(plan, v, [&](int in) {
        check(made[in], "plan: value {} is read before it is made", in);
      });
      made[v] = 1;
    }
  if (!plan.groups.empty())
    for (int out : plan.outputs) check(made[out], "plan: output {} is never made", out);
}

}  // namespace ballast::plan
