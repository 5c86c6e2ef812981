// A short vector kept inline: lists of inputs and gradients are almost always one to five long.
#pragma once

#include <concepts>
#include <span>
#include <utility>
#include <vector>

namespace ballast {

/// Up to N elements live inside the object; longer lists move to the heap as a whole.
template <class T, int N>
class InlineVector {
 public:
  InlineVector() = default;
  // Not a list of T: what such lists hold can only be copied.
  template <class... U>
  // NOLINTNEXTLINE(google-explicit-constructor): one value is a list, too
  requires(sizeof...(U) > 0 && (std::convertible_to<U, T> && ...)) InlineVector(U&&... values) {
    (push_back(T(std::forward<U>(values))), ...);
  }

  void push_back(T value) {
    if (heap_.empty() && size_ < N) {
      inline_[size_++] = std::move(value);
      return;
    }
    if (heap_.empty())
      for (int i = 0; i < size_; ++i) heap_.push_back(std::move(inline_[i]));
    heap_.push_back(std::move(value));
    ++size_;
  }
  void clear() {
    for (int i = 0; i < N; ++i) inline_[i] = T();
    heap_.clear();
    size_ = 0;
  }
  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* data() { return heap_.empty() ? inline_ : heap_.data(); }
  const T* data() const { return heap_.empty() ? inline_ : heap_.data(); }
  T& operator[](int i) { return data()[i]; }
  const T& operator[](int i) const { return data()[i]; }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }

 private:
  T inline_[N];
  std::vector<T> heap_;
  int size_ = 0;
};

}  // namespace ballast
