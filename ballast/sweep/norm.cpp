// Sums over everything but the channels: moments, gradients of the normalization, bias gradients.
#include <algorithm>
#include <cstring>

#include "ballast/base/threads.h"
#include "ballast/kernels/columns.h"
#include "ballast/ops/batch_norm.h"
#include "ballast/ops/reduce.h"
#include "ballast/sweep/sweep.h"

namespace ballast::sweep {
namespace {

// Elements of a tile: 64 KB, so that the second pass of the moments finds it in L2.
constexpr int64_t kTileElements = 16 * 1024;

/// Rows of `columns` floats, cut into tiles by shape alone; `rows_per_tile` is at least 1.
struct Tiles {
  Tiles(int64_t all_rows, int64_t all_columns)
      : rows(all_rows),
        columns(all_columns),
        per_tile(std::max<int64_t>(kTileElements / std::max<int64_t>(all_columns, 1), 1)),
        count((all_rows + per_tile - 1) / per_tile) {}

  int64_t begin(int64_t tile) const { return tile * per_tile; }
  int64_t size(int64_t tile) const { return std::min(per_tile, rows - begin(tile)); }

  int64_t rows, columns, per_tile, count;
};

/// One row of partial results a tile, merged pairwise in a fixed order: merge(into, from, count of
/// rows in each). Leaves the total in row 0.
template <class Merge>
void merge_tiles(const Tiles& t, const Merge& merge) {
  for (int64_t step = 1; step < t.count; step *= 2)
    for (int64_t i = 0; i + step < t.count; i += 2 * step) {
      const int64_t from = i + step;
      const int64_t end = std::min(from + step, t.count);
      merge(i, from, std::min(t.begin(from), t.rows) - t.begin(i),
            (end == t.count ? t.rows : t.begin(end)) - t.begin(from));
    }
}

/// Scratch of doubles for the merge, from the pool.
struct Slots {
  explicit Slots(int64_t n) : memory(Buffer::allocate(n * sizeof(double))) {}
  double* at(int64_t i) const { return reinterpret_cast<double*>(memory->data()) + i; }
  Ref<Buffer> memory;
};

class MomentsSweep final : public Sweep {
 public:
  MomentsSweep(int in, int out, int64_t rows, int64_t columns)
      : in_(in), out_(out), t_(rows, columns) {}

  const char* kernel() const override { return "sums"; }
  void run(Pointers p, const std::byte*) const override {
    const auto* x = reinterpret_cast<const float*>(p[in_]);
    auto* out = reinterpret_cast<float*>(p[out_]);
    const int64_t c = t_.columns;
    if (t_.rows == 0) {
      std::fill_n(out, 2 * c, 0.0f);
      return;
    }
    const Slots slots(t_.count * 2 * c);
    parallel_for(t_.count, 2.0 * static_cast<double>(t_.rows * c), [&](int64_t tile) {
      auto* partial = reinterpret_cast<float*>(scratch(3 * c * sizeof(float)));
      kernels::column_moments(x + t_.begin(tile) * c, c, t_.size(tile), c, partial, partial + c,
                              partial + 2 * c);
      const double n = static_cast<double>(t_.size(tile));
      double* mean = slots.at(tile * 2 * c);
      for (int64_t k = 0; k < c; ++k) {
        const double sum = partial[c + k];
        mean[k] = partial[k] + sum / n;
        mean[c + k] = partial[2 * c + k] - sum * sum / n;
      }
    });
    // Chan, Golub & LeVeque (1979): means and centred squares of two samples give those of both.
    merge_tiles(t_, [&](int64_t i, int64_t j, int64_t ni, int64_t nj) {
      double *a = slots.at(i * 2 * c), *b = slots.at(j * 2 * c);
      const double n = static_cast<double>(ni + nj);
      for (int64_t k = 0; k < c; ++k) {
        const double delta = b[k] - a[k];
        a[k] += delta * static_cast<double>(nj) / n;
        a[c + k] +=
            b[c + k] + delta * delta * static_cast<double>(ni) * static_cast<double>(nj) / n;
      }
    });
    for (int64_t k = 0; k < c; ++k) {
      out[k] = static_cast<float>(*slots.at(k));
      out[c + k] = static_cast<float>(*slots.at(c + k) / static_cast<double>(t_.rows));
    }
  }

 private:
  int in_, out_;
  Tiles t_;
};

/// sum(g) per column and, where there is an x, sum(g*(x - centre)).
class SumsSweep final : public Sweep {
 public:
  SumsSweep(int g, int x, int centre, int out, int64_t rows, int64_t columns)
      : g_(g), x_(x), centre_(centre), out_(out), t_(rows, columns) {}

  const char* kernel() const override { return "sums"; }
  void run(Pointers p, const std::byte*) const override {
    const auto* g = reinterpret_cast<const float*>(p[g_]);
    const auto* x = x_ >= 0 ? reinterpret_cast<const float*>(p[x_]) : nullptr;
    const auto* centre = x ? reinterpret_cast<const float*>(p[centre_]) : nullptr;
    auto* out = reinterpret_cast<float*>(p[out_]);
    const int64_t c = t_.columns, width = x ? 2 * c : c;
    if (t_.rows == 0) {
      std::fill_n(out, width, 0.0f);
      return;
    }
    if (t_.count == 1) {
      kernels::column_sums(g, c, x, c, centre, t_.rows, c, out, out + c);
      return;
    }
    const Slots slots(t_.count * width);
    parallel_for(t_.count, 2.0 * static_cast<double>(t_.rows * c), [&](int64_t tile) {
      auto* partial = reinterpret_cast<float*>(scratch(width * sizeof(float)));
      const int64_t at = t_.begin(tile) * c;
      kernels::column_sums(g + at, c, x ? x + at : nullptr, c, centre, t_.size(tile), c, partial,
                           partial + c);
      std::copy_n(partial, width, slots.at(tile * width));
    });
    merge_tiles(t_, [&](int64_t i, int64_t j, int64_t, int64_t) {
      double *a = slots.at(i * width), *b = slots.at(j * width);
      for (int64_t k = 0; k < width; ++k) a[k] += b[k];
    });
    for (int64_t k = 0; k < width; ++k) out[k] = static_cast<float>(*slots.at(k));
  }

 private:
  int g_, x_, centre_, out_;
  Tiles t_;
};

/// Sums of `groups` blocks of memory one after the other, each rows x columns, down the columns;
/// blocks that are summed whole are seen as 64 columns, which are added up at the end.
class BlockSumsSweep final : public Sweep {
 public:
  BlockSumsSweep(int in, int out, int64_t groups, int64_t rows, int64_t columns, bool whole)
      : in_(in), out_(out), groups_(groups), rows_(rows), columns_(columns), whole_(whole) {}

  const char* kernel() const override { return "sums"; }
  void run(Pointers p, const std::byte*) const override {
    const auto* x = reinterpret_cast<const float*>(p[in_]);
    auto* out = reinterpret_cast<float*>(p[out_]);
    const int64_t size = rows_ * columns_;
    parallel_for(groups_, static_cast<double>(groups_ * size), [&](int64_t g) {
      if (whole_)
        out[g] = static_cast<float>(total(x + g * size, size));
      else
        columns_of(x + g * size, out + g * columns_);
    });
  }

 private:
  /// In pieces, so that no float adds up more than a tile.
  double total(const float* x, int64_t n) const {
    constexpr int64_t kWidth = 64;
    double sum = 0;
    for (int64_t at = 0; at < n; at += kTileElements) {
      const int64_t size = std::min(kTileElements, n - at), rows = size / kWidth;
      float partial[kWidth] = {};
      if (rows)
        kernels::column_sums(x + at, kWidth, nullptr, 0, nullptr, rows, kWidth, partial, nullptr);
      for (float v : partial) sum += v;
      for (int64_t i = at + rows * kWidth; i < at + size; ++i) sum += x[i];
    }
    return sum;
  }

  void columns_of(const float* x, float* out) const {
    const Tiles t(rows_, columns_);
    std::fill_n(out, columns_, 0.0f);
    auto* partial = reinterpret_cast<float*>(scratch(columns_ * sizeof(float)));
    for (int64_t i = 0; i < t.count; ++i) {
      kernels::column_sums(x + t.begin(i) * columns_, columns_, nullptr, 0, nullptr, t.size(i),
                           columns_, partial, nullptr);
      for (int64_t c = 0; c < columns_; ++c) out[c] += partial[c];
    }
  }

  int in_, out_;
  int64_t groups_, rows_, columns_;
  bool whole_;
};

std::unique_ptr<Sweep> build_sum(const plan::Plan& plan, int value) {
  const plan::Value& v = plan.values[value];
  const plan::Value& x = plan.values[v.in[0]];
  if (x.dtype != DType::kFloat32) return nullptr;
  const int in = v.in[0], rank = x.shape.rank();
  const uint64_t mask = v.attributes.as<SumAttributes>().mask, all = (uint64_t{1} << rank) - 1;
  const bool last = x.layout == Layout::kChannelsLast && !plan::layouts_coincide(x.shape);
  const int64_t n = x.shape.numel();
  if (mask == all) return std::make_unique<BlockSumsSweep>(in, value, 1, n, 1, true);
  // Everything but the innermost dimension of the memory.
  const uint64_t inner = last ? 2 : uint64_t{1} << (rank - 1);
  const int64_t columns = last ? x.shape[1] : x.shape.back();
  if (mask == (all & ~inner))
    return columns ? std::make_unique<SumsSweep>(in, -1, -1, value, n / columns, columns) : nullptr;
  if (last && mask == (all & ~uint64_t{3}))  // the pixels of each sample and channel
    return std::make_unique<BlockSumsSweep>(
        in, value, x.shape[0], n / std::max<int64_t>(x.shape[0] * columns, 1), columns, false);
  // Trailing dimensions.
  int keep = rank;
  while (keep > 0 && mask >> (keep - 1) & 1) --keep;
  if (!last && mask == (all & ~((uint64_t{1} << keep) - 1)) && x.shape.span_numel(0, keep) > 0)
    return std::make_unique<BlockSumsSweep>(in, value, x.shape.span_numel(0, keep),
                                            x.shape.span_numel(keep, rank), 1, true);
  return nullptr;
}

}  // namespace

std::unique_ptr<Sweep> build_norm(const plan::Plan& plan, int value) {
  const plan::Value& v = plan.values[value];
  if (v.op == &sum_op()) return build_sum(plan, value);
  if (v.dtype != DType::kFloat32 || (v.op != &channel_moments_op() && v.op != &channel_sums_op()))
    return nullptr;
  const Shape& x = plan.values[v.in[0]].shape;
  const int64_t columns = x[1], rows = columns ? x.numel() / columns : 0;
  if (v.op == &channel_moments_op())
    return std::make_unique<MomentsSweep>(v.in[0], value, rows, columns);
  return std::make_unique<SumsSweep>(v.in[0], v.in[1], v.in[2], value, rows, columns);
}

}  // namespace ballast::sweep
