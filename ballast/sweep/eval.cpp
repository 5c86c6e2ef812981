#include "ballast/sweep/eval.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <list>
#include <unordered_map>
#include <utility>

#include "ballast/plan/plan.h"
#include "ballast/sweep/record.h"
#include "ballast/sweep/sweep.h"

namespace ballast {
namespace {

using plan::Plan;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// A plan compiled to sweeps, with the key it is found by.
struct Executable {
  std::vector<uint64_t> key;
  Plan plan;
  std::vector<std::unique_ptr<sweep::Sweep>> sweeps;
  int64_t prepared_bytes = 0;  // the most that one sweep wants
};

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
      if (root->walk == walk_) keep_[root->index] = 1;
    keep_what_outlives();
  }

  const std::vector<Node*>& nodes() const { return nodes_; }
  bool kept(size_t i) const { return keep_[i]; }

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
              static_cast<uint64_t>(leaf ? n.layout : Layout()) << 8 |
              uint64_t{keep_[i] != 0} << 16 | static_cast<uint64_t>(n.shape.rank()) << 24 |
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
        v.output = keep_[i];
        if (v.output) p.outputs.push_back(static_cast<int>(i));
      }
      p.values.push_back(std::move(v));
    }
    return p;
  }

 private:
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
        keep_.push_back(0);
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
      if (n->refs() > uses_[i]) keep_[i] = 1;
      if (!n->requires_grad || n->grad_leaf || n->released) continue;
      const uint32_t reads = n->op->gradient_reads();
      if (reads & Op::kReadsOutput) keep_[i] = 1;
      for (int k = 0; k < n->inputs.size(); ++k)
        if (reads >> k & 1) keep_[n->inputs[k]->index] = 1;
    }
  }

  uint64_t walk_ = 0;
  std::vector<Node*> nodes_;
  std::vector<int32_t> uses_;
  std::vector<char> keep_;
  std::vector<Frame> stack_;
};

uint64_t hash_of(const std::vector<uint64_t>& key) {
  uint64_t h = key.size();
  for (uint64_t k : key) h = (h ^ k) * 0x9E3779B97F4A7C15u, h ^= h >> 29;
  return h;
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
    auto made = std::make_shared<Executable>();
    made->key = key;
    made->plan = needed.make_plan();
    const plan::Options& o = plan::options();
    plan::run_passes(made->plan, o);
    for (const plan::Group& g : made->plan.groups) {
      made->sweeps.push_back(sweep::build(made->plan, g, o.fast));
      made->prepared_bytes = std::max(made->prepared_bytes, made->sweeps.back()->prepared_bytes());
    }
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

/// What one run of a plan needs: the nodes stay alive and in place while other threads go on.
struct Run {
  std::shared_ptr<const Executable> executable;
  std::vector<Ref<Node>> outputs;
  std::vector<Ref<Buffer>> leaves, made;  // memory of leaves and outputs, in the plan's order
  std::vector<Ref<Buffer>> owned;         // by value of the plan
  std::vector<std::byte*> at;

  void clear() {
    executable.reset();
    outputs.clear();
    leaves.clear();
    made.clear();
    owned.clear();
    at.clear();
  }
};

void run_sweeps(const std::shared_ptr<const Executable>& e, sweep::Pointers at) {
  Ref<Buffer> prepared;
  if (e->prepared_bytes) prepared = Buffer::allocate(e->prepared_bytes);
  sweep::Record* record = sweep::record_of_this_thread();
  std::vector<double> times;
  std::vector<const char*> kernels;
  const double begin = record ? now() : 0;
  for (const auto& s : e->sweeps) {
    const double start = record ? now() : 0;
    std::byte* to = s->prepared_bytes() ? prepared->data() : nullptr;
    if (to) s->prepare(at, to);
    s->run(at, to);
    if (!record) continue;
    times.push_back(now() - start);
    kernels.push_back(s->kernel());
  }
  if (record)
    record->ran(std::shared_ptr<const Plan>(e, &e->plan), kernels, times, now() - begin,
                e->prepared_bytes);
}

/// Memory for one run: leaves and outputs from outside, temporaries from an arena.
void execute(Run& run) {
  const Plan& p = run.executable->plan;
  auto root = [&](int v) { return p.values[v].alias >= 0 ? p.values[v].alias : v; };
  auto& at = run.at;
  auto& owned = run.owned;
  at.assign(p.values.size(), nullptr);
  owned.resize(p.values.size());
  for (size_t i = 0; i < p.leaves.size(); ++i) {
    owned[p.leaves[i]] = run.leaves[i];
    at[p.leaves[i]] = run.leaves[i]->data();
  }
  for (int out : p.outputs) {
    Ref<Buffer>& b = owned[root(out)];
    if (!b) b = Buffer::allocate(p.values[root(out)].bytes());
    at[root(out)] = b->data();
    run.made.push_back(b);
  }
  Ref<Buffer> arena;
  if (p.arena_bytes) arena = Buffer::allocate(p.arena_bytes);
  for (size_t v = 0; v < p.values.size(); ++v)
    if (p.values[v].offset >= 0) at[v] = arena->data() + p.values[v].offset;
  for (size_t v = 0; v < p.values.size(); ++v)
    if (p.values[v].alias >= 0) at[v] = at[p.values[v].alias];
  run_sweeps(run.executable, at.data());
}

/// Gives the outputs their memory; inputs nobody will differentiate through are dropped.
void commit(Run& run) {
  const Plan& p = run.executable->plan;
  for (size_t i = 0; i < run.outputs.size(); ++i) {
    Node& n = *run.outputs[i];
    if (n.evaluated()) continue;  // by another thread meanwhile: its memory may be in use
    n.buffer = run.made[i];
    n.layout = p.values[p.outputs[i]].layout;
    n.depth = 0;
    if (!n.requires_grad || n.grad_leaf || n.released) {
      n.inputs.clear();
      n.op = nullptr;
    }
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
    for (size_t i = 0; i < needed.nodes().size(); ++i) {
      Node* n = needed.nodes()[i];
      if (n->evaluated())
        run.leaves.push_back(n->buffer);
      else if (needed.kept(i))
        run.outputs.push_back(Ref<Node>(n));
    }
  }
  execute(run);
  std::lock_guard lock(graph_mutex());
  commit(run);
}

/// After a failed evaluation: the state that does not depend on what failed is computed, as it
/// would have been by then if every operation ran when it is called. Otherwise all of it returns to
/// the values before, or no evaluation would succeed any more.
void settle_state() {
  const std::vector<PendingState> pending = std::exchange(pending_state(), {});
  std::vector<Node*> roots;
  for (const PendingState& p : pending) roots.push_back(p.state->node.get());
  try {
    eval_nodes(roots);
  } catch (...) {
    for (size_t i = pending.size(); i-- > 0;)
      if (!pending[i].state->node->evaluated()) pending[i].state->assign(pending[i].before);
  }
}

}  // namespace

void eval(std::span<const Tensor> tensors) {
  thread_local std::vector<Node*> roots;
  roots.clear();
  for (const Tensor& t : tensors) roots.push_back(&t.node());
  auto& pending = pending_state();
  for (const PendingState& p : pending) roots.push_back(p.state->node.get());
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

const Tensor& Tensor::eval() const {
  if (!node().evaluated()) ballast::eval(std::span<const Tensor>(this, 1));
  return *this;
}

template <class T>
std::span<const T> Tensor::data() const {
  check<TypeError>(dtype() == dtype_of<T>, "expected a tensor of dtype {}, got {}",
                   name_of(dtype_of<T>), name_of(dtype()));
  eval();
  Node& n = node();
  if (n.layout == Layout::kChannelsLast) {
    std::lock_guard lock(graph_mutex());
    if (n.layout == Layout::kChannelsLast && !plan::layouts_coincide(n.shape)) {
      Ref<Buffer> b = Buffer::allocate(n.buffer->bytes());
      const Operand in{n.data(), n.shape, n.dtype};
      const Attributes to_row_major(plan::ConvertAttributes{0});
      plan::convert_layout_op().reference(
          Call{{&in, 1}, Operand{b->data(), n.shape, n.dtype}, to_row_major});
      n.buffer = b;
    }
    n.layout = Layout::kRowMajor;
  }
  return {reinterpret_cast<const T*>(n.data()), static_cast<size_t>(n.numel())};
}

template <class T>
std::span<T> Tensor::mutable_data() {
  data<T>();
  Node& n = node();
  if (n.buffer->refs() > 1 || n.buffer->external() || n.refs() > 1) {
    Ref<Node> own = make_leaf(n.shape, n.dtype);
    std::memcpy(own->data(), n.data(), n.numel() * sizeof(T));
    own->requires_grad = n.requires_grad;
    own->grad_leaf = n.grad_leaf;
    own->owner = n.owner ? impl() : nullptr;
    // It keeps its history, and with it its place in the graph.
    own->op = n.op;
    own->inputs = n.inputs;
    own->attributes = n.attributes;
    own->released = n.released;
    impl_->assign(std::move(own));
  }
  return {reinterpret_cast<T*>(node().data()), static_cast<size_t>(node().numel())};
}

template <class T>
T Tensor::item() const {
  check(numel() == 1, "a Tensor with {} elements cannot be converted to Scalar", numel());
  eval();
  return dispatch(dtype(), [&](auto zero) {
    return static_cast<T>(*reinterpret_cast<const decltype(zero)*>(node().data()));
  });
}

#define BALLAST_INSTANTIATE(T)                      \
  template std::span<const T> Tensor::data() const; \
  template std::span<T> Tensor::mutable_data();     \
  template T Tensor::item() const;
BALLAST_INSTANTIATE(bool)
BALLAST_INSTANTIATE(uint8_t)
BALLAST_INSTANTIATE(int64_t)
BALLAST_INSTANTIATE(float)
BALLAST_INSTANTIATE(double)
#undef BALLAST_INSTANTIATE

sweep::Record*& sweep::record_of_this_thread() {
  thread_local Record* record = nullptr;
  return record;
}

PlanCacheStatistics plan_cache_statistics() {
  std::lock_guard lock(graph_mutex());
  PlanCacheStatistics s = plan_cache().statistics;
  s.size = static_cast<int64_t>(plan_cache().size());
  return s;
}

}  // namespace ballast
