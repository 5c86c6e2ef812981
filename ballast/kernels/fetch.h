// Memory that the next piece of work will read, fetched into the cache while this one multiplies.
#pragma once

#include <algorithm>
#include <cstdint>

namespace ballast::kernels {

/// Fetches the cache line `ahead` floats beyond `at`. That may be beyond what there is, where
/// fetching does nothing: the address is no pointer to it.
inline void prefetch(const float* at, int64_t ahead) {
  __builtin_prefetch(reinterpret_cast<const float*>(reinterpret_cast<uintptr_t>(at) +
                                                    static_cast<uintptr_t>(ahead) * sizeof(float)));
}

/// Fetches a cache line into L2.
inline void prefetch_line(const float* at) { __builtin_prefetch(at, 0, 2); }

/// A list of memory to fetch, and how much of it has been. A product leaves the way to memory idle,
/// and what comes before and after it waits for memory: with the list, a product fetches a cache
/// line with every step along its depth (`Product::fetch`), and both go on at the same time. Where
/// the list is too long, what comes last is not fetched.
class Fetch {
 public:
  /// Adds `rows` rows of `columns` floats, `pitch` floats apart.
  void add(const float* at, int64_t pitch, int64_t rows, int64_t columns) {
    if (rows <= 0 || columns <= 0) return;
    if (pitch == columns) {
      columns *= rows;
      rows = 1;
    }
    for (int i = 0; i < count_; ++i)
      if (areas_[i].at == at) return;  // a chain may read the same memory twice
    if (count_ == kMost) return;
    areas_[count_++] = {at, pitch, rows, columns};
    lines_ += rows * ((columns + kLine - 1) / kLine);
  }

  /// Divides what is left over `blocks` calls of `take`.
  void divide(int64_t blocks) { each_ = (lines_ + blocks - 1) / std::max<int64_t>(blocks, 1); }

  /// Whether all has been fetched.
  bool done() const { return area_ == count_; }

  /// Writes where the next lines are to `lines`, `most` at most, and returns how many. The caller
  /// fetches them (`prefetch_line`).
  int64_t take(const float** lines, int64_t most) {
    const int64_t wanted = std::min(each_, most);
    int64_t n = 0;
    while (n < wanted && area_ < count_) {
      const Area& a = areas_[area_];
      const float* row = a.at + row_ * a.pitch;
      const int64_t begin = column_, end = std::min(a.columns, begin + (wanted - n) * kLine);
      for (int64_t c = begin; c < end; c += kLine) lines[n++] = row + c;
      column_ = end;
      if (column_ < a.columns) continue;
      column_ = 0;
      if (++row_ < a.rows) continue;
      row_ = 0;
      ++area_;
    }
    return n;
  }

 private:
  static constexpr int kMost = 64;
  static constexpr int64_t kLine = 16;
  struct Area {
    const float* at;
    int64_t pitch, rows, columns;
  };

  Area areas_[kMost];
  int count_ = 0, area_ = 0;
  int64_t lines_ = 0, each_ = 0, row_ = 0, column_ = 0;
};

}  // namespace ballast::kernels
