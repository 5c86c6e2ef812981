#include "ballast/sweep/eval.h"

#include <algorithm>
#include <cstring>
#include <list>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "ballast/plan/plan.h"
#include "ballast/sweep/executable.h"

namespace ballast {
namespace {

using plan::Plan;
using sweep::Executable;
using sweep::Run;

/// The part of the graph that is needed: nodes in topological order, inputs before readers. One per
/// thread, reused: a steady step allocates nothing here.
class Needed {
 public:
  void collect(std::span<Node* const> roots) {
    walk_ = next_walk();
    nodes_.clear();
    uses_.clear();
    keep_.clear();
    for (Node* root : roots)
      if (!root->evaluated()) visit(*root);
    for (Node* root : roots)
      if (root->walk == walk_) keep_[root->index] = Keep::kInMemory;
    keep_what_outlives();
  }

  const std::vector<Node*>& nodes() const { return nodes_; }
  bool kept(size_t i) const { return keep_[i] == Keep::kInMemory; }
  /// Whether nothing here belongs to a graph that is or was to be differentiated.
  bool evaluation() const {
    return std::none_of(nodes_.begin(), nodes_.end(),
                        [](const Node* n) { return n->requires_grad && !n->grad_leaf; });
  }

  /// What the plan depends on, as numbers: the structure, no values.
  void write_key(std::vector<uint64_t>& key) const {
    size_t most = 1;
    for (const Node* n : nodes_)
      most += 2 + static_cast<size_t>(n->shape.rank() + n->inputs.size()) +
              n->attributes.bytes().size() / 8;
    key.resize(most);
    uint64_t* to = key.data();
    *to++ = plan::options().bits();
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const Node& n = *nodes_[i];
      const bool leaf = n.evaluated();
      *to++ = reinterpret_cast<uintptr_t>(leaf ? nullptr : n.op);
      *to++ = static_cast<uint64_t>(n.dtype) |
              static_cast<uint64_t>(leaf ? n.layout : Layout()) << 8 | uint64_t{kept(i)} << 16 |
              static_cast<uint64_t>(n.shape.rank()) << 24 |
              static_cast<uint64_t>(leaf ? 0 : n.inputs.size()) << 32;
      for (int64_t d : n.shape) *to++ = static_cast<uint64_t>(d);
      if (leaf) continue;
      for (const auto& in : n.inputs) *to++ = static_cast<uint64_t>(in->index);
      const auto bytes = n.attributes.bytes();
      std::memcpy(to, bytes.data(), bytes.size());
      to += bytes.size() / 8;
    }
    key.resize(static_cast<size_t>(to - key.data()));
  }

  Plan make_plan() const {
    Plan p;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const Node& n = *nodes_[i];
      plan::Value v;
      v.shape = n.shape;
      v.dtype = n.dtype;
      if (n.evaluated()) {
        v.layout = n.layout;
        p.leaves.push_back(static_cast<int>(i));
      } else {
        v.op = n.op;
        v.attributes = n.attributes;
        for (const auto& in : n.inputs) v.in.push_back(in->index);
        v.output = kept(i);
        if (v.output) p.outputs.push_back(static_cast<int>(i));
      }
      p.values.push_back(std::move(v));
    }
    return p;
  }

 private:
  /// Whether a value outlives the evaluation; kMadeAgain: what it is made of does.
  enum class Keep : char { kNot, kMadeAgain, kInMemory };
  struct Frame {
    Node* node;
    int next;
  };

  void visit(Node& root) {
    if (root.walk == walk_) return;
    std::vector<Frame>& stack = stack_;
    stack.push_back({&root, 0});
    root.walk = walk_;
    while (!stack.empty()) {
      auto& [node, next] = stack.back();
      if (!node->evaluated() && next < node->inputs.size()) {
        Node* in = node->inputs[next++].get();
        if (in->walk == walk_) continue;
        in->walk = walk_;
        stack.push_back({in, 0});
      } else {
        node->index = static_cast<int32_t>(nodes_.size());
        nodes_.push_back(node);
        uses_.push_back(0);
        keep_.push_back(Keep::kNot);
        stack.pop_back();
      }
    }
  }

  /// Keeps values that are referenced from outside the needed part, and those a recorded derivative
  /// reads.
  void keep_what_outlives() {
    for (Node* n : nodes_)
      if (!n->evaluated())
        for (const auto& in : n->inputs) ++uses_[in->index];
    for (size_t i = 0; i < nodes_.size(); ++i) {
      Node* n = nodes_[i];
      if (n->evaluated()) continue;
      if (n->refs() > uses_[i]) keep_[i] = Keep::kInMemory;
      if (!n->requires_grad || n->grad_leaf || n->released) continue;
      const uint32_t reads = n->backward_reads();
      if (reads & Op::kReadsOutput) keep_[i] = Keep::kInMemory;
      for (int k = 0; k < n->inputs.size(); ++k)
        if (has_input(reads, k)) keep(*n->inputs[k]);
    }
  }

  /// Keeps a value for a later derivative: in memory, or as what it is quickly made of again. A
  /// normalized activation is a multiply-add away from the product it was made of.
  void keep(const Node& n) {
    if (n.evaluated() || keep_[n.index] != Keep::kNot) return;
    const auto kind = n.op->traits().kind;
    int full = 0;
    for (const auto& in : n.inputs) full += in->shape == n.shape;
    const bool cheap =
        n.dtype == DType::kFloat32 &&
        ((kind == Traits::Kind::kPointwise && full == 1) || kind == Traits::Kind::kConcatenate ||
         (n.inputs.size() == 1 && is_half(n.inputs[0]->dtype)) || kind == Traits::Kind::kSlice ||
         kind == Traits::Kind::kRepeat);
    keep_[n.index] = cheap ? Keep::kMadeAgain : Keep::kInMemory;
    if (!cheap) return;
    for (const auto& in : n.inputs) keep(*in);
  }

  uint64_t walk_ = 0;
  std::vector<Node*> nodes_;
  std::vector<int32_t> uses_;
  std::vector<Keep> keep_;
  std::vector<Frame> stack_;
};

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

void eval_nodes(std::span<Node* const> roots) {
  thread_local std::vector<uint64_t> key;
  thread_local Needed needed;
  thread_local Run run;
  struct Clear {
    ~Clear() { run.clear(); }
  } clear;
  {
    std::lock_guard lock(graph_mutex());
    needed.collect(roots);
    if (needed.nodes().empty()) return;
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
    eval_nodes(roots);
  } catch (...) {
    for (size_t i = pending.size(); i-- > 0;)
      if (!pending[i].state->node()->evaluated()) pending[i].state->assign(pending[i].before);
  }
}

}  // namespace

void eval(std::span<const Tensor> tensors) {
  thread_local std::vector<Node*> roots;
  roots.clear();
  for (const Tensor& t : tensors) roots.push_back(&t.node());
  auto& pending = pending_state();
  for (const PendingState& p : pending) roots.push_back(p.state->node().get());
  try {
    eval_nodes(roots);
  } catch (...) {
    settle_state();
    throw;
  }
  pending.clear();
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
