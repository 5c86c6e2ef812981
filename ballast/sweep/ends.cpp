#include "ballast/sweep/ends.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "ballast/kernels/columns.h"
#include "ballast/kernels/pointwise.h"
#include "ballast/ops/batch_norm.h"
#include "ballast/sweep/pieces.h"
#include "ballast/sweep/program.h"

namespace ballast::sweep {
namespace {

using plan::Home;

// Floats that are summed at a time: 16 KB, half of an L1, which is where an array between a program
// and the sums over it stays; more where there are no arrays in between. Of wide rows, so many
// columns, for enough rows to go with them.
constexpr int64_t kChunk = 4096, kMemoryChunk = 16384, kChunkColumns = 128;
// Columns whose slots are merged at a time: neighbouring cache lines of each.
constexpr int64_t kMerged = 32;
// Arrays that a program may give to sums; beyond the few that an L1 holds, only where it must.
constexpr int kFewGiven = 8, kMaxGiven = 32;

const float* floats(Pointers p, int value) { return reinterpret_cast<const float*>(p[value]); }

/// Where the rows of an operand of a sum are: in memory, or given by the program.
struct Summand {
  int value = -1, given = -1;
  int64_t pitch = 0;
};

/// Sums over rows. The slot of a piece holds, for moments, the rows counted, mean and centred
/// squares; otherwise the sums: of g, and of g*(x - centre) where there is an x.
struct Reduction {
  enum Kind : uint8_t { kMoments, kSums, kSum } kind = kSum;
  int value = -1;
  Summand a, b;
  int centre = -1;
  int64_t slot = 0;  // first double
  int taken = -1;    // which of the sums that the program takes on the way; -1: none

  int64_t lines() const { return kind == kMoments ? 3 : kind == kSums ? 2 : 1; }
};

/// Chan, Golub & LeVeque (1979): counts, means and centred squares of two samples, each `line`
/// doubles after the other, give those of both.
void merge_moments(double* a, const double* b, int64_t line, int64_t columns) {
  double *mean = a + line, *squares = a + 2 * line;
  for (int64_t c = 0; c < columns; ++c) {
    const double n = a[c] + b[c], share = n > 0 ? b[c] / n : 0.0, delta = b[line + c] - mean[c];
    mean[c] += delta * share;
    squares[c] += b[2 * line + c] + delta * delta * a[c] * share;
    a[c] = n;
  }
}

/// Adds columns [c, c+n) of slot `from` of a reduction to those of slot `to`.
void merge(const Reduction& r, double* to, const double* from, int64_t columns, int64_t c,
           int64_t n) {
  if (r.kind == Reduction::kMoments) return merge_moments(to + c, from + c, columns, n);
  for (int64_t line = 0; line < r.lines(); ++line)
    for (int64_t k = line * columns + c; k < line * columns + c + n; ++k) to[k] += from[k];
}

/// Memory of the calling thread for what a program gives to sums.
float* sum_memory(int64_t size) {
  thread_local Ref<Buffer> buffer;
  const size_t bytes = static_cast<size_t>(size) * sizeof(float);
  if (!buffer || buffer->bytes() < bytes) buffer = Buffer::allocate(bytes);
  return reinterpret_cast<float*>(buffer->data());
}

}  // namespace

Rows::Rows(const plan::Value& v)
    : columns(v.shape.rank() == 0        ? 1
              : plan::rows_are_pixels(v) ? v.shape[1]
                                         : v.shape.back()) {
  count = columns ? v.shape.numel() / columns : 0;
}

Source::Source(const plan::Plan& plan, int value)
    : rows_(plan.values[value]), value_(value), pitch_(rows_.columns) {
  // A slice of something in memory is memory, too.
  while (plan.values[value_].home == Home::kInlined &&
         plan.values[value_].op->traits().kind == Traits::Kind::kSlice) {
    offset_ += plan::slice_start(plan.values[value_]);
    value_ = plan.values[value_].in[0];
    pitch_ = plan.values[value_].shape[1];
  }
  if (plan.values[value_].home != Home::kInlined) return;
  value_ = -1;
  const Program::Result result{value, Program::Place::kGiven};
  chain_ = std::make_unique<Program>(plan, std::span(&result, 1));
}
Source::Source(Source&&) noexcept = default;
Source& Source::operator=(Source&&) noexcept = default;
Source::~Source() = default;

const float* Source::memory(Pointers p) const {
  return value_ >= 0 ? floats(p, value_) + offset_ : nullptr;
}

void Source::read(Pointers p, int64_t row, int64_t rows, int64_t c, int64_t n, float* to,
                  int64_t ld) const {
  if (rows == 0 || n == 0) return;
  if (chain_) {
    const Program::Given given{to, ld};
    chain_->run(p, {row, rows, c, n}, std::span(&given, 1));
    return;
  }
  const float* from = memory(p) + row * pitch_ + c;
  if (n == ld && n == pitch_) {
    std::memcpy(to, from, rows * n * sizeof(float));
    return;
  }
  for (int64_t r = 0; r < rows; ++r) std::memcpy(to + r * ld, from + r * pitch_, n * sizeof(float));
}

void Source::fetch(Pointers p, int64_t row, int64_t rows, int64_t c, int64_t n,
                   kernels::Fetch& list) const {
  if (chain_)
    chain_->fetch(p, {row, rows, c, n}, list);
  else
    list.add(memory(p) + row * pitch_ + c, pitch_, rows, n);
}

void fetch_lines(const Source& source, Pointers p, int64_t first, int64_t last, int64_t width,
                 int64_t left, int64_t right, int64_t c, int64_t n, kernels::Fetch& list) {
  if (right - left == width)
    return source.fetch(p, first * width, (last + 1 - first) * width, c, n, list);
  for (int64_t l = first; l <= last; ++l)
    source.fetch(p, l * width + left, right - left, c, n, list);
}

struct Sink::Parts {
  Parts(const plan::Plan& plan, const plan::Group& group) : rows(rows_of(plan, group)) {
    const int root = group.values[0];
    product =
        !plan::made_by_rows(plan, plan.values[root]) && !plan::sums_rows(plan, plan.values[root]);
    std::vector<Program::Result> results;
    for (int v : group.values) {
      if (v == root && product) continue;
      const plan::Value& w = plan.values[v];
      if (plan::sums_rows(plan, w)) continue;
      if (w.home == Home::kMemory && memory_value < 0) memory_value = v;
      results.push_back(
          {v, w.home == Home::kMemory ? Program::Place::kMemory : Program::Place::kRegister});
    }
    const bool in_place = product && plan.values[root].home == Home::kFused;
    if (product && !in_place) memory_value = root;
    takes_raw = in_place &&
                (plan.values[memory_value].alias >= 0 || !plan.values[memory_value].cuts.empty());
    const int raw = in_place ? root : -1, raw_at = in_place && !takes_raw ? memory_value : -1;
    const std::vector<Program::Sums> sums = sums_of(plan, group, results);
    for (int v : group.values) {
      if (!plan::sums_rows(plan, plan.values[v])) continue;
      Reduction r;
      r.kind = kind_of(plan.values[v]);
      r.value = v;
      const auto at =
          std::find_if(sums.begin(), sums.end(), [&](const auto& s) { return s.value == v; });
      if (at == sums.end())
        read_rows(plan, r, results);
      else
        r.taken = static_cast<int>(at - sums.begin());
      r.slot = doubles;
      doubles += r.lines() * rows.columns;
      reductions.push_back(r);
    }
    if (!results.empty()) program = std::make_unique<Program>(plan, results, raw, raw_at, sums);
    summed = static_cast<int64_t>(sums.size());
    if (summed && !program->summed()) {
      summed = 0;
      for (Reduction& r : reductions)
        if (std::exchange(r.taken, -1) >= 0) read_rows(plan, r, results);
      program = std::make_unique<Program>(plan, results, raw, raw_at);
    }
    // Given arrays come in the order of the results.
    int given = 0;
    for (const Program::Result& r : results)
      if (r.place == Program::Place::kGiven) {
        for (Reduction& red : reductions)
          for (Summand* s : {&red.a, &red.b})
            if (s->value == r.value && s->pitch == 0) s->given = given;
        ++given;
      }
    givens = given;
    streams = program && program->streams();
  }

  static Rows rows_of(const plan::Plan& plan, const plan::Group& group) {
    const plan::Value& root = plan.values[group.values[0]];
    return Rows(plan::sums_rows(plan, root) ? plan.values[root.in[0]] : root);
  }

  /// The sums of gradients among the results.
  static std::vector<Program::Sums> sums_of(const plan::Plan& plan, const plan::Group& group,
                                            std::span<const Program::Result> results) {
    std::vector<Program::Sums> sums;
    for (int v : group.values) {
      const plan::Value& w = plan.values[v];
      if (w.op == &channel_sums_op() && plan::sums_rows(plan, w) &&
          std::any_of(results.begin(), results.end(),
                      [&](const auto& r) { return r.value == w.in[0]; }))
        sums.push_back({v, w.in[0], w.in[1], w.in[2]});
    }
    return sums;
  }

  static Reduction::Kind kind_of(const plan::Value& v) {
    return v.op == &channel_moments_op() ? Reduction::kMoments
           : v.op == &channel_sums_op()  ? Reduction::kSums
                                         : Reduction::kSum;
  }

  /// Finds the rows that `r` sums, which the program may have to give.
  static void read_rows(const plan::Plan& plan, Reduction& r,
                        std::vector<Program::Result>& results) {
    const plan::Value& v = plan.values[r.value];
    r.a = summand(plan, v.in[0], results);
    if (r.kind != Reduction::kSums) return;
    r.b = summand(plan, v.in[1], results);
    r.centre = v.in[2];
  }

  static Summand summand(const plan::Plan& plan, int value, std::vector<Program::Result>& results) {
    const plan::Value& v = plan.values[value];
    const auto at = std::find_if(results.begin(), results.end(),
                                 [&](const Program::Result& r) { return r.value == value; });
    if (at == results.end()) {
      if (v.home == Home::kMemory) return {value, -1, Rows(v).columns};
      results.push_back({value, Program::Place::kGiven});
    } else if (at->place == Program::Place::kRegister) {
      at->place = Program::Place::kGiven;
    } else if (at->place == Program::Place::kMemory) {
      const auto given = std::count_if(results.begin(), results.end(), [](const auto& r) {
        return r.place == Program::Place::kGiven;
      });
      if (v.cuts.empty() && (!sweep::streams(v) || given >= kFewGiven))
        return {value, -1, Rows(v).columns};
      results.insert(at, {value, Program::Place::kGiven});  // summed before it leaves the caches
    }
    return {value, -1, 0};
  }

  /// Whether nobody has read or made the rows of `s` just before they are summed.
  bool cold(const Summand& s) const { return s.given < 0 && !product && !program; }

  /// Adds a block to the slot that begins at `slot`.
  void reduce(const Reduction& r, Pointers p, double* slot, const Block& b,
              const Program::Given* given, float* partial) const {
    const int64_t columns = rows.columns, n = b.n;
    auto at = [&](const Summand& s) -> Program::Given {
      if (s.given >= 0) return given[s.given];
      return {const_cast<float*>(floats(p, s.value)) + b.row * s.pitch + b.c, s.pitch};
    };
    const Program::Given x = at(r.a);
    if (r.kind == Reduction::kMoments) {
      auto* sums = reinterpret_cast<double*>(partial);
      auto* centre = reinterpret_cast<float*>(sums + 2 * n);
      kernels::column_moments(x.at, x.pitch, b.rows, n, cold(r.a), centre, sums, sums + n);
      double* to = slot + b.c;
      kernels::add_moments(centre, sums, sums + n, static_cast<double>(b.rows), n, to, to + columns,
                           to + 2 * columns);
      return;
    }
    const bool both = r.kind == Reduction::kSums;
    const Program::Given y = both ? at(r.b) : Program::Given{};
    kernels::column_sums(x.at, x.pitch, y.at, y.pitch, both ? floats(p, r.centre) + b.c : nullptr,
                         b.rows, n, cold(r.a) && (!both || cold(r.b)), partial, partial + n);
    add(r, slot, b, partial);
  }

  /// Adds the sums of a block, one line after the other.
  void add(const Reduction& r, double* slot, const Block& b, const float* sums) const {
    for (int64_t line = 0; line < r.lines(); ++line)
      for (int64_t i = 0; i < b.n; ++i) slot[line * rows.columns + b.c + i] += sums[line * b.n + i];
  }

  /// Writes columns [c, c+n) of the result of a reduction, summed up at `slot`.
  void write(const Reduction& r, const double* slot, float* out, int64_t c, int64_t n) const {
    const int64_t columns = rows.columns;
    if (r.kind != Reduction::kMoments) {
      for (int64_t line = 0; line < r.lines(); ++line)
        for (int64_t k = line * columns + c; k < line * columns + c + n; ++k)
          out[k] = static_cast<float>(slot[k]);
      return;
    }
    const double *count = slot, *mean = count + columns, *squares = mean + columns;
    for (int64_t k = c; k < c + n; ++k) {
      out[k] = static_cast<float>(mean[k]);
      const double variance = count[k] > 0 ? squares[k] / count[k] : 0.0;
      out[columns + k] = static_cast<float>(variance);
      out[2 * columns + k] = static_cast<float>(std::sqrt(variance));
    }
  }

  Rows rows;
  int memory_value = -1;
  std::unique_ptr<Program> program;
  bool product = false;    // the first value is the result of one
  bool takes_raw = false;  // which is in no value's memory
  bool streams = false;    // results go past the caches
  int givens = 0;
  std::vector<Reduction> reductions;
  int64_t summed = 0;   // of the reductions: the program takes them on the way
  int64_t doubles = 0;  // of a slot
};

Sink::Sink(const plan::Plan& plan, const plan::Group& group) : parts_(new Parts(plan, group)) {}
Sink::Sink(Sink&&) noexcept = default;
Sink::~Sink() = default;

int64_t Sink::rows() const { return parts_->rows.count; }
int64_t Sink::columns() const { return parts_->rows.columns; }
float* Sink::memory(Pointers p) const { return reinterpret_cast<float*>(p[parts_->memory_value]); }
int64_t Sink::pitch() const { return parts_->rows.columns; }
bool Sink::takes_raw() const { return parts_->takes_raw; }
bool Sink::sums() const { return !parts_->reductions.empty(); }
double Sink::cost() const {
  constexpr double kReduction = 2;
  return (parts_->program ? parts_->program->cost() : 0) +
         kReduction * static_cast<double>(parts_->reductions.size());
}

Sink::Run::Run(const Sink& sink, Pointers p, int64_t slots) : sink_(sink), p_(p), count_(slots) {
  if (sink.parts_->doubles == 0) return;
  slots_ = Buffer::allocate(slots * (sink.parts_->doubles * sizeof(double) + sizeof(bool)));
  std::fill_n(used(), slots, false);
}

double* Sink::Run::slot(int64_t i) const {
  return reinterpret_cast<double*>(slots_->data()) + i * sink_.parts_->doubles;
}
bool* Sink::Run::used() const { return reinterpret_cast<bool*>(slot(count_)); }

void Sink::Run::take(int64_t slot_index, int64_t row, int64_t rows, int64_t c, int64_t n,
                     float* raw, int64_t pitch) const {
  const Parts& s = *sink_.parts_;
  Program::Given given[kMaxGiven + 1];
  const auto all = [&](int64_t r, int64_t column) {
    if (s.takes_raw) given[s.givens] = {raw + (r - row) * pitch + column - c, pitch};
    return std::span(given, static_cast<size_t>(s.givens + s.takes_raw));
  };
  if (s.reductions.empty()) {
    if (s.program) s.program->run(p_, {row, rows, c, n}, all(row, c), !s.product);
    if (s.streams) kernels::stream_fence();
    return;
  }
  check(s.givens <= kMaxGiven, "sweep: {} arrays between a program and its sums", s.givens);
  // Of wide rows, some columns at a time.
  const bool on_the_way = s.summed == static_cast<int64_t>(s.reductions.size());
  const int64_t width = std::min(n, kChunkColumns),
                step = ((s.product ? on_the_way : !s.program) ? kMemoryChunk : kChunk) /
                       std::max<int64_t>(width, 1);
  float* arrays = sum_memory(s.givens * kChunk + (5 + 2 * s.summed) * width);
  float* partial = arrays + s.givens * kChunk;
  float* sums = partial + 5 * width;
  double* slot = this->slot(slot_index);
  if (!std::exchange(used()[slot_index], true)) std::fill_n(slot, s.doubles, 0.0);
  for (int64_t i = 0; i < n; i += width) {
    const int64_t columns = std::min(width, n - i);
    for (int g = 0; g < s.givens; ++g) given[g] = {arrays + g * kChunk, columns};
    for (int64_t r = row; r < row + rows; r += step) {
      const Block b{r, std::min(step, row + rows - r), c + i, columns};
      std::fill_n(sums, 2 * s.summed * columns, 0.0f);
      if (s.program) s.program->run(p_, b, all(r, c + i), !s.product, sums);
      for (const Reduction& red : s.reductions)
        if (red.taken >= 0)
          s.add(red, slot + red.slot, b, sums + 2 * red.taken * columns);
        else
          s.reduce(red, p_, slot + red.slot, b, given, partial);
    }
  }
  if (s.streams) kernels::stream_fence();
}

void Sink::Run::fetch(int64_t row, int64_t rows, int64_t c, int64_t n, kernels::Fetch& list) const {
  const Parts& s = *sink_.parts_;
  const auto add = [&](int value, int64_t pitch) {
    list.add(floats(p_, value) + row * pitch + c, pitch, rows, n);
  };
  if (s.memory_value >= 0 && !s.takes_raw) add(s.memory_value, sink_.pitch());
  if (s.program) s.program->fetch(p_, {row, rows, c, n}, list);
  for (const Reduction& r : s.reductions)
    for (const Summand* from : {&r.a, &r.b})
      if (from->value >= 0 && from->given < 0) add(from->value, from->pitch);
}

void Sink::Run::finish() const {
  const Parts& s = *sink_.parts_;
  if (s.doubles == 0) return;
  const int64_t columns = s.rows.columns, parts = ceil_div(columns, kMerged);
  for (int64_t i = 0; i < count_; ++i)
    if (!used()[i]) std::fill_n(slot(i), s.doubles, 0.0);
  parallel_for(parts, 4.0 * static_cast<double>(count_ * s.doubles), [&](int64_t part) {
    const int64_t c = part * kMerged, n = std::min(kMerged, columns - c);
    for (const Reduction& r : s.reductions) {
      for (int64_t step = 1; step < count_; step *= 2)
        for (int64_t i = 0; i + step < count_; i += 2 * step)
          merge(r, slot(i) + r.slot, slot(i + step) + r.slot, columns, c, n);
      s.write(r, slot(0) + r.slot, reinterpret_cast<float*>(p_[r.value]), c, n);
    }
  });
}

}  // namespace ballast::sweep
