// From chains of pointwise operations in a plan to the instructions of a program.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "ballast/sweep/program.h"

namespace ballast::sweep {
namespace {

using plan::OperandMode;

// Of programs that read no more than so many arrays from memory the processor itself fetches ahead
// what they read, and better.
constexpr int kFewReads = 3;

}  // namespace

/// Compiles one segment: columns in which no concatenation changes from one input to the next.
class ProgramCompiler {
 public:
  using Operand = Program::Operand;
  using Instruction = Program::Instruction;

  ProgramCompiler(const plan::Plan& plan, Program& program, int64_t begin, int64_t end)
      : plan_(plan), program_(program) {
    segment_.begin = begin;
    segment_.end = end;
  }

  /// Reads `raw` from the memory of `at`: out of a register, as `at` may be made before the last
  /// reader of `raw`. Without such a value, raw is the last of the given arrays.
  void read_raw(int raw, int at) {
    const Operand out{Operand::kRegister, registers_++};
    emit_copy(at >= 0 ? in_memory(at) : Operand{Operand::kGiven, -1}, out);
    made_[{raw, 0}] = out;
    in_place_ = at >= 0;
  }

  Program::Segment compile(std::span<const Program::Result> results,
                           std::span<const Program::Sums> sums) {
    int given = 0;
    for (const Program::Result& r : results) {
      Operand out{Operand::kRegister, -1};
      const auto found = made_.find({r.value, 0});
      if (r.place == Program::Place::kMemory)
        out = in_memory(r.value);
      else if (r.place == Program::Place::kGiven)
        out = {Operand::kGiven, given++};
      // A block is made where its other readers find it, then copied past the caches. (Where the
      // raw result has been in that memory, it is in them anyway.)
      const bool past = out.kind == Operand::kMemory && !in_place_ &&
                        plan_.values[r.value].alias < 0 && sweep::streams(plan_.values[r.value]);
      if (found != made_.end())  // inlined into an earlier one
        emit_copy(found->second, out);
      else if (past)
        emit_copy(make(r.value, 0, {Operand::kRegister, -1}), out);
      else
        make(r.value, 0, out);
      segment_.code.back().stream = past;
    }
    drop_copies();
    combine();
    for (size_t k = 0; k < sums.size(); ++k)
      if (!sum(sums[k], static_cast<int>(k))) program_.summed_ = false;
    allocate_registers();
    segment_.many_reads = reads() > kFewReads;
    return std::move(segment_);
  }

  /// Arrays in memory that the code reads.
  int reads() const {
    std::set<std::pair<int, int64_t>> arrays;
    for (const Instruction& i : segment_.code)
      for (const Operand* o : i.operands())
        if (o->moves()) arrays.insert({o->index, o->offset});
    return static_cast<int>(arrays.size());
  }

  /// Columns at which an input of a concatenation ends, as seen from the result.
  static void boundaries(const plan::Plan& plan, int value, int64_t shift, bool top,
                         std::vector<int64_t>& out) {
    const plan::Value& v = plan.values[value];
    for (int64_t cut : v.cuts) out.push_back(shift + cut);
    if (!v.op || (v.home != plan::Home::kInlined && !top)) return;
    switch (v.op->traits().kind) {
      case Traits::Kind::kConcatenate: {
        int64_t at = shift;
        for (int in : v.in) {
          boundaries(plan, in, at, false, out);
          at += plan.values[in].shape[1];
          out.push_back(at);
        }
        return;
      }
      case Traits::Kind::kSlice:
        return boundaries(plan, v.in[0], shift - plan::slice_start(v), false, out);
      case Traits::Kind::kPointwise:
        for (int i = 0; i < v.in.size(); ++i)
          if (operand_mode(plan, v, i) == OperandMode::kFull)
            boundaries(plan, v.in[i], shift, false, out);
        return;
      default:
        return;
    }
  }

 private:
  void emit_copy(const Operand& from, const Operand& to) {
    Instruction i{};
    i.code = Pointwise::kCopy;
    i.a = from;
    i.out = to;
    segment_.code.push_back(i);
  }

  /// Emits what makes `value` at `out`.
  Operand make(int value, int64_t shift, Operand out) {
    const plan::Value& v = plan_.values[value];
    Instruction i{};
    if (v.op->traits().kind == Traits::Kind::kPointwise) {
      i = pointwise(v, shift);
    } else {
      i.code = Pointwise::kCopy;
      i.a = gathered(v, shift);
    }
    if (out.kind == Operand::kRegister) out.index = registers_++;
    i.out = out;
    segment_.code.push_back(i);
    made_[{value, shift}] = out;
    return out;
  }

  Instruction pointwise(const plan::Value& v, int64_t shift) {
    Instruction i{};
    const Traits t = v.op->traits();
    i.code = t.code;
    if (t.code == Pointwise::kClamp || t.code == Pointwise::kClampGrad ||
        t.code == Pointwise::kLeakyRelu || t.code == Pointwise::kLeakyReluGrad) {
      const double* parameters = &v.attributes.as<double>();
      i.p = static_cast<float>(parameters[0]);
      i.q = static_cast<float>(parameters[1]);
    }
    i.a = operand(v, 0, shift);
    if (v.in.size() < 2) return i;
    if (operand_mode(plan_, v, 1) != OperandMode::kCoefficients) {
      i.b = operand(v, 1, shift);
      return i;
    }
    program_.flat_ = false;
    const int64_t channels = plan_.values[v.in[1]].shape[1];
    for (int k = 0; k < 3; ++k) i.rows[k] = {Operand::kMemory, v.in[1], 0, k * channels - shift};
    return i;
  }

  Operand operand(const plan::Value& v, int input, int64_t shift) {
    const int in = v.in[input];
    switch (operand_mode(plan_, v, input)) {
      case OperandMode::kFull:
        return full(in, shift);
      case OperandMode::kScalar: {
        const auto at = std::find(segment_.scalars.begin(), segment_.scalars.end(), in);
        const auto index = static_cast<int>(at - segment_.scalars.begin());
        if (at == segment_.scalars.end()) segment_.scalars.push_back(in);
        return {Operand::kScalar, index};
      }
      case OperandMode::kSample:
        return sample(in, v, shift);
      default:
        program_.flat_ = false;
        return {Operand::kMemory, in, 0, -shift};
    }
  }

  /// One row for all pixels of a sample of `v`.
  Operand sample(int in, const plan::Value& v, int64_t shift) {
    program_.flat_ = false;
    const int64_t pixels = v.shape.span_numel(2, v.shape.rank());
    if (pixels > 1) program_.repeat_ = pixels;
    return {Operand::kMemory, in, v.shape[1], -shift, pixels};
  }

  /// Element (r, c - shift) of a value of all rows.
  Operand full(int value, int64_t shift) {
    const auto made = made_.find({value, shift});
    if (made != made_.end()) return made->second;
    const plan::Value& v = plan_.values[value];
    if (v.home != plan::Home::kInlined) {
      if (shift != 0) program_.flat_ = false;
      return in_memory(value, shift);
    }
    if (v.op->traits().kind != Traits::Kind::kPointwise) return gathered(v, shift);
    return make(value, shift, {Operand::kRegister, -1});
  }

  /// What a concatenation, slice or repetition reads in this segment.
  Operand gathered(const plan::Value& v, int64_t shift) {
    program_.flat_ = false;
    switch (v.op->traits().kind) {
      case Traits::Kind::kConcatenate:
      case Traits::Kind::kSlice: {
        const auto [in, at] = chosen(v, shift);
        return full(in, at);
      }
      case Traits::Kind::kRepeat:
        return sample(v.in[0], v, shift);
      default:
        break;
    }
    fail("program: '{}' cannot be read by rows", v.op->name());
  }

  /// A copy with one reader is read at its source, where that is not written before.
  void drop_copies() {
    if (segment_.code.size() < 2 || segment_.code[0].code != Pointwise::kCopy) return;
    Instruction& copy = segment_.code[0];
    if (copy.out.kind != Operand::kRegister || uses(copy.out.index) != 1) return;
    for (Instruction& i : segment_.code)
      for (Operand* o : {&i.a, &i.b})
        if (*o == copy.out) {
          *o = copy.a;
          segment_.code.erase(segment_.code.begin());
          return;
        }
  }

  /// How often the program reads a register.
  int uses(int reg) const {
    int n = 0;
    for (const Instruction& i : segment_.code)
      for (const Operand* o : i.operands()) n += *o == Operand{Operand::kRegister, reg};
    return n;
  }

  /// The instruction that makes an operand nobody else reads, or null.
  Instruction* only_source(const Operand& o) {
    if (o.kind != Operand::kRegister || uses(o.index) != 1) return nullptr;
    for (Instruction& i : segment_.code)
      if (i.out == o) return &i;
    return nullptr;
  }

  /// Puts pairs of instructions together, from the front, until nothing changes.
  void combine() {
    auto& code = segment_.code;
    for (size_t k = 0; k < code.size(); ++k) {
      while (combine_into(code[k])) {
      }
    }
    std::erase_if(code, [](const Instruction& i) { return i.code == Pointwise::kNone; });
  }

  bool combine_into(Instruction& i) {
    Instruction *a = only_source(i.a), *b = only_source(i.b);
    auto take = [&](Instruction* from, Pointwise code, Operand new_a, Operand new_b) {
      i.code = code;
      i.a = new_a;
      i.b = new_b;
      std::copy_n(from->rows, 3, i.rows);
      from->code = Pointwise::kNone;
      from->out = {};
      return true;
    };
    auto is = [](const Instruction* x, Pointwise code) { return x && x->code == code; };
    switch (i.code) {
      case Pointwise::kRelu:
        if (is(a, Pointwise::kChannelAffine)) return take(a, Pointwise::kAffineRelu, a->a, {});
        if (is(a, Pointwise::kAffineAdd)) return take(a, Pointwise::kAffineAddRelu, a->a, a->b);
        if (is(a, Pointwise::kAdd)) return take(a, Pointwise::kAddRelu, a->a, a->b);
        return false;
      case Pointwise::kClamp:
        return is(a, Pointwise::kChannelAffine) && take(a, Pointwise::kAffineClamp, a->a, {});
      case Pointwise::kReluGrad:
        // The step functions of relu(x) and of x are the same.
        if (is(b, Pointwise::kChannelAffine) || is(b, Pointwise::kAffineRelu))
          return take(b, Pointwise::kAffineReluGrad, i.a, b->a);
        return false;
      case Pointwise::kClampGrad:
        return is(b, Pointwise::kChannelAffine) && take(b, Pointwise::kAffineClampGrad, i.a, b->a);
      case Pointwise::kAdd:
        return combine_add(i, a, b, take);
      default:
        return false;
    }
  }

  template <class Take>
  bool combine_add(Instruction& i, Instruction* a, Instruction* b, const Take& take) {
    auto is = [](const Instruction* x, Pointwise code) { return x && x->code == code; };
    // Addition commutes, bit for bit.
    for (auto [scale, affine] : {std::pair{a, b}, std::pair{b, a}})
      if (is(scale, Pointwise::kChannelScale) && is(affine, Pointwise::kChannelAffine)) {
        i.rows[3] = scale->rows[1];
        const Operand g = scale->a;
        scale->code = Pointwise::kNone;
        scale->out = {};
        return take(affine, Pointwise::kNormGrad, g, affine->a);
      }
    if (is(a, Pointwise::kChannelAffine)) return take(a, Pointwise::kAffineAdd, a->a, i.b);
    if (is(b, Pointwise::kChannelAffine)) return take(b, Pointwise::kAffineAdd, b->a, i.a);
    if (is(a, Pointwise::kChannelScale)) return take(a, Pointwise::kScaleAdd, a->a, i.b);
    if (is(b, Pointwise::kChannelScale)) return take(b, Pointwise::kScaleAdd, b->a, i.a);
    return false;
  }

  /// Takes the sums where their operand is made: a gradient through an activation of the same
  /// normalization of the same x. A multiply-add by it that nobody else waits for joins in.
  bool sum(const Program::Sums& sums, int index) {
    const auto made = made_.find({sums.of, 0});
    if (made == made_.end()) return false;
    auto& code = segment_.code;
    const auto maker = std::find_if(code.begin(), code.end(),
                                    [&](const Instruction& i) { return i.out == made->second; });
    if (maker == code.end() || maker->sums >= 0) return false;
    const bool relu = maker->code == Pointwise::kAffineReluGrad;
    if (!relu && maker->code != Pointwise::kAffineClampGrad) return false;
    if (!(maker->rows[0] == Operand{Operand::kMemory, sums.coefficients}) ||
        !(maker->b == in_memory(sums.x)))
      return false;
    maker->sums = index;
    const auto reader = std::find_if(maker, code.end(), [&](const Instruction& i) {
      return i.code == Pointwise::kScaleAdd && i.a == maker->out;
    });
    if (reader == code.end() || maker->out.kind != Operand::kRegister ||
        uses(maker->out.index) != 1 || !(reader->rows[1] == maker->rows[1]))
      return true;
    Instruction both = *maker;
    both.code = relu ? Pointwise::kReluGradScaleAdd : Pointwise::kClampGradScaleAdd;
    both.c = reader->b;
    both.out = reader->out;
    *reader = both;
    code.erase(maker);
    return true;
  }

  /// Where the columns of the segment of `value` lie, if that is in memory.
  Operand in_memory(int value, int64_t shift = 0) const {
    const plan::Value& v = plan_.values[value];
    if (v.home == plan::Home::kInlined) {
      const Traits::Kind kind = v.op->traits().kind;
      if (kind != Traits::Kind::kSlice && kind != Traits::Kind::kConcatenate) return {};
      const auto [in, at] = chosen(v, shift);
      return in_memory(in, at);
    }
    const Rows rows(v);
    const auto next = std::upper_bound(v.cuts.begin(), v.cuts.end(), segment_.begin - shift);
    const int64_t begin = next == v.cuts.begin() ? 0 : next[-1],
                  end = next == v.cuts.end() ? rows.columns : *next;
    return {Operand::kMemory, value, end - begin, begin * (rows.count - 1) - shift};
  }

  /// The input of a slice or concatenation that is read in this segment, and its shift.
  std::pair<int, int64_t> chosen(const plan::Value& v, int64_t shift) const {
    if (v.op->traits().kind == Traits::Kind::kSlice) return {v.in[0], shift - plan::slice_start(v)};
    for (int in : v.in) {
      const int64_t end = shift + plan_.values[in].shape[1];
      if (segment_.begin < end) return {in, shift};
      shift = end;
    }
    fail("program: '{}' has no column {}", v.op->name(), segment_.begin);
  }

  /// Registers are used again once their last reader has run.
  void allocate_registers() {
    auto& code = segment_.code;
    std::map<int, size_t> last;
    for (size_t k = 0; k < code.size(); ++k)
      for (const Operand* o : code[k].operands())
        if (o->kind == Operand::kRegister) last[o->index] = k;
    std::map<int, int> place;
    std::vector<int> free;
    for (size_t k = 0; k < code.size(); ++k) {
      for (Operand* o : {&code[k].a, &code[k].b, &code[k].c}) {
        if (o->kind != Operand::kRegister) continue;
        const int old = o->index;
        o->index = place.at(old);
        if (last.at(old) == k) {
          last[old] = code.size();  // once, where both operands are the same
          free.push_back(o->index);
        }
      }
      Operand& out = code[k].out;
      if (out.kind != Operand::kRegister) continue;
      int& p = place[out.index];
      if (free.empty()) {
        p = segment_.registers++;
      } else {
        p = free.back();
        free.pop_back();
      }
      out.index = p;
    }
  }

  const plan::Plan& plan_;
  Program& program_;
  Program::Segment segment_;
  std::map<std::pair<int, int64_t>, Operand> made_;
  int registers_ = 0;
  bool in_place_ = false;
};

Program::Program(const plan::Plan& plan, std::span<const Result> results, int raw, int raw_at,
                 std::span<const Sums> sums)
    : summed_(!sums.empty()) {
  columns_ = Rows(plan.values[results[0].value]).columns;
  std::vector<int64_t> cuts{0, columns_};
  for (const Result& r : results) ProgramCompiler::boundaries(plan, r.value, 0, true, cuts);
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  for (size_t k = 0; k + 1 < cuts.size(); ++k)
    if (cuts[k] >= 0 && cuts[k + 1] <= columns_) {
      ProgramCompiler compiler(plan, *this, cuts[k], cuts[k + 1]);
      if (raw >= 0) compiler.read_raw(raw, raw_at);
      segments_.push_back(compiler.compile(results, sums));
    }
}

}  // namespace ballast::sweep
