// The two ends of a product: what it reads its operands through, and what becomes of its result.
//
// Both see a value as a matrix of rows: one row holds the channels of one pixel (channels-last), or
// it is a row of a matrix. Pixel (n, i, j) of an image tensor is row (n*H + i)*W + j.
#pragma once

#include <algorithm>
#include <memory>

#include "ballast/base/threads.h"
#include "ballast/kernels/fetch.h"
#include "ballast/plan/plan.h"
#include "ballast/sweep/sweep.h"

namespace ballast::sweep {

class Program;

/// How a value is seen as rows.
struct Rows {
  explicit Rows(const plan::Value& v);
  int64_t count, columns;
};

/// An operand of a product: a value in memory, or what a chain of pointwise operations makes of
/// values in memory as they are read (the prologue). Immutable; any number of threads may read.
class Source {
 public:
  Source(const plan::Plan& plan, int value);
  Source(Source&&) noexcept;
  Source& operator=(Source&&) noexcept;
  ~Source();

  int64_t rows() const { return rows_.count; }
  int64_t columns() const { return rows_.columns; }
  /// Where row 0 begins, if rows lie in memory as they are read; row r is `pitch()` floats times r
  /// further on. Null where there is a chain to run, or segments to gather.
  const float* memory(Pointers p) const;
  int64_t pitch() const { return pitch_; }
  /// Writes columns [c, c+n) of rows [row, row+rows) to `to`, `ld` >= n floats from row to row.
  /// Uses no `scratch()`, so that a caller's own stays valid.
  void read(Pointers p, int64_t row, int64_t rows, int64_t c, int64_t n, float* to,
            int64_t ld) const;
  /// Adds the memory that `read` will read to `list`.
  void fetch(Pointers p, int64_t row, int64_t rows, int64_t c, int64_t n,
             kernels::Fetch& list) const;

 private:
  Rows rows_;
  int value_;  // in memory, or -1
  int64_t pitch_ = 0, offset_ = 0;
  std::unique_ptr<Program> chain_;
};

/// Adds the memory of pixels [left, right) of the lines [first, last] to `list`; lines of all
/// images are counted, of `width` pixels each.
void fetch_lines(const Source& source, Pointers p, int64_t first, int64_t last, int64_t width,
                 int64_t left, int64_t right, int64_t c, int64_t n, kernels::Fetch& list);

/// What becomes of a product's result (the epilogue): it is stored, pointwise chains are run over
/// it, and channels are summed, block by block while the block is in cache.
class Sink {
 public:
  /// `group`: its first value is the product's result; the others are made of it here.
  Sink(const plan::Plan& plan, const plan::Group& group);
  Sink(Sink&&) noexcept;
  ~Sink();

  int64_t rows() const;
  int64_t columns() const;
  /// Where the product writes: row r at memory(p) + r*pitch(). (The memory of the raw result where
  /// somebody reads that, else of a value made of it in place.)
  float* memory(Pointers p) const;
  int64_t pitch() const;
  /// Whether there is no such place: the product writes to memory of its own, and hands that to
  /// `take`.
  bool takes_raw() const;
  /// Whether rows are summed.
  bool sums() const;
  /// What an element costs, as `parallel_for` counts it.
  double cost() const;

  /// One run. What is taken is summed into slots, and `finish` merges the slots in order.
  class Run {
   public:
    Run(const Sink& sink, Pointers p, int64_t slots);
    /// The product has finished columns [c, c+n) of rows [row, row+rows) in memory(p). To be called
    /// once for every element; for one slot by one thread at a time, and in an order that shapes
    /// alone decide. Uses no `scratch()`. Where the sink `takes_raw`: element (row + i, c + j) is
    /// at raw[i*pitch + j].
    void take(int64_t slot, int64_t row, int64_t rows, int64_t c, int64_t n, float* raw = nullptr,
              int64_t pitch = 0) const;
    /// Adds the memory that `take` will read to `list`, and where the product will write.
    void fetch(int64_t row, int64_t rows, int64_t c, int64_t n, kernels::Fetch& list) const;
    /// After all of them.
    void finish() const;

   private:
    double* slot(int64_t i) const;
    /// Whether something has been summed into each slot; before, it holds nothing.
    bool* used() const;

    const Sink& sink_;
    Pointers p_;
    int64_t count_;
    Ref<Buffer> slots_;
  };

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

/// Calls f(run, slot, i) for each piece i of a sweep's work, which is cut by shape alone, and
/// finishes the run. Neighbours share a slot, and a thread: merging a slot for each of thousands of
/// small pieces would take longer than the sums. `order` is that of the slots.
template <class F>
void run_pieces(const Sink& sink, Pointers p, int64_t pieces, double cost, const F& f,
                Order order = Order::kForwards) {
  constexpr int64_t kSlots = 128;
  const int64_t slots = std::min(pieces, kSlots);
  const Sink::Run run(sink, p, std::max<int64_t>(slots, 1));
  parallel_for(
      slots, cost,
      [&](int64_t slot) {
        for (int64_t i = pieces * slot / slots; i < pieces * (slot + 1) / slots; ++i)
          f(run, slot, i);
      },
      order);
  run.finish();
}

}  // namespace ballast::sweep
