// Intrusive reference counting: graph nodes are made by the thousand, one allocation each.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace ballast {

/// Base of counted objects. `Derived` may define `static void destroy(Derived*)` to pool its
/// memory.
template <class Derived>
class Counted {
 public:
  Counted() = default;
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

  void retain() const { refs_.fetch_add(1, std::memory_order_relaxed); }
  /// Counts the first holder of an object that was just made.
  void begin() const { refs_.store(1, std::memory_order_relaxed); }
  void release() const {
    // The last holder has nobody to agree with: looking is much cheaper than subtracting.
    if (refs() == 1 || refs_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      Derived::destroy(const_cast<Derived*>(static_cast<const Derived*>(this)));
  }
  /// Number of references; a value of one means the asker is the only holder.
  int64_t refs() const { return refs_.load(std::memory_order_acquire); }

  static void destroy(Derived* self) { delete self; }

 protected:
  /// Takes one reference away, without an end; returns how many are left.
  int64_t drop_one() const { return refs_.fetch_sub(1, std::memory_order_acq_rel) - 1; }

 private:
  mutable std::atomic<int64_t> refs_{0};
};

/// Owning pointer to a counted object.
template <class T>
class Ref {
 public:
  Ref() = default;
  Ref(T* p) : p_(p) {  // NOLINT(google-explicit-constructor): a Ref is a pointer
    if (p_) p_->retain();
  }
  /// Holds an object that was just made, and that nobody else has seen.
  static Ref first(T* p) {
    p->begin();
    Ref r;
    r.p_ = p;
    return r;
  }
  Ref(const Ref& o) : Ref(o.p_) {}
  Ref(Ref&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  Ref& operator=(Ref o) noexcept {
    std::swap(p_, o.p_);
    return *this;
  }
  ~Ref() {
    if (p_) p_->release();
  }

  T* get() const { return p_; }
  T* operator->() const { return p_; }
  T& operator*() const { return *p_; }
  explicit operator bool() const { return p_ != nullptr; }
  bool operator==(const Ref& o) const = default;

  /// Replaces a pointer that other threads look at by `published`: whoever finds it there finds all
  /// that was written before. Those who write take turns.
  void publish(Ref o) {
    T* const before = p_;
    atomic().store(o.p_, std::memory_order_release);
    o.p_ = before;
  }
  bool published() const { return atomic().load(std::memory_order_acquire) != nullptr; }

 private:
  std::atomic_ref<T*> atomic() const { return std::atomic_ref<T*>(const_cast<T*&>(p_)); }

  T* p_ = nullptr;
};

/// A new counted object.
template <class T, class... Args>
Ref<T> make_ref(Args&&... args) {
  return Ref<T>::first(new T(std::forward<Args>(args)...));
}

}  // namespace ballast
