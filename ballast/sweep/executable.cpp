#include "ballast/sweep/executable.h"

#include <algorithm>
#include <chrono>

#include "ballast/base/threads.h"
#include "ballast/kernels/target.h"
#include "ballast/sweep/record.h"

namespace ballast::sweep {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// What sweep `i` wants prepared: kept from before, or made in `shared`.
std::byte* prepare(const Run& run, size_t i, Ref<Buffer>& shared, Ref<Buffer>& held) {
  const Executable& e = *run.executable;
  const Sweep& s = *e.sweeps[i];
  const int64_t bytes = s.prepared_bytes();
  if (bytes == 0) return nullptr;
  std::vector<Ref<Buffer>> from;
  if (run.evaluation)
    for (int v : s.prepared_from())
      if (!e.plan.values[v].op) from.push_back(Ref<Buffer>(run.owned[v]));
  const bool keepable = run.evaluation && from.size() == s.prepared_from().size();
  if (keepable) {
    held = e.kept[i].find(from);
    if (held) return held->data();
    if (e.kept[i].seen_again(from)) {
      held = Buffer::allocate(bytes);
      s.prepare(run.at.data(), held->data());
      e.kept[i].keep(from, held);
      return held->data();
    }
  }
  if (!shared) shared = Buffer::allocate(e.prepared_bytes);
  s.prepare(run.at.data(), shared->data());
  return shared->data();
}

void run_sweeps(const Run& run) {
  const auto& e = run.executable;
  Ref<Buffer> shared, held, temporary;
  if (e->temporary_bytes) temporary = Buffer::allocate(e->temporary_bytes);
  Record* record = record_of_this_thread();
  std::vector<double> times;
  const double begin = record ? now() : 0;
  for (size_t i = 0; i < e->sweeps.size(); ++i) {
    const double start = record ? now() : 0;
    const std::byte* prepared = prepare(run, i, shared, held);
    e->sweeps[i]->run(run.at.data(), {prepared, temporary ? temporary->data() : nullptr});
    if (record) times.push_back(now() - start);
  }
  if (record)
    record->ran(std::shared_ptr<const plan::Plan>(e, &e->plan), e->sweeps, times, now() - begin,
                e->prepared_bytes + e->temporary_bytes);
}

}  // namespace

void execute(Run& run) {
  use_flush_denormal();
  const plan::Plan& p = run.executable->plan;
  auto root = [&](int v) { return p.values[v].alias >= 0 ? p.values[v].alias : v; };
  auto& at = run.at;
  auto& owned = run.owned;
  at.assign(p.values.size(), nullptr);
  owned.resize(p.values.size());
  for (size_t i = 0; i < p.leaves.size(); ++i) {
    owned[p.leaves[i]] = run.leaves[i].get();
    at[p.leaves[i]] = run.leaves[i]->data();
  }
  for (int out : p.outputs) {
    Buffer*& b = owned[root(out)];
    run.made.push_back(b ? Ref<Buffer>(b) : Buffer::allocate(p.values[root(out)].bytes()));
    b = run.made.back().get();
    at[root(out)] = b->data();
  }
  Ref<Buffer> arena;
  if (p.arena_bytes) arena = Buffer::allocate(p.arena_bytes);
  for (size_t v = 0; v < p.values.size(); ++v)
    if (p.values[v].offset >= 0) at[v] = arena->data() + p.values[v].offset;
  for (size_t v = 0; v < p.values.size(); ++v)
    if (p.values[v].alias >= 0) at[v] = at[p.values[v].alias];
  run_sweeps(run);
}

Executable::Executable(std::vector<uint64_t> its_key, plan::Plan its_plan,
                       const plan::Options& options)
    : key(std::move(its_key)), plan(std::move(its_plan)) {
  kernels::choose_target();
  plan::run_passes(plan, options);
  for (const plan::Group& g : plan.groups) {
    sweeps.push_back(build(plan, g, options.fast));
    prepared_bytes = std::max(prepared_bytes, sweeps.back()->prepared_bytes());
    temporary_bytes = std::max(temporary_bytes, sweeps.back()->temporary_bytes());
  }
  kept = std::make_unique<Kept[]>(sweeps.size());
}

Record*& record_of_this_thread() {
  thread_local Record* record = nullptr;
  return record;
}

}  // namespace ballast::sweep
