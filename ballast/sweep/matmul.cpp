#include "ballast/ops/matmul.h"

#include <algorithm>

#include "ballast/base/threads.h"
#include "ballast/kernels/product.h"
#include "ballast/sweep/ends.h"
#include "ballast/sweep/pieces.h"
#include "ballast/sweep/sweep.h"

namespace ballast::sweep {
namespace {

// Few tiles and a long sum: the sum is cut into slabs of at least this depth, added up in order.
constexpr int64_t kSlab = 1024, kMaxSlabs = 16;
// B as it lies is read faster than it is packed while all of it fits half of an L1.
constexpr int64_t kUnpacked = 4096;
// So few rows read a B that is transposed only once: it is neither packed nor kept.
constexpr int64_t kDotRows = 8;
// Where A is read into scratch, so much of the sum at a time: 96 rows x 256 are 96 KB of an L2.
constexpr int64_t kReadDepth = 256;
// Rows of a transposed A that lie further apart than this share too few sets of an L1.
constexpr int64_t kFarRows = 256;
// Partial sums are added up in strips of about this many floats.
constexpr int64_t kStrip = 4096;

/// out = a b + bias, where a and b may be transposed. What is rows of samples (a, and b in the
/// gradient of a weight) may be made as it is read.
class MatmulSweep final : public Sweep {
 public:
  MatmulSweep(const plan::Plan& plan, const plan::Group& group)
      : MatmulSweep(plan, group, plan.values[group.values[0]]) {}

  int64_t prepared_bytes() const override {
    return prepares_ ? kernels::packed_size(k_, n_) * static_cast<int64_t>(sizeof(float)) : 0;
  }
  std::vector<int> prepared_from() const override {
    return prepares_ ? std::vector<int>{b_value_} : std::vector<int>{};
  }
  void prepare(Pointers p, std::byte* prepared) const override {
    pack(p, reinterpret_cast<float*>(prepared));
  }

  int64_t temporary_bytes() const override {
    if (dots_) return 0;
    const int64_t packed = prepares_ ? 0 : kernels::packed_size(k_, n_);
    return (packed + (slabs_ - 1) * m_ * n_) * static_cast<int64_t>(sizeof(float));
  }
  const char* kernel() const override { return dots_ ? "dots" : "product"; }
  void run(Pointers p, const Lent& lent) const override {
    if (dots_) return run_dots(p);
    const float* b = reinterpret_cast<const float*>(lent.prepared);
    bool packed = prepares_;
    auto* temporary = reinterpret_cast<float*>(lent.temporary);
    if (!prepares_) {
      b = packs_ ? nullptr : b_.memory(p);
      packed = !b;
      if (packed) {
        pack(p, temporary);
        b = temporary;
        temporary += kernels::packed_size(k_, n_);
      }
    }
    if (slabs_ > 1) return run_slabs(p, b, packed, temporary);
    run_pieces(sink_, p, pieces_.count(), cost(),
               [&](const Sink::Run& out, int64_t slot, int64_t i) {
                 const Tile t = tile_of(i);
                 kernels::Fetch fetch;
                 if (pieces_.count() > 1) fetch_ahead(p, out, t, i, fetch);
                 multiply(p, b, packed, t, 0, k_, bias(p), sink_.memory(p), sink_.pitch(), &fetch);
                 out.take(slot, t.m, t.rows, t.n, t.columns);
               });
  }

 private:
  struct Tile {
    int64_t m, rows, n, columns;
  };

  MatmulSweep(const plan::Plan& plan, const plan::Group& group, const plan::Value& v)
      : a_(plan, v.in[0]),
        b_(plan, v.in[1]),
        sink_(plan, group),
        b_value_(v.in[1]),
        bias_(v.in.size() > 2 ? v.in[2] : -1),
        transpose_a_(v.attributes.as<MatmulAttributes>().transpose_a),
        transpose_b_(v.attributes.as<MatmulAttributes>().transpose_b),
        m_(v.shape[0]),
        n_(v.shape[1]),
        k_(plan.values[v.in[0]].shape[transpose_a_ ? 0 : 1]),
        pieces_(cut(m_, n_, k_, kernels::block_rows(), kernels::panel_columns())) {
    const bool few = m_ <= kDotRows;
    dots_ = few && transpose_b_ && !transpose_a_;
    packs_ = !dots_ && (transpose_b_ || (!few && k_ * n_ > kUnpacked));
    prepares_ = packs_ && !transpose_a_;
    slabs_ = std::clamp<int64_t>(std::min(kMaxSlabs / pieces_.count(), k_ / kSlab), 1, kMaxSlabs);
  }

  double cost() const { return 2.0 * static_cast<double>(m_ * n_) * static_cast<double>(k_) / 16; }
  const float* bias(Pointers p) const {
    return bias_ >= 0 ? reinterpret_cast<const float*>(p[bias_]) : nullptr;
  }
  Tile tile_of(int64_t i) const {
    const int64_t r = i / pieces_.columns.parts, c = i % pieces_.columns.parts;
    return {pieces_.rows.begin(r), pieces_.rows.size(r), pieces_.columns.begin(c),
            pieces_.columns.size(c)};
  }

  /// What the epilogue of a tile reads, and the next tile of A.
  void fetch_ahead(Pointers p, const Sink::Run& out, const Tile& t, int64_t i,
                   kernels::Fetch& list) const {
    out.fetch(t.m, t.rows, t.n, t.columns, list);
    if (i + 1 < pieces_.count()) {
      const Tile next = tile_of(i + 1);
      if (transpose_a_)
        a_.fetch(p, 0, k_, next.m, next.rows, list);
      else
        a_.fetch(p, next.m, next.rows, 0, k_, list);
    }
    list.divide(kernels::product_blocks(t.rows, t.columns, k_));
  }

  void pack(Pointers p, float* to) const {
    const int64_t strip = 8 * kernels::panel_columns();
    parallel_for(ceil_div(n_, strip), 2.0 * static_cast<double>(k_ * n_), [&](int64_t s) {
      const int64_t n = s * strip, columns = std::min(strip, n_ - n);
      if (!transpose_b_) return pack_rows(b_, p, 0, 1, k_, n, columns, 0, k_, to + n * k_);
      if (const float* b = b_.memory(p))
        return kernels::pack_b(b + n * b_.pitch(), 1, b_.pitch(), k_, columns, to + n * k_);
      auto* rows = reinterpret_cast<float*>(scratch(columns * k_ * sizeof(float)));
      b_.read(p, n, columns, 0, k_, rows, k_);
      kernels::pack_b(rows, 1, k_, k_, columns, to + n * k_);
    });
  }

  /// Terms [k0, k1) of the sums of a tile, written to c, element (0, 0) of the whole.
  void multiply(Pointers p, const float* b, bool packed, const Tile& t, int64_t k0, int64_t k1,
                const float* bias, float* c, int64_t ldc, kernels::Fetch* fetch = nullptr) const {
    const int64_t w = kernels::panel_columns();
    const float* memory = a_.memory(p);
    const bool in_place = memory && (!transpose_a_ || a_.pitch() <= kFarRows);
    const int64_t step = in_place ? std::max<int64_t>(k1 - k0, 1) : kReadDepth;
    // What is read, a row of samples after the other.
    const int64_t pitch = transpose_a_ ? spread(t.rows, 32) : spread(step, 256);
    auto* read = in_place ? nullptr
                          : reinterpret_cast<float*>(
                                scratch((transpose_a_ ? step : t.rows) * pitch * sizeof(float)));
    kernels::Product q{};
    q.rows = t.rows;
    q.columns = t.columns;
    q.sbk = packed ? w : b_.pitch();
    q.panel = packed ? k_ * w : w;
    q.c = c + t.m * ldc + t.n;
    q.ldc = ldc;
    q.bias = bias ? bias + t.n : nullptr;
    q.fetch = fetch;
    for (int64_t k = k0; k < k1 || k == k0; k += step) {
      q.depth = std::min(step, k1 - k);
      const float* from = read;
      if (transpose_a_) {
        if (!in_place)
          a_.read(p, k, q.depth, t.m, t.rows, read, pitch);
        else
          from = memory + k * a_.pitch() + t.m;
        q.sam = 1;
        q.sak = in_place ? a_.pitch() : pitch;
      } else {
        if (!in_place)
          a_.read(p, t.m, t.rows, k, q.depth, read, pitch);
        else
          from = memory + t.m * a_.pitch() + k;
        q.sam = in_place ? a_.pitch() : pitch;
        q.sak = 1;
      }
      const float* bk = packed ? b + t.n * k_ + k * w : b + k * b_.pitch() + t.n;
      q.a = &from;
      q.b = &bk;
      kernels::product(q);
      q.accumulate = true;
    }
  }

  /// The sums in slabs: the first is written in place, the others are added to it.
  void run_slabs(Pointers p, const float* b, bool packed, float* partial) const {
    float* c = sink_.memory(p);
    const int64_t ldc = sink_.pitch(), tiles = pieces_.count();
    parallel_for(tiles * slabs_, cost(), [&](int64_t i) {
      const int64_t slab = i / tiles, k0 = k_ * slab / slabs_, k1 = k_ * (slab + 1) / slabs_;
      const Tile t = tile_of(i % tiles);
      if (slab == 0)
        multiply(p, b, packed, t, k0, k1, bias(p), c, ldc);
      else
        multiply(p, b, packed, t, k0, k1, nullptr, partial + (slab - 1) * m_ * n_, n_);
    });
    const Parts strips(m_, 1, ceil_div(m_ * n_, kStrip));
    run_pieces(sink_, p, strips.parts, static_cast<double>(m_ * n_ * slabs_),
               [&](const Sink::Run& out, int64_t slot, int64_t i) {
                 for (int64_t m = strips.begin(i); m < strips.begin(i + 1); ++m)
                   for (int64_t s = 0; s < slabs_ - 1; ++s)
                     for (int64_t n = 0; n < n_; ++n)
                       c[m * ldc + n] += partial[(s * m_ + m) * n_ + n];
                 out.take(slot, strips.begin(i), strips.size(i), 0, n_);
               });
  }

  void run_dots(Pointers p) const {
    const float* a = a_.memory(p);
    int64_t lda = a_.pitch();
    Ref<Buffer> rows;
    if (!a) {
      rows = Buffer::allocate(m_ * k_ * sizeof(float));
      auto* to = reinterpret_cast<float*>(rows->data());
      a_.read(p, 0, m_, 0, k_, to, k_);
      a = to;
      lda = k_;
    }
    const float *b = b_.memory(p), *start = bias(p);
    const Parts strips(n_, 4, static_cast<int64_t>(cost() / 1e5));
    run_pieces(sink_, p, strips.parts, cost(), [&](const Sink::Run& out, int64_t slot, int64_t i) {
      const int64_t n = strips.begin(i), columns = strips.size(i);
      const float* rows_of_b = b ? b + n * b_.pitch() : nullptr;
      if (!b) {
        auto* to = reinterpret_cast<float*>(scratch(columns * k_ * sizeof(float)));
        b_.read(p, n, columns, 0, k_, to, k_);
        rows_of_b = to;
      }
      kernels::dots(a, lda, rows_of_b, b ? b_.pitch() : k_, start ? start + n : nullptr, m_,
                    columns, k_, sink_.memory(p) + n, sink_.pitch());
      out.take(slot, 0, m_, n, columns);
    });
  }

  Source a_, b_;
  Sink sink_;
  int b_value_, bias_;
  bool transpose_a_, transpose_b_;
  int64_t m_, n_, k_;
  Pieces pieces_;
  int64_t slabs_;
  bool dots_, packs_, prepares_;
};

/// Products of many pairs of matrices: those of attention.
class BmmSweep final : public Sweep {
 public:
  BmmSweep(const plan::Plan& plan, int value) : out_(value) {
    const plan::Value& v = plan.values[value];
    const auto& at = v.attributes.as<MatmulAttributes>();
    a_ = v.in[0];
    b_ = v.in[1];
    batch_ = v.shape[0];
    m_ = v.shape[1];
    n_ = v.shape[2];
    k_ = plan.values[a_].shape[at.transpose_a ? 1 : 2];
    transpose_a_ = at.transpose_a;
    transpose_b_ = at.transpose_b;
  }

  const char* kernel() const override { return "product"; }
  void run(Pointers p, const Lent&) const override {
    const auto* b = reinterpret_cast<const float*>(p[b_]);
    const int64_t size = kernels::packed_size(k_, n_);
    const Ref<Buffer> buffer = Buffer::allocate(batch_ * size * sizeof(float));
    auto* packed = reinterpret_cast<float*>(buffer->data());
    parallel_for(batch_, 2.0 * static_cast<double>(batch_ * size), [&](int64_t i) {
      kernels::pack_b(b + i * k_ * n_, transpose_b_ ? 1 : n_, transpose_b_ ? k_ : 1, k_, n_,
                      packed + i * size);
    });
    const Parts rows(m_, kernels::block_rows(), ceil_div(m_, kPieceRows));
    const double cost = 2.0 * static_cast<double>(batch_ * m_) * static_cast<double>(n_ * k_) / 16;
    parallel_for(batch_ * rows.parts, cost, [&](int64_t i) {
      const int64_t matrix = i / rows.parts, m = rows.begin(i % rows.parts);
      const float* a =
          reinterpret_cast<const float*>(p[a_]) + matrix * m_ * k_ + (transpose_a_ ? m : m * k_);
      const float* panels = packed + matrix * size;
      kernels::Product q{};
      q.rows = rows.size(i % rows.parts);
      q.columns = n_;
      q.depth = k_;
      q.a = &a;
      q.sam = transpose_a_ ? 1 : k_;
      q.sak = transpose_a_ ? m_ : 1;
      q.b = &panels;
      q.sbk = kernels::panel_columns();
      q.panel = k_ * q.sbk;
      q.c = reinterpret_cast<float*>(p[out_]) + (matrix * m_ + m) * n_;
      q.ldc = n_;
      kernels::product(q);
    });
  }

 private:
  int a_, b_, out_;
  int64_t batch_, m_, n_, k_;
  bool transpose_a_, transpose_b_;
};

}  // namespace

std::unique_ptr<Sweep> build_matmul(const plan::Plan& plan, const plan::Group& group) {
  const plan::Value& v = plan.values[group.values[0]];
  if (v.dtype != DType::kFloat32 || v.shape.numel() == 0) return nullptr;
  if (v.op == &bmm_op() && !has_ends(plan, group))
    return std::make_unique<BmmSweep>(plan, group.values[0]);
  if (v.op != &matmul_op()) return nullptr;
  return std::make_unique<MatmulSweep>(plan, group);
}

}  // namespace ballast::sweep
