#include "ballast/ops/matmul.h"

#include <algorithm>

#include "ballast/base/threads.h"
#include "ballast/kernels/product.h"
#include "ballast/sweep/sweep.h"

namespace ballast::sweep {
namespace {

// A tile of C is 84 x 128 (84 is a multiple of both microkernels' 6 and 14 rows); depth is taken in
// steps of 256, so that a panel of B (16 KB) stays in L1 and the block of A (86 KB) in L2.
constexpr int64_t kTileRows = 84, kTileColumns = 128, kDepth = 256;
// Few tiles and a long sum: the sum is cut into slabs of at least this depth, added up in order.
constexpr int64_t kSlab = 1024, kMaxSlabs = 16, kFewTiles = 4;
// B as it lies is read faster than it is packed while the part that a tile reads fits half of L1.
constexpr int64_t kUnpacked = 4096;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

class MatmulSweep final : public Sweep {
 public:
  MatmulSweep(const plan::Plan& plan, int value) : out_(value) {
    const plan::Value& v = plan.values[value];
    const auto& at = v.attributes.as<MatmulAttributes>();
    a_ = v.in[0];
    b_ = v.in[1];
    bias_ = v.in.size() > 2 ? v.in[2] : -1;
    m_ = v.shape[0];
    n_ = v.shape[1];
    k_ = plan.values[a_].shape[at.transpose_a ? 0 : 1];
    sam_ = at.transpose_a ? 1 : k_;
    sak_ = at.transpose_a ? m_ : 1;
    sbk_ = at.transpose_b ? 1 : n_;
    sbn_ = at.transpose_b ? k_ : 1;
    pack_ = at.transpose_b || k_ * n_ > kUnpacked;
    tiles_m_ = ceil_div(m_, kTileRows);
    tiles_n_ = ceil_div(n_, kTileColumns);
    slabs_ = tiles_m_ * tiles_n_ <= kFewTiles ? std::clamp<int64_t>(k_ / kSlab, 1, kMaxSlabs) : 1;
  }

  const char* kernel() const override { return "product"; }
  void run(Pointers p, const std::byte*) const override {
    if (m_ == 0 || n_ == 0) return;
    const auto* a = reinterpret_cast<const float*>(p[a_]);
    const auto* b = reinterpret_cast<const float*>(p[b_]);
    const auto* bias = bias_ >= 0 ? reinterpret_cast<const float*>(p[bias_]) : nullptr;
    auto* c = reinterpret_cast<float*>(p[out_]);
    Ref<Buffer> packed, partial;
    if (pack_) {
      packed = Buffer::allocate(kernels::packed_size(k_, n_) * sizeof(float));
      auto* to = reinterpret_cast<float*>(packed->data());
      const int64_t strips = ceil_div(n_, kTileColumns);
      parallel_for(strips, static_cast<double>(k_ * n_), [&](int64_t s) {
        const int64_t n = s * kTileColumns, width = std::min(kTileColumns, n_ - n);
        kernels::pack_b(b + n * sbn_, sbk_, sbn_, k_, width, to + n * k_);
      });
      b = to;
    }
    if (slabs_ > 1) partial = Buffer::allocate((slabs_ - 1) * m_ * n_ * sizeof(float));
    auto* parts = partial ? reinterpret_cast<float*>(partial->data()) : nullptr;
    const int64_t tiles = tiles_m_ * tiles_n_;
    parallel_for(tiles * slabs_, 2.0 * static_cast<double>(m_ * n_ * k_) / 16, [&](int64_t i) {
      const int64_t slab = i / tiles, m = i % tiles / tiles_n_ * kTileRows,
                    n = i % tiles_n_ * kTileColumns;
      float* to = slab ? parts + (slab - 1) * m_ * n_ : c;
      tile(a, b, slab ? nullptr : bias, to, m, n, k_ * slab / slabs_, k_ * (slab + 1) / slabs_);
    });
    if (parts) add_parts(parts, c);
  }

 private:
  void tile(const float* a, const float* b, const float* bias, float* c, int64_t m, int64_t n,
            int64_t k0, int64_t k1) const {
    const int64_t w = kernels::panel_columns();
    kernels::Product q{};
    q.rows = std::min(kTileRows, m_ - m);
    q.columns = std::min(kTileColumns, n_ - n);
    q.sam = sam_;
    q.sak = sak_;
    q.sbk = pack_ ? w : sbk_;
    q.panel = pack_ ? k_ * w : w;
    q.c = c + m * n_ + n;
    q.ldc = n_;
    q.bias = bias ? bias + n : nullptr;
    for (int64_t k = k0; k < k1 || k == k0; k += kDepth) {
      const float* ak = a + m * sam_ + k * sak_;
      const float* bk = pack_ ? b + n * k_ + k * w : b + k * sbk_ + n;
      q.a = &ak;
      q.b = &bk;
      q.depth = std::min(kDepth, k1 - k);
      q.accumulate = k > k0;
      kernels::product(q);
    }
  }

  void add_parts(const float* parts, float* c) const {
    const int64_t size = m_ * n_, strips = ceil_div(size, 4096);
    parallel_for(strips, static_cast<double>(size * slabs_), [&](int64_t s) {
      for (int64_t part = 0; part < slabs_ - 1; ++part)
        for (int64_t i = s * 4096; i < std::min(size, (s + 1) * 4096); ++i)
          c[i] += parts[part * size + i];
    });
  }

  int a_, b_, bias_, out_;
  int64_t m_, n_, k_, sam_, sak_, sbk_, sbn_, tiles_m_, tiles_n_, slabs_;
  bool pack_;
};

}  // namespace

std::unique_ptr<Sweep> build_matmul(const plan::Plan& plan, const plan::Group& group) {
  if (has_ends(plan, group)) return nullptr;
  const int value = group.values[0];
  const plan::Value& v = plan.values[value];
  if (v.op != &matmul_op() || v.dtype != DType::kFloat32) return nullptr;
  return std::make_unique<MatmulSweep>(plan, value);
}

}  // namespace ballast::sweep
