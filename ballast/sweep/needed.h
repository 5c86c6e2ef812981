// The part of the graph that an evaluation makes.
#pragma once

#include <span>
#include <vector>

#include "ballast/plan/plan.h"

namespace ballast::sweep {

/// Nodes in topological order, inputs before readers, and which of them outlive the evaluation. One
/// per thread, reused: a steady step allocates nothing here. To be used under the graph lock.
class Needed {
 public:
  /// Which pending nodes of this thread join an evaluation, besides those that are asked for.
  enum class Join : uint8_t {
    kNone,
    kOverdue,  // those that were pending at the last evaluation, and those that would keep a large
               // value alive that this evaluation makes
    kAll,
  };

  void collect(std::span<Node* const> roots, Join join);
  /// Pending nodes, each held once by the list given.
  void collect(std::span<const Ref<Node>> pending);

  const std::vector<Node*>& nodes() const { return nodes_; }
  bool kept(size_t i) const { return keep_[i] == Keep::kInMemory; }
  /// The pending nodes that joined. They are held until `let_go`.
  const std::vector<Ref<Node>>& joined() const { return joined_; }
  void let_go() { joined_.clear(); }
  /// Whether nothing here belongs to a graph that is or was to be differentiated.
  bool evaluation() const;
  /// What the plan depends on, as numbers: the structure, no values.
  void write_key(std::vector<uint64_t>& key) const;
  plan::Plan make_plan() const;

  /// Bytes of memory that would be free if all were evaluated.
  struct Held {
    int64_t bytes = 0, largest = 0;  // in all, and of one value
  };
  Held held() const;

 private:
  /// Whether a value outlives the evaluation; kMadeAgain: what it is made of does.
  enum class Keep : char { kNot, kMadeAgain, kInMemory };
  struct Frame {
    Node* node;
    int next;
  };

  void start();
  void visit(Node& root);
  void join_pending(Join join);
  bool reads_large(Node& root, uint64_t none);
  void count_uses(std::span<const Ref<Node>> held);
  void keep_what_outlives();
  void keep(const Node& n);
  bool made_of_less(const Node& n);

  uint64_t walk_ = 0;
  std::vector<Node*> nodes_;
  std::vector<int32_t> uses_;  // references from other nodes here, and from lists of pending ones
  std::vector<Keep> keep_;
  std::vector<char> wanted_;  // someone may yet differentiate through it
  std::vector<char> less_;    // made_of_less: 0 not known, 1 no, 2 yes
  std::vector<Frame> stack_;
  std::vector<Ref<Node>> joined_;
};

}  // namespace ballast::sweep
