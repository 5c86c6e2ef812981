#include "ballast/graph/pending.h"

#include <utility>

namespace ballast {
namespace {
// Lists whose threads have ended, for the threads to come: nodes keep pointing at them.
Pending*& waiting() {
  static Pending* first = nullptr;
  return first;
}
}  // namespace

// Never destroyed: globals may hold nodes.
std::mutex& pending_mutex() {
  static std::mutex* mutex = new std::mutex;
  return *mutex;
}

/// Closes a thread's list at the thread's end. Nodes that the thread makes or frees even later are
/// not listed.
struct Pending::Closer {
  ~Closer() {
    static constinit thread_local Pending none;
    std::exchange(here_, &none)->close();
  }
};

Pending& Pending::open() {
  static thread_local Closer closer;
  (void)closer;
  std::lock_guard lock(pending_mutex());
  if (waiting()) {
    here_ = waiting();
    waiting() = here_->next_;
  } else {
    here_ = new Pending;
  }
  here_->open_ = true;
  return *here_;
}

void Pending::close() {
  std::lock_guard lock(pending_mutex());
  while (first_) unlink(*first_);
  bury();
  open_ = in_backward_ = paused_ = false;
  evaluations_ = 0;
  set_held(0);
  next_ = std::exchange(waiting(), this);
}

bool Pending::leave_elsewhere(Node& n) {
  // Given up after the lock.
  InlineVector<Ref<Node>, 4> inputs;
  Ref<Buffer> buffer;
  Ref<GradSlot> slot;
  std::lock_guard lock(pending_mutex());
  // A sole holder gives up its reference without subtracting it; the list's thread may have taken
  // one since.
  if (n.refs() > 0 && n.drop_one() > 0) return false;
  if (!open_) return true;
  std::swap(inputs, n.inputs);
  std::swap(buffer, n.buffer);
  std::swap(slot, n.slot);
  n.next_dead = std::exchange(dead_, &n);
  return false;
}

void Pending::bury() {
  while (Node* const n = dead_) {
    dead_ = n->next_dead;
    if (n->listed) unlink(*n);
    delete n;
  }
}

}  // namespace ballast
