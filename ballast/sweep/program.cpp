#include "ballast/sweep/program.h"

#include <algorithm>

namespace ballast::sweep {
namespace {

// A block is what one instruction runs over: 4 KB, so that half a dozen of them (operands,
// registers) stay in a 32 KB L1 beside each other.
constexpr int64_t kBlock = 1024;
// An instruction alone runs over this many blocks at a time.
constexpr int64_t kAlone = 16;
// What lies in memory, and nobody has fetched, is fetched this many blocks before it is read.
constexpr int64_t kAhead = 2;
// Values of this size and more are written past the caches.
constexpr int64_t kStreamed = int64_t{8} << 20;

}  // namespace

bool streams(const plan::Value& v) { return v.bytes() >= kStreamed; }

bool Program::streams() const {
  return std::any_of(segments_.begin(), segments_.end(), [](const Segment& s) {
    return std::any_of(s.code.begin(), s.code.end(), [](const Instruction& i) { return i.stream; });
  });
}

double Program::cost() const {
  constexpr double kInstruction = 3;  // two operands and a result move
  double sum = 0;
  for (const Segment& s : segments_)
    sum += kInstruction * static_cast<double>(s.code.size()) * static_cast<double>(s.end - s.begin);
  return sum / static_cast<double>(columns_);
}

float* program_memory(int64_t floats) {
  thread_local Ref<Buffer> buffer;
  const size_t bytes = static_cast<size_t>(floats) * sizeof(float);
  if (!buffer || buffer->bytes() < bytes) buffer = Buffer::allocate(bytes);
  return reinterpret_cast<float*>(buffer->data());
}

void Program::run(Pointers p, const Block& b, std::span<const Given> given, bool cold,
                  float* sums) const {
  for (const Segment& s : segments_) {
    const int64_t begin = std::max(b.c, s.begin), end = std::min(b.c + b.n, s.end);
    if (begin < end) run_segment(s, p, b, begin, end, given, cold && s.many_reads, sums);
  }
}

void Program::fetch(Pointers p, const Block& b, kernels::Fetch& list) const {
  for (const Segment& s : segments_) {
    const int64_t begin = std::max(b.c, s.begin), end = std::min(b.c + b.n, s.end);
    if (begin >= end) continue;
    for (const Instruction& i : s.code)
      for (const Operand* o : i.operands())
        if (o->moves())
          list.add(
              reinterpret_cast<const float*>(p[o->index]) + b.row * o->pitch + begin + o->offset,
              o->pitch, b.rows, end - begin);
  }
}

void Program::run_segment(const Segment& s, Pointers p, const Block& b, int64_t begin, int64_t end,
                          std::span<const Given> given, bool cold, float* sums) const {
  const bool dense =
      flat_ && end - begin == columns_ &&
      std::all_of(given.begin(), given.end(), [&](const Given& g) { return g.pitch == columns_; });
  // Dense rows are one long row, beginning at the first.
  const int64_t count = dense ? 1 : b.rows, columns = dense ? b.rows * columns_ : end - begin;
  const int64_t width = std::min(columns, kBlock), ahead = std::max<int64_t>(kBlock / width, 1);
  // One instruction between memory leaves nothing in a cache for another: it may run over many
  // blocks. (One that only sums makes its result in a register.)
  const bool alone = s.code.size() == 1 && s.registers == 0 && !s.code[0].stream;
  const int64_t height = alone ? kAlone * ahead : ahead;
  const auto slots = static_cast<int64_t>(s.scalars.size()) + s.registers;
  alignas(64) float local[8 * kBlock];
  float* memory = slots <= 8 ? local : program_memory(slots * kBlock);
  float* registers = memory + static_cast<int64_t>(s.scalars.size()) * kBlock;
  for (size_t i = 0; i < s.scalars.size(); ++i)
    std::fill_n(memory + static_cast<int64_t>(i) * kBlock, width,
                *reinterpret_cast<const float*>(p[s.scalars[i]]));

  int64_t rows = 0;
  for (int64_t r = 0; r < count; r += rows) {
    rows = std::min(height, count - r);
    const int64_t row = b.row + r;
    if (repeat_) rows = std::min(rows, repeat_ - row % repeat_);
    for (int64_t c = 0; c < columns; c += width) {
      const int64_t n = std::min(width, columns - c);
      auto find = [&](const Operand& o) -> kernels::RowOperand {
        switch (o.kind) {
          case Operand::kMemory:
            return {reinterpret_cast<const float*>(p[o.index]) +
                        (o.repeat > 1 ? row / o.repeat : row) * o.pitch + begin + c + o.offset,
                    o.repeat > 1 ? 0 : o.pitch,
                    cold && o.moves() ? kAhead * (columns > width ? width : ahead * o.pitch) : 0};
          case Operand::kRegister:
            return {registers + o.index * kBlock, n};
          case Operand::kScalar:
            return {memory + o.index * kBlock, 0};
          case Operand::kGiven: {
            const Given& g = o.index < 0 ? given.back() : given[o.index];
            return {g.at + r * g.pitch + begin - b.c + c, g.pitch};
          }
          case Operand::kNone:
            break;
        }
        return {};
      };
      for (const Instruction& i : s.code) {
        const kernels::RowOperand out = find(i.out);
        if (i.stream) {
          const kernels::RowOperand from = find(i.a);
          kernels::stream(from.at, from.pitch, rows, n, const_cast<float*>(out.at), out.pitch);
          continue;
        }
        float* sum = i.sums >= 0 ? sums + 2 * i.sums * b.n + begin - b.c + c : nullptr;
        kernels::pointwise({.code = i.code,
                            .a = find(i.a),
                            .b = find(i.b),
                            .c = find(i.c),
                            .m = find(i.rows[0]).at,
                            .s = find(i.rows[1]).at,
                            .t = find(i.rows[2]).at,
                            .s2 = find(i.rows[3]).at,
                            .p = i.p,
                            .q = i.q,
                            .out = const_cast<float*>(out.at),
                            .out_pitch = out.pitch,
                            .rows = rows,
                            .columns = n,
                            .sum = sum,
                            .centred = sum ? sum + b.n : nullptr});
      }
    }
  }
}

}  // namespace ballast::sweep
