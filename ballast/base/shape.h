// Shapes: the logical sizes of a tensor's dimensions, in PyTorch's order (N, C, H, W).
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "ballast/base/error.h"

namespace ballast {

/// Sizes of a tensor's dimensions, held inline: shapes are made at every recorded operation.
class Shape {
 public:
  /// The most dimensions a tensor may have.
  static constexpr int kMaxRank = 16;

  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}
  /// Throws ValueError on a negative size or more than kMaxRank dimensions.
  explicit Shape(std::span<const int64_t> dims) {
    check<ValueError>(dims.size() <= kMaxRank, "a tensor has at most {} dimensions, got {}",
                      int{kMaxRank}, dims.size());
    for (int64_t d : dims) push_back(d);
  }
  Shape(const Shape& o) : rank_(o.rank_) { std::copy_n(o.dims_, rank_, dims_); }
  Shape& operator=(const Shape& o) {
    rank_ = o.rank_;
    std::copy_n(o.dims_, rank_, dims_);
    return *this;
  }

  int rank() const { return rank_; }
  int64_t operator[](int i) const { return dims_[i]; }
  int64_t& operator[](int i) { return dims_[i]; }
  int64_t back() const { return dims_[rank_ - 1]; }
  const int64_t* begin() const { return dims_; }
  const int64_t* end() const { return dims_ + rank_; }
  std::span<const int64_t> dims() const { return {dims_, static_cast<size_t>(rank_)}; }

  /// Appends a dimension. Throws ValueError if `d` is negative or the shape is full.
  void push_back(int64_t d) {
    check<ValueError>(d >= 0, "a dimension's size cannot be negative, got {}", d);
    check<ValueError>(rank_ < kMaxRank, "a tensor has at most {} dimensions", int{kMaxRank});
    dims_[rank_++] = d;
  }

  /// Number of elements; 1 for rank 0. Throws PyTorch's Error where int64 does not hold the product
  /// of the sizes that are not 0: strides are made of these, too.
  int64_t numel() const { return span_numel(0, rank_); }

  /// `dim` with negative values counted from the end. Throws PyTorch's IndexError outside the
  /// range.
  int normalize(int64_t dim, bool allow_end = false) const {
    const int64_t n = std::max(rank_, 1) + (allow_end && rank_ > 0 ? 1 : 0);
    check<IndexError>(dim >= -n && dim < n,
                      "Dimension out of range (expected to be in range of [{}, {}], but got {})",
                      -n, n - 1, dim);
    return static_cast<int>(dim < 0 ? dim + n : dim);
  }

  /// Product of the sizes of dimensions [from, to). Throws as `numel` does.
  int64_t span_numel(int from, int to) const {
    int64_t n = 1;
    bool empty = false, overflows = false;
    for (int i = from; i < to; ++i) {
      const bool zero = dims_[i] == 0;
      empty |= zero;
      overflows |= __builtin_mul_overflow(n, dims_[i] + zero, &n);
    }
    if (overflows) [[unlikely]]
      fail("numel: integer multiplication overflow in sizes {}", str());
    return empty ? 0 : n;
  }

  bool operator==(const Shape& o) const {
    return rank_ == o.rank_ && std::equal(begin(), end(), o.begin());
  }

  /// "[64, 3, 32, 32]", as PyTorch writes it.
  std::string str() const;

 private:
  int rank_ = 0;
  int64_t dims_[kMaxRank];
};

/// The shape both broadcast to, by NumPy's rule. Throws PyTorch's error where they do not fit.
Shape broadcast(const Shape& a, const Shape& b);

}  // namespace ballast

/// Shapes format themselves: messages are only built where something is wrong.
template <>
struct fmt::formatter<ballast::Shape> {
  constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
  template <class Context>
  auto format(const ballast::Shape& s, Context& context) const {
    auto out = context.out();
    for (char c : s.str()) *out++ = c;
    return out;
  }
};
