#include "ballast/sweep/needed.h"

#include <algorithm>
#include <cstring>

#include "ballast/base/threads.h"
#include "ballast/graph/pending.h"

namespace ballast::sweep {
namespace {

// A value of this size is worth making what reads it in the same evaluation; smaller ones may stay
// alive until the next.
constexpr int64_t kLarge = 64 << 10;

/// Whether a value repeats the elements of a smaller one, of which it is quickly made again.
bool expands(const Node& n) {
  return n.op && n.inputs.size() == 1 && n.inputs[0]->numel() < n.numel() && n.op->repeats_input();
}

int64_t bytes_of(const Node& n) { return n.numel() * static_cast<int64_t>(size_of(n.dtype)); }

}  // namespace

void Needed::start() {
  walk_ = next_walk();
  nodes_.clear();
  uses_.clear();
  keep_.clear();
  joined_.clear();
}

void Needed::collect(std::span<Node* const> roots, Join join) {
  start();
  for (Node* root : roots)
    if (!root->evaluated()) visit(*root);
  if (nodes_.empty()) return;
  if (join != Join::kNone) join_pending(join);
  count_uses(joined_);
  for (Node* root : roots)
    if (root->walk == walk_) keep_[root->index] = Keep::kInMemory;
  keep_what_outlives();
}

void Needed::collect(std::span<const Ref<Node>> pending) {
  start();
  for (const auto& n : pending)
    if (!n->evaluated() && !expands(*n)) visit(*n);
  count_uses(pending);
  keep_what_outlives();
}

void Needed::visit(Node& root) {
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

void Needed::join_pending(Join join) {
  Pending& pending = Pending::here();
  pending.for_each([&](Node& n) {
    if (n.walk != walk_ && !n.failed && !expands(n)) joined_.push_back(Ref<Node>(&n));
  });
  const uint64_t none = joined_.empty() ? 0 : next_walk();
  size_t joined = 0;
  for (Ref<Node>& n : joined_) {
    if (n->walk == walk_) continue;  // read by one that joined
    const bool overdue = join == Join::kAll || n->evaluations < pending.evaluations() ||
                         (!n->from_backward && reads_large(*n, none));
    if (!overdue) continue;
    visit(*n);
    std::swap(joined_[joined++], n);
  }
  joined_.resize(joined);
}

/// Whether `root` reads, perhaps through other nodes, a large value that is to be made; `none`
/// marks nodes that do not.
bool Needed::reads_large(Node& root, uint64_t none) {
  if (root.walk == none) return false;
  std::vector<Frame>& stack = stack_;
  stack.push_back({&root, 0});
  root.walk = none;
  while (!stack.empty()) {
    auto& [node, next] = stack.back();
    if (node->evaluated() || next == node->inputs.size()) {
      stack.pop_back();
      continue;
    }
    Node* in = node->inputs[next++].get();
    if (in->walk == walk_ && !in->evaluated() && bytes_of(*in) >= kLarge) {
      for (const Frame& f : stack) f.node->walk = 0;
      stack.clear();
      return true;
    }
    if (in->walk == walk_ || in->walk == none) continue;
    in->walk = none;
    stack.push_back({in, 0});
  }
  return false;
}

void Needed::count_uses(std::span<const Ref<Node>> held) {
  for (Node* n : nodes_)
    if (!n->evaluated())
      for (const auto& in : n->inputs) ++uses_[in->index];
  for (const auto& n : held) {
    if (n->evaluated() || n->walk != walk_) continue;
    int32_t& uses = uses_[n->index];
    // Another thread may have let go of it: then it is made for nobody, but no plan makes less.
    if (uses == 0) keep_[n->index] = Keep::kInMemory;
    ++uses;
  }
}

/// Keeps values that are referenced from outside the needed part, and those that a recorded
/// derivative reads which someone may yet ask for.
void Needed::keep_what_outlives() {
  wanted_.assign(nodes_.size(), 0);
  less_.assign(nodes_.size(), 0);
  for (size_t i = nodes_.size(); i-- > 0;) {
    const Node* n = nodes_[i];
    if (n->evaluated() || !n->requires_grad || n->grad_leaf || n->released) continue;
    wanted_[i] |= n->refs() > uses_[i] || keep_[i] == Keep::kInMemory;
    if (wanted_[i])
      for (const auto& in : n->inputs) wanted_[in->index] = 1;
  }
  for (size_t i = 0; i < nodes_.size(); ++i) {
    Node* n = nodes_[i];
    if (n->evaluated()) continue;
    if (n->refs() > uses_[i]) {
      if (expands(*n))
        keep(*n);
      else
        keep_[i] = Keep::kInMemory;
    }
    if (!wanted_[i] || !n->requires_grad || n->grad_leaf || n->released) continue;
    const uint32_t reads = n->backward_reads();
    if (reads & Op::kReadsOutput) {
      if (made_of_less(*n))
        keep(*n);
      else
        keep_[i] = Keep::kInMemory;
    }
    for (int k = 0; k < n->inputs.size(); ++k)
      if (has_input(reads, k)) keep(*n->inputs[k]);
  }
}

/// Keeps a value for a later derivative: in memory, or as what it is quickly made of again. A
/// normalized activation is a multiply-add away from the product it was made of.
void Needed::keep(const Node& n) {
  if (n.evaluated() || keep_[n.index] != Keep::kNot) return;
  const auto kind = n.op->traits().kind;
  int full = 0;
  for (const auto& in : n.inputs) full += in->shape == n.shape;
  const bool cheap =
      made_of_less(n) ||
      (n.dtype == DType::kFloat32 &&
       ((kind == Traits::Kind::kPointwise && full == 1) || kind == Traits::Kind::kConcatenate ||
        (n.inputs.size() == 1 && is_half(n.inputs[0]->dtype)) || kind == Traits::Kind::kSlice ||
        kind == Traits::Kind::kRepeat));
  keep_[n.index] = cheap ? Keep::kMadeAgain : Keep::kInMemory;
  if (!cheap) return;
  for (const auto& in : n.inputs) keep(*in);
}

/// Whether a value is quickly made again of values that are smaller: an expanded tensor, its views
/// and parts, and what is computed of these element by element.
bool Needed::made_of_less(const Node& n) {
  if (n.evaluated() || !n.op) return false;
  if (less_[n.index]) return less_[n.index] == 2;
  const auto kind = n.op->traits().kind;
  const bool by_element = n.op->elementwise() && n.inputs.size() > 0;
  bool less = expands(n);
  if (!less && (by_element || kind == Traits::Kind::kView || kind == Traits::Kind::kSlice))
    less = std::all_of(n.inputs.begin(), n.inputs.end(), [&](const auto& in) {
      return (by_element && in->numel() < n.numel()) || made_of_less(*in);
    });
  less_[n.index] = less ? 2 : 1;
  return less;
}

bool Needed::evaluation() const {
  return std::none_of(nodes_.begin(), nodes_.end(),
                      [](const Node* n) { return n->requires_grad && !n->grad_leaf; });
}

void Needed::write_key(std::vector<uint64_t>& key) const {
  size_t most = 1;
  for (const Node* n : nodes_)
    most += 2 + static_cast<size_t>(n->shape.rank() + n->inputs.size()) +
            n->attributes.bytes().size() / 8;
  key.resize(most);
  uint64_t* to = key.data();
  *to++ = plan::options().bits() << 1 | uint64_t{flush_denormal()};
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

plan::Plan Needed::make_plan() const {
  plan::Plan p;
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

Needed::Held Needed::held() const {
  // What a graph reads that may yet be differentiated stays.
  std::vector<char> stays(nodes_.size());
  for (size_t i = 0; i < nodes_.size(); ++i)
    if (!nodes_[i]->evaluated() && wanted_[i])
      for (const auto& in : nodes_[i]->inputs) stays[in->index] = 1;
  std::vector<const Buffer*> free;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    const Node& n = *nodes_[i];
    if (n.evaluated() && !stays[i] && n.refs() == uses_[i]) free.push_back(n.buffer.get());
  }
  // Memory is free once all who share it let go of it.
  std::sort(free.begin(), free.end());
  Held held;
  for (size_t i = 0, next; i < free.size(); i = next) {
    for (next = i; next < free.size() && free[next] == free[i];) ++next;
    if (free[i]->refs() != static_cast<int64_t>(next - i)) continue;
    const auto bytes = static_cast<int64_t>(free[i]->bytes());
    held.bytes += bytes;
    held.largest = std::max(held.largest, bytes);
  }
  return held;
}

}  // namespace ballast::sweep
