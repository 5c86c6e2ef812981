// Memory that the next piece of work will read, fetched into the cache while this one multiplies.
#pragma once

#include <algorithm>
#include <cstdint>

namespace ballast::kernels {

/// Floats of a cache line.
inline constexpr int64_t kLine = 16;

/// Fetches the cache line `ahead` floats beyond `at`. That may be beyond what there is, where
/// fetching does nothing: the address is no pointer to it. (Always inlined: to GCC a function that
/// only fetches does nothing, and calls of it are dropped.)
[[gnu::always_inline]] inline void prefetch(const float* at, int64_t ahead) {
  __builtin_prefetch(reinterpret_cast<const float*>(reinterpret_cast<uintptr_t>(at) +
                                                    static_cast<uintptr_t>(ahead) * sizeof(float)));
}

/// Fetches a cache line into L2.
[[gnu::always_inline]] inline void prefetch_line(const float* at) { __builtin_prefetch(at, 0, 2); }

/// A list of memory to fetch, and how much of it has been. A product leaves the way to memory idle,
/// and what comes before and after it waits for memory: with the list, a product fetches a cache
/// line with every step along its depth (`Product::fetch`), and both go on at the same time. Where
/// the list is too long, what comes last is not fetched.
class Fetch {
 public:
  /// What is left of the cache lines of some rows.
  class Lines {
   public:
    Lines() = default;
    /// `rows` rows of `width` lines, `pitch` floats apart.
    Lines(const float* at, int64_t pitch, int64_t rows, int64_t width)
        : at_(at),
          count_(rows * width),
          left_(width),
          width_(width),
          skip_(pitch - width * kLine) {}
    int64_t count() const { return count_; }
    /// Takes in rows that begin where these end, if there are as many and as far apart.
    bool widen(const float* at, int64_t pitch, int64_t rows, int64_t width) {
      if (at != at_ + width_ * kLine || pitch != skip_ + width_ * kLine || rows * width_ != count_)
        return false;
      count_ += rows * width;
      left_ = width_ += width;
      skip_ -= width * kLine;
      return true;
    }
    const float* at() const { return at_; }
    /// The next line.
    const float* next() {
      const float* line = at_;
      at_ += kLine;
      if (--left_ == 0) {
        left_ = width_;
        at_ += skip_;
      }
      return line;
    }
    /// Counts `n` lines as taken, by calls of `next` that may follow.
    void took(int64_t n) { count_ -= n; }

   private:
    const float* at_;
    int64_t count_, left_, width_, skip_;  // lines; lines of the row, and of all rows; floats
  };

  /// So many of the lines, to be fetched (`prefetch_line`).
  struct Share {
    Lines* lines;
    int64_t count;
  };

  /// Adds `rows` rows of `columns` floats, `pitch` floats apart; before anything is taken.
  void add(const float* at, int64_t pitch, int64_t rows, int64_t columns) {
    if (rows <= 0 || columns <= 0) return;
    if (pitch == columns) {
      columns *= rows;
      rows = 1;
    }
    const int64_t width = (columns + kLine - 1) / kLine;
    for (int i = 0; i < count_; ++i) {
      if (areas_[i].at() == at) return;  // a chain may read the same memory twice
      if (areas_[i].widen(at, pitch, rows, width)) {
        lines_ += rows * width;
        return;
      }
    }
    if (count_ == kMost) return;
    areas_[count_] = Lines(at, pitch, rows, width);
    lines_ += areas_[count_++].count();
  }

  /// Divides what is left over `blocks` calls of `take`.
  void divide(int64_t blocks) { each_ = (lines_ + blocks - 1) / std::max<int64_t>(blocks, 1); }

  /// Whether all has been given away.
  bool done() const { return area_ == count_; }

  /// Gives away the next lines, `most` at most, in up to `parts` shares. Returns how many of these.
  /// They must be fetched before the next call.
  int take(int64_t most, int parts, Share* shares) {
    int64_t wanted = std::min(each_, most);
    int n = 0;
    while (wanted > 0 && n < parts && area_ < count_) {
      Lines& lines = areas_[area_];
      const int64_t count = std::min(wanted, lines.count());
      lines.took(count);
      if (lines.count() == 0) ++area_;
      shares[n++] = {&lines, count};
      wanted -= count;
    }
    return n;
  }

 private:
  static constexpr int kMost = 64;

  Lines areas_[kMost];
  int count_ = 0, area_ = 0;
  int64_t lines_ = 0, each_ = 0;
};

}  // namespace ballast::kernels
