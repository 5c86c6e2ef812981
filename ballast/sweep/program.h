// Chains of pointwise operations, compiled to short programs that run over blocks of rows.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "ballast/kernels/fetch.h"
#include "ballast/kernels/pointwise.h"
#include "ballast/plan/plan.h"
#include "ballast/sweep/ends.h"
#include "ballast/sweep/sweep.h"

namespace ballast::sweep {

/// Rows [row, row+rows) of columns [c, c+n) of a value.
struct Block {
  int64_t row, rows, c, n;
};

/// Makes values of values in memory, block by block. Values that are `inlined` in the plan are
/// compiled in wherever they are read; concatenations cut the columns into segments, each with
/// instructions of its own.
class Program {
 public:
  /// Where one of the values the program makes goes.
  enum class Place : uint8_t {
    kMemory,    // the value's memory
    kGiven,     // the first array that `run` is given, for reductions the next ones
    kRegister,  // nowhere: only the program itself reads it
  };
  struct Result {
    int value;
    Place place;
  };

  /// channel_sums `value` of the result `of`, which its instruction may add up as it makes it.
  struct Sums {
    int value, of, x, coefficients;
  };

  /// `results` in topological order. Where a product's raw result is not stored, `raw` lies in the
  /// memory of the value `raw_at`, which the program then makes in place, or, where that is -1, is
  /// the last of the arrays given to `run`; otherwise both are -1.
  /// Of `sums`, either all are taken on the way, or none.
  Program(const plan::Plan& plan, std::span<const Result> results, int raw = -1, int raw_at = -1,
          std::span<const Sums> sums = {});
  /// Whether they are.
  bool summed() const { return summed_; }

  /// An array for a result of place kGiven: element (r, c) of the block at at[r*pitch + c].
  struct Given {
    float* at;
    int64_t pitch;
  };
  /// `cold`: nobody has fetched what it reads (`fetch`); it fetches as it goes. The sums over the
  /// block are added to `sums`: block.n of g, then as many of g*(x - m), for one after the other.
  void run(Pointers p, const Block& block, std::span<const Given> given, bool cold = false,
           float* sums = nullptr) const;
  /// Adds what `run` will read from memory.
  void fetch(Pointers p, const Block& block, kernels::Fetch& list) const;
  /// What an element costs, as `parallel_for` counts it.
  double cost() const;
  /// Whether results are written past the caches (`kernels::stream_fence`).
  bool streams() const;

 private:
  friend class ProgramCompiler;

  /// Element (r, c) of an operand: at base + (r / repeat)*pitch + c + offset.
  struct Operand {
    enum Kind : uint8_t { kNone, kMemory, kRegister, kGiven, kScalar } kind = kNone;
    int index = 0;
    int64_t pitch = 0, offset = 0, repeat = 1;
    bool operator==(const Operand&) const = default;
    /// Whether each row is elsewhere in memory.
    bool moves() const { return kind == kMemory && pitch > 0 && repeat == 1; }
  };
  struct Instruction {
    Pointwise code;
    Operand a, b, c;
    Operand rows[4];  // m, s, t, s2
    int sums = -1;    // which are taken here
    float p = 0, q = 0;
    Operand out;
    bool stream = false;  // a copy past the caches

    std::array<const Operand*, 3> operands() const { return {&a, &b, &c}; }
  };
  struct Segment {
    int64_t begin, end;
    std::vector<Instruction> code;
    int registers = 0;
    std::vector<int> scalars;  // values
    bool many_reads = false;   // of memory
  };

  /// Columns [begin, end) of a block.
  void run_segment(const Segment& s, Pointers p, const Block& b, int64_t begin, int64_t end,
                   std::span<const Given> given, bool cold, float* sums) const;

  std::vector<Segment> segments_;
  int64_t columns_ = 0;
  int64_t repeat_ = 0;  // rows of one sample, where an operand is repeated over them
  bool flat_ = true;    // nothing depends on the column: dense rows are one long row
  bool summed_ = false;
};

/// Whether a value is too large to be read again before it has left the caches: it is written past
/// them.
bool streams(const plan::Value& v);

/// Memory of the calling thread for programs, beside `scratch`.
float* program_memory(int64_t floats);

}  // namespace ballast::sweep
