// The pending nodes of a thread: recorded, not evaluated yet, and held by somebody.
#pragma once

#include <cstdint>

#include "ballast/graph/node.h"

namespace ballast {

/// Lists the nodes that a thread has recorded and not evaluated, oldest first, so that an
/// evaluation can make what would otherwise keep large values alive. A node through which someone
/// may yet differentiate is not listed: to evaluate it would keep more memory, not less.
///
/// The list holds no references. Its thread alone links and unlinks nodes, without a lock. When
/// another thread lets go of a node last, it empties the node and leaves the shell to the list's
/// thread (`leave`); a lock makes it agree with `for_each`, which may be taking a reference.
class Pending {
 public:
  /// The calling thread's list.
  static Pending& here() {
    Pending* const p = here_;
    return p ? *p : open();
  }

  /// Puts a node at the end of the list, unless it is on one or has been.
  void add(Node& n) {
    if (n.pending || !open_) return;
    n.pending = this;
    n.evaluations = evaluations_;
    n.from_backward = in_backward_;
    n.listed = true;
    n.older = last_;
    (last_ ? last_->newer : first_) = &n;
    last_ = &n;
    weigh(kNodeWeight);
  }
  /// Called when the last reference to a node that has been on this list is given up. Returns
  /// whether the caller is to delete the node.
  bool leave(Node& n) {
    if (this != here_) return leave_elsewhere(n);
    if (n.listed) unlink(n);
    return true;
  }
  /// Calls f(node) for all nodes on the list that are not evaluated, oldest first. `f` may take
  /// references, and must not give any up. (By the list's thread.)
  template <class F>
  void for_each(const F& f);

  // How much the pending nodes may hold, in bytes: the memory of all evaluated values that they
  // read, whoever else holds these, and kNodeWeight for each node. More than this and it is worth
  // finding out what they alone hold.
  static constexpr int64_t kNodeWeight = 8 << 10;  // bounds plans too: about 2,000 nodes
  static constexpr int64_t kBound = 16 << 20;
  void weigh(int64_t bytes) { held_[in_backward_] += bytes; }
  /// Whether to look, as operations are recorded: not because of what backward() has recorded,
  /// which the optimizer's step is about to evaluate.
  bool heavy() const { return held_[0] > kBound && !in_backward_ && !paused_; }
  bool heavy_with_gradients() const { return held_[0] + held_[1] > kBound; }
  /// What has been found out.
  void set_held(int64_t bytes) {
    held_[0] = bytes;
    held_[1] = 0;
  }

  /// The evaluations that this thread has made.
  int64_t evaluations() const { return evaluations_; }
  void count_evaluation() { ++evaluations_; }

  /// While it lives, nodes of this thread are recorded by backward().
  class InBackward {
   public:
    InBackward() : list_(here()), before_(list_.in_backward_) { list_.in_backward_ = true; }
    ~InBackward() { list_.in_backward_ = before_; }
    InBackward(const InBackward&) = delete;
    InBackward& operator=(const InBackward&) = delete;

   private:
    Pending& list_;
    bool before_;
  };

  /// While it lives, the pending nodes of this thread stay so unless they are asked for: the graph
  /// itself is what someone looks at.
  class Pause {
   public:
    Pause() : list_(here()), before_(list_.paused_) { list_.paused_ = true; }
    ~Pause() { list_.paused_ = before_; }
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    Pending& list_;
    bool before_;
  };
  bool paused() const { return paused_; }
  bool in_backward() const { return in_backward_; }

 private:
  struct Closer;
  static Pending& open();
  void close();
  bool leave_elsewhere(Node& n);
  void unlink(Node& n) {
    (n.older ? n.older->newer : first_) = n.newer;
    (n.newer ? n.newer->older : last_) = n.older;
    n.older = n.newer = nullptr;
    n.listed = false;
  }
  /// Deletes the shells that other threads have left. Under the lock.
  void bury();

  Node *first_ = nullptr, *last_ = nullptr;
  Node* dead_ = nullptr;  // emptied by other threads; under the lock
  bool open_ = false;     // its thread lives; changes under the lock
  bool in_backward_ = false, paused_ = false;
  int64_t evaluations_ = 0;
  int64_t held_[2] = {0, 0};  // by what backward() has not recorded, and by what it has
  Pending* next_ = nullptr;   // of the lists that wait for a thread

  static inline constinit thread_local Pending* here_ = nullptr;
};

/// The lock under which nodes leave a list from elsewhere; nothing else is locked under it.
std::mutex& pending_mutex();

template <class F>
void Pending::for_each(const F& f) {
  std::lock_guard lock(pending_mutex());
  if (dead_) bury();
  for (Node* n = first_; n;) {
    Node* const next = n->newer;
    if (n->refs() > 0) {  // none: another thread is about to leave it
      if (n->evaluated())
        unlink(*n);
      else
        f(*n);
    }
    n = next;
  }
}

/// Evaluates pending nodes of this thread that alone keep much memory alive. Called as operations
/// are recorded, when the list is `heavy`. (Defined in sweep/.)
void relieve_pending();

}  // namespace ballast
