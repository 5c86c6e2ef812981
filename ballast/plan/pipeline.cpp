// The passes, in order. Each can be switched off (plan::Options) and is tested with and without,
// but for two that a plan cannot do without: layouts, which are all row-major without `fast`, and
// the order, without which groups would read what is not made yet. Three options are no passes:
// `fast` and `winograd` choose kernels, `cache` is up to whoever asks for plans.
#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <string_view>
#include <utility>

#include "ballast/base/bytes.h"
#include "ballast/base/text.h"
#include "ballast/plan/expanded.h"
#include "ballast/plan/plan.h"

namespace ballast::plan {
namespace {

std::string pass_names() {
  std::string names;
  for (const Pass& p : kPasses) names += (names.empty() ? "" : ", ") + std::string(p.name);
  return names;
}

Options from_environment() {
  Options o;
  const char* text = std::getenv("BALLAST_PLAN");
  for (std::string_view rest = text ? text : ""; !rest.empty();) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view word = trim(rest.substr(0, comma));
    rest.remove_prefix(std::min(rest.size(), comma + 1));
    if (word.empty()) continue;
    const bool on = !word.starts_with('-');
    const std::string_view name = on ? word : word.substr(1);
    const auto known = std::find_if(std::begin(kPasses), std::end(kPasses),
                                    [&](const Pass& p) { return p.name == name; });
    check<ValueError>(known != std::end(kPasses), "BALLAST_PLAN: unknown pass '{}'; there are {}",
                      name, pass_names());
    o.*known->option = on;
  }
  if (const char* conv = std::getenv("BALLAST_CONV"); conv && *conv) {
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
  // What the passes and sweeps add up from sizes stays within 64 bits, whether they store a value
  // or not.
  for (const Value& v : plan.values) Buffer::require_addressable(bytes_of(v.shape, v.dtype));
  checked(plan);
  if (options.normal_form) lift_expansions(plan);
  checked(plan);
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
  checked(plan);
  if (options.accumulate && options.memory) accumulate_in_place(plan);
  checked(plan);
  place_memory(plan, options.memory);
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

namespace {

/// Follows a run through the arena: what a group writes takes the place of what was there, and what
/// it reads or writes must be whole when it is done.
void verify_memory(const Plan& plan) {
  const auto& values = plan.values;
  auto root = [&](int v) { return values[v].alias >= 0 ? values[v].alias : v; };
  std::vector<int> whole;
  auto write = [&](int v) {
    const int64_t begin = values[v].offset, end = begin + values[v].bytes();
    std::erase_if(whole, [&](int other) {
      const int64_t start = values[other].offset;
      return start < end && begin < start + values[other].bytes();
    });
    whole.push_back(v);
  };
  auto check_whole = [&](int v) {
    check(values[v].offset < 0 || std::find(whole.begin(), whole.end(), v) != whole.end(),
          "plan: the memory of value {} is another's while it is in use", v);
  };
  for (const Group& g : plan.groups) {
    for (int v : g.values)
      if (values[v].home == Home::kMemory && values[root(v)].offset >= 0) write(root(v));
    for (int v : g.values) {
      for_each_read(plan, v, [&](int in) { check_whole(root(in)); });
      if (values[v].home == Home::kMemory) check_whole(root(v));
    }
  }
}

}  // namespace

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
  if (plan.arena_bytes > 0) verify_memory(plan);
}

}  // namespace ballast::plan
