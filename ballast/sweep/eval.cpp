#include "ballast/sweep/eval.h"

#include <algorithm>
#include <cstring>
#include <list>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "ballast/base/threads.h"
#include "ballast/graph/external.h"
#include "ballast/graph/pending.h"
#include "ballast/plan/plan.h"
#include "ballast/sweep/executable.h"
#include "ballast/sweep/needed.h"

namespace ballast {
namespace {

using plan::Plan;
using sweep::Executable;
using sweep::Needed;
using sweep::Run;
using Join = Needed::Join;

uint64_t hash_of(const std::vector<uint64_t>& key) {
  // Several chains at a time: one multiplication after the other is what it takes long for.
  constexpr size_t kChains = 4;
  auto mix = [](uint64_t h, uint64_t k) {
    h = (h ^ k) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 29;
  };
  uint64_t h[kChains] = {};
  size_t i = 0;
  for (; i + kChains <= key.size(); i += kChains)
    for (size_t c = 0; c < kChains; ++c) h[c] = mix(h[c], key[i + c]);
  uint64_t all = key.size();
  for (; i < key.size(); ++i) all = mix(all, key[i]);
  for (uint64_t one : h) all = mix(all, one);
  return all;
}

/// Plans by structure, the least recently used dropped. Guarded by the graph lock.
class PlanCache {
 public:
  std::shared_ptr<const Executable> find(const std::vector<uint64_t>& key, const Needed& needed) {
    const uint64_t h = hash_of(key);
    auto it = by_hash_.find(h);
    if (it != by_hash_.end() && it->second->second->key == key) {
      ++statistics.hits;
      if (it->second != entries_.begin()) entries_.splice(entries_.begin(), entries_, it->second);
      return it->second->second;
    }
    ++statistics.misses;
    const auto made = std::make_shared<Executable>(key, needed.make_plan(), plan::options());
    if (!plan::options().cache) return made;
    if (it != by_hash_.end()) {
      entries_.erase(it->second);
      by_hash_.erase(it);
    }
    entries_.emplace_front(h, made);
    by_hash_[h] = entries_.begin();
    if (entries_.size() > kMaxPlans) {
      by_hash_.erase(entries_.back().first);
      entries_.pop_back();
    }
    return made;
  }

  PlanCacheStatistics statistics;
  size_t size() const { return entries_.size(); }

 private:
  // A training run has a handful of structures (a step, the last batch, evaluation);
  // variable-length input has more.
  static constexpr size_t kMaxPlans = 256;
  using Entries = std::list<std::pair<uint64_t, std::shared_ptr<const Executable>>>;
  Entries entries_;
  std::unordered_map<uint64_t, Entries::iterator> by_hash_;
};

PlanCache& plan_cache() {
  static PlanCache* cache = new PlanCache;
  return *cache;
}

/// Gives the outputs their memory; inputs nobody will differentiate through are dropped.
void commit(Run& run) {
  const Plan& p = run.executable->plan;
  for (size_t i = 0; i < run.outputs.size(); ++i) {
    Node& n = *run.outputs[i];
    if (n.evaluated()) continue;  // by another thread meanwhile: its memory may be in use
    n.layout = p.values[p.outputs[i]].layout;
    if (!n.requires_grad || n.grad_leaf || n.released) {
      n.inputs.clear();
      n.op = nullptr;
    }
    n.buffer.publish(std::move(run.made[i]));
  }
}

/// Makes what `collect` puts into an empty Needed; returns whether that was anything.
template <class Collect>
bool make(const Collect& collect) {
  thread_local std::vector<uint64_t> key;
  thread_local Needed needed;
  // An evaluation may call back (whoever interrupts it looks at a value): that one has its own run.
  thread_local Run kept;
  thread_local bool busy = false;
  Run own;
  Run& run = busy ? own : kept;
  struct Busy {
    Busy(Run& its_run) : run(its_run), before(std::exchange(busy, true)) {}
    ~Busy() {
      run.clear();
      busy = before;
    }
    Run& run;
    bool before;
  } scope(run);
  {
    struct LetGo {
      ~LetGo() { needed.let_go(); }
    } let_go;
    std::lock_guard lock(graph_mutex());
    collect(needed);
    if (needed.nodes().empty()) return false;
    needed.write_key(key);
    run.executable = plan_cache().find(key, needed);
    run.evaluation = needed.evaluation();
    for (size_t i = 0; i < needed.nodes().size(); ++i) {
      Node* n = needed.nodes()[i];
      if (n->evaluated())
        run.leaves.push_back(n->buffer);
      else if (needed.kept(i))
        run.outputs.push_back(Ref<Node>(n));
    }
  }
  sweep::execute(run);
  std::lock_guard lock(graph_mutex());
  commit(run);
  return true;
}

/// Makes pending nodes. Where that fails, each by itself, and those that fail stay as they are.
void make_pending(std::span<const Ref<Node>> nodes) {
  try {
    make([&](Needed& needed) { needed.collect(nodes); });
  } catch (const Interrupted&) {
    throw;
  } catch (...) {
    for (const Ref<Node>& n : nodes) try {
        make([&](Needed& needed) { needed.collect({&n, 1}); });
      } catch (const Interrupted&) {
        throw;
      } catch (...) {
        std::lock_guard lock(graph_mutex());
        n->failed = true;
      }
  }
}

/// Makes `roots`, and the pending nodes that join; returns whether there was anything to make. An
/// error is one of the roots'.
bool eval_nodes(std::span<Node* const> roots, Join join) {
  std::vector<Ref<Node>> joined;
  try {
    return make([&](Needed& needed) {
      needed.collect(roots, join);
      if (!needed.joined().empty()) joined = needed.joined();
    });
  } catch (const Interrupted&) {
    throw;
  } catch (...) {
    if (joined.empty()) throw;
    make([&](Needed& needed) { needed.collect(roots, Join::kNone); });
    make_pending(joined);
    return true;
  }
}

/// After a failed evaluation: the state that does not depend on what failed is computed, as it
/// would have been by then if every operation ran when it is called. Otherwise all of it returns to
/// the values before, or no evaluation would succeed any more.
void settle_state() {
  const std::vector<PendingState> pending = std::exchange(pending_state(), {});
  std::vector<Node*> roots;
  roots.reserve(pending.size());
  for (const PendingState& p : pending) roots.push_back(p.state->node().get());
  try {
    const NoInterrupt on;
    eval_nodes(roots, Join::kNone);
  } catch (...) {
    for (size_t i = pending.size(); i-- > 0;)
      if (!pending[i].state->node()->evaluated()) pending[i].state->assign(pending[i].before);
  }
}

/// Where a list of pending nodes repeats itself: the first node whose operation and shape come
/// again, and all places where they do; index 0 stands for the first node that is looked at. Those
/// of backward() are not, unless there are no others: a step is one repetition.
std::vector<size_t> repetitions(std::span<const Ref<Node>> nodes) {
  const bool all =
      std::all_of(nodes.begin(), nodes.end(), [](const Ref<Node>& n) { return n->from_backward; });
  std::vector<size_t> seen;
  std::unordered_map<const Op*, int> times;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i]->from_backward && !all) continue;
    seen.push_back(i);
    ++times[nodes[i]->op];
  }
  for (size_t first = 0; first < seen.size(); ++first) {
    const Node& a = *nodes[seen[first]];
    if (times[a.op] == 1) continue;
    std::vector<size_t> found;
    for (size_t k = first; k < seen.size(); ++k) {
      const Node& b = *nodes[seen[k]];
      if (a.op == b.op && a.dtype == b.dtype && a.shape == b.shape) found.push_back(seen[k]);
    }
    if (found.size() < 2) continue;
    if (first == 0) found[0] = 0;
    return found;
  }
  return {};
}

/// What pending nodes keep alive, besides the largest value: by themselves, and of memory that
/// nobody else holds.
int64_t held_by(std::span<const Ref<Node>> nodes) {
  Needed needed;
  std::lock_guard lock(graph_mutex());
  needed.collect(nodes);
  const Needed::Held held = needed.held();
  return held.bytes - held.largest +
         Pending::kNodeWeight * std::count_if(nodes.begin(), nodes.end(),
                                              [](const auto& n) { return !n->from_backward; });
}

}  // namespace

void eval(std::span<const Tensor> tensors) {
  thread_local std::vector<Node*> roots;
  roots.clear();
  for (const Tensor& t : tensors) look_again(t);
  for (const Tensor& t : tensors) roots.push_back(&t.node());
  auto& pending = pending_state();
  for (const PendingState& p : pending) roots.push_back(p.state->node().get());
  Pending& nodes = Pending::here();
  const Join join = nodes.paused()                 ? Join::kNone
                    : nodes.heavy_with_gradients() ? Join::kAll
                                                   : Join::kOverdue;
  bool made;
  try {
    made = eval_nodes(roots, join);
  } catch (const Interrupted&) {
    throw;  // all of it waits for the next evaluation
  } catch (...) {
    settle_state();
    throw;
  }
  pending.clear();
  if (!made) return;
  nodes.count_evaluation();
  nodes.set_held(0);
}

void relieve_pending() {
  Pending& pending = Pending::here();
  std::vector<Ref<Node>> nodes;
  pending.for_each([&](Node& n) {
    if (!n.failed) nodes.push_back(Ref<Node>(&n));
  });
  std::vector<size_t> begins;
  {
    std::lock_guard lock(graph_mutex());
    begins = repetitions(nodes);
  }
  // One large value is no heap of them. Work that repeats itself is done one repetition after the
  // other, but the last, which may not be whole yet; any other waits longer, because evaluating it
  // may cut in two what would be faster in one piece.
  const int64_t most = begins.empty()        ? 4 * Pending::kBound
                       : begins.front() != 0 ? 2 * Pending::kBound
                                             : Pending::kBound;
  if (held_by(nodes) <= most) return pending.set_held(Pending::kBound / 2);
  const std::span<const Ref<Node>> all(nodes);
  size_t done = 0;
  for (size_t i = 1; i < begins.size(); ++i) {
    make_pending(all.subspan(done, begins[i] - done));
    done = begins[i];
  }
  if (begins.empty()) make_pending(all);
  std::erase_if(pending_state(),
                [](const PendingState& p) { return p.state->node()->evaluated(); });
  pending.set_held(0);
}

void eval(std::initializer_list<Tensor> tensors) {
  eval(std::span<const Tensor>(tensors.begin(), tensors.size()));
}

PlanCacheStatistics plan_cache_statistics() {
  std::lock_guard lock(graph_mutex());
  PlanCacheStatistics s = plan_cache().statistics;
  s.size = static_cast<int64_t>(plan_cache().size());
  return s;
}

}  // namespace ballast
