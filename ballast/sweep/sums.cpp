// Sums that a product's or a chain's own loop does not take over: the pixels of each sample and
// channel (global average pooling), rows, everything.
#include <algorithm>

#include "ballast/base/threads.h"
#include "ballast/kernels/columns.h"
#include "ballast/ops/reduce.h"
#include "ballast/sweep/ends.h"
#include "ballast/sweep/pieces.h"
#include "ballast/sweep/sweep.h"

namespace ballast::sweep {
namespace {

// Elements that a piece of work sums: 64 KB.
constexpr int64_t kTile = 16 * 1024;

/// In pieces, so that no float adds up more than a tile.
double total(const float* x, int64_t n) {
  constexpr int64_t kWidth = 64;
  double sum = 0;
  for (int64_t at = 0; at < n; at += kTile) {
    const int64_t size = std::min(kTile, n - at), rows = size / kWidth;
    float partial[kWidth] = {};
    kernels::column_sums(x + at, kWidth, nullptr, 0, nullptr, rows, kWidth, true, partial, nullptr);
    for (float v : partial) sum += v;
    for (int64_t i = at + rows * kWidth; i < at + size; ++i) sum += x[i];
  }
  return sum;
}

/// What is summed: `groups` groups of rows, one after the other, down to one row each; `whole`:
/// down to one number each.
struct Sums {
  int64_t groups, rows, columns;
  bool whole;
};

class SumSweep final : public Sweep {
 public:
  SumSweep(Source x, const Sums& sums, int out) : x_(std::move(x)), s_(sums), out_(out) {
    const int64_t size = s_.rows * s_.columns;
    groups_ = std::max<int64_t>(kTile / std::max<int64_t>(size, 1), 1);
    rows_ = std::clamp<int64_t>(kTile / std::max<int64_t>(s_.columns, 1), 1,
                                std::max<int64_t>(s_.rows, 1));
    columns_ = std::min(s_.columns, kTile);
  }

  const char* kernel() const override { return "sums"; }
  void run(Pointers p, const Lent&) const override {
    auto* out = reinterpret_cast<float*>(p[out_]);
    const int64_t width = s_.whole ? 1 : s_.columns, size = s_.rows * s_.columns;
    if (size == 0) {
      std::fill_n(out, s_.groups * width, 0.0f);
      return;
    }
    const double cost = static_cast<double>(s_.groups * size);
    if (size <= kTile) {
      parallel_for(ceil_div(s_.groups, groups_), cost, [&](int64_t i) {
        several(p, i * groups_, std::min(groups_, s_.groups - i * groups_), out);
      });
      return;
    }
    const int64_t tiles = ceil_div(s_.rows, rows_), parts = ceil_div(s_.columns, columns_);
    // A row of partial sums for each tile; of whole sums, a number for each part.
    const int64_t slot = s_.whole ? parts : s_.columns;
    const Ref<Buffer> buffer = Buffer::allocate(s_.groups * tiles * slot * sizeof(double));
    auto* slots = reinterpret_cast<double*>(buffer->data());
    parallel_for(s_.groups * tiles * parts, cost, [&](int64_t i) {
      const int64_t part = i % parts, tile = i / parts % tiles, group = i / parts / tiles;
      double* to = slots + (group * tiles + tile) * slot + part * (s_.whole ? 1 : columns_);
      part_of(p, group, tile, part * columns_, to);
    });
    for (int64_t g = 0; g < s_.groups; ++g)
      for (int64_t k = 0; k < width; ++k) {
        const double* from = slots + g * tiles * slot + k;
        double sum = 0;
        for (int64_t t = 0; t < tiles * slot; t += width) sum += from[t];
        out[g * width + k] = static_cast<float>(sum);
      }
  }

 private:
  struct Rows {
    const float* at;
    int64_t pitch;
  };
  /// Columns [c, c+n) of some rows; `memory`, of which there is enough, holds them if need be.
  Rows read(Pointers p, int64_t row, int64_t rows, int64_t c, int64_t n, float* memory) const {
    if (const float* x = x_.memory(p)) return {x + row * x_.pitch() + c, x_.pitch()};
    x_.read(p, row, rows, c, n, memory, n);
    return {memory, n};
  }

  /// Groups that are small.
  void several(Pointers p, int64_t group, int64_t n, float* out) const {
    const int64_t size = s_.rows * s_.columns;
    auto* memory = reinterpret_cast<float*>(scratch((n * size + s_.columns) * sizeof(float)));
    const Rows x = read(p, group * s_.rows, n * s_.rows, 0, s_.columns, memory);
    for (int64_t g = 0; g < n; ++g) {
      const float* from = x.at + g * s_.rows * x.pitch;
      if (s_.whole)
        out[group + g] = static_cast<float>(total_of({from, x.pitch}, s_.rows, s_.columns));
      else
        kernels::column_sums(from, x.pitch, nullptr, 0, nullptr, s_.rows, s_.columns, true,
                             out + (group + g) * s_.columns, nullptr);
    }
  }

  /// A tile of a group that is not, from column c on.
  void part_of(Pointers p, int64_t group, int64_t tile, int64_t c, double* to) const {
    const int64_t rows = std::min(rows_, s_.rows - tile * rows_);
    const int64_t n = std::min(columns_, s_.columns - c);
    auto* sums = reinterpret_cast<float*>(scratch((rows * n + n) * sizeof(float)));
    const Rows x = read(p, group * s_.rows + tile * rows_, rows, c, n, sums + n);
    if (s_.whole) {
      *to = total_of(x, rows, n);
      return;
    }
    kernels::column_sums(x.at, x.pitch, nullptr, 0, nullptr, rows, n, true, sums, nullptr);
    std::copy_n(sums, n, to);
  }

  static double total_of(const Rows& x, int64_t rows, int64_t n) {
    if (x.pitch == n) return total(x.at, rows * n);
    double sum = 0;
    for (int64_t r = 0; r < rows; ++r) sum += total(x.at + r * x.pitch, n);
    return sum;
  }

  Source x_;
  Sums s_;
  int out_;
  int64_t groups_, rows_, columns_;  // that a piece takes
};

}  // namespace

std::unique_ptr<Sweep> build_sums(const plan::Plan& plan, const plan::Group& group) {
  const int value = group.values[0];
  const plan::Value& v = plan.values[value];
  if (v.op != &sum_op() || group.values.size() > 1) return nullptr;
  const plan::Value& x = plan.values[v.in[0]];
  const int rank = x.shape.rank();
  if (x.dtype != DType::kFloat32 || rank == 0) return nullptr;
  Source source(plan, v.in[0]);
  const int64_t rows = source.rows(), columns = source.columns();
  auto build = [&](int64_t groups, bool whole) {
    return std::make_unique<SumSweep>(
        std::move(source), Sums{groups, groups ? rows / groups : 0, columns, whole}, value);
  };
  const uint64_t mask = v.attributes.as<SumAttributes>().mask, all = (uint64_t{1} << rank) - 1;
  if (mask == all) return build(1, true);
  const bool pixels =
      rank >= 3 && (x.layout == Layout::kChannelsLast || plan::layouts_coincide(x.shape));
  // Everything but the columns.
  if (mask == (all & ~(pixels ? uint64_t{2} : uint64_t{1} << (rank - 1)))) return build(1, false);
  // The pixels of each sample and channel.
  if (pixels && mask == (all & ~uint64_t{3})) return build(x.shape[0], false);
  // Trailing dimensions, where rows lie in their order.
  int keep = rank;
  while (keep > 0 && mask >> (keep - 1) & 1) --keep;
  const bool in_order = x.layout == Layout::kRowMajor || plan::layouts_coincide(x.shape);
  if (in_order && mask == (all & ~((uint64_t{1} << keep) - 1)) && columns &&
      x.shape.span_numel(keep, rank) % columns == 0)
    return build(x.shape.span_numel(0, keep), true);
  return nullptr;
}

}  // namespace ballast::sweep
