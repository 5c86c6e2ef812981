// The factorization L D L^T of symmetric matrices that need not be positive.
#include <cmath>

#include "ballast/ops/dense.h"
#include "ballast/ops/linalg.h"
#include "ballast/ops/linalg_support.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/shape_ops.h"

namespace ballast::linalg {
namespace {

/// [LD | pivots | info]
class LdlOp final : public BatchOp {
 public:
  LdlOp() : BatchOp("linalg_ldl_factor") {}
  void run(std::span<const Block> in, double* out, const Attributes&) const override {
    const int64_t n = in[0].m;
    std::vector<int64_t> pivots(n);
    std::copy_n(in[0].data, n * n, out);
    out[n * n + n] = static_cast<double>(dense::ldl(out, n, pivots.data()));
    for (int64_t i = 0; i < n; ++i) {
      std::fill(out + i * n + i + 1, out + (i + 1) * n, 0.0);
      out[n * n + i] = static_cast<double>(pivots[i]);
    }
  }
};

class LdlSolveOp final : public BatchOp {
 public:
  LdlSolveOp() : BatchOp("linalg_ldl_solve") {}
  void run(std::span<const Block> in, double* out, const Attributes&) const override {
    const int64_t n = in[0].m;
    std::vector<int64_t> pivots(n);
    for (int64_t i = 0; i < n; ++i) {
      pivots[i] = static_cast<int64_t>(in[1].data[i]);
      check(pivots[i] != 0 && std::abs(pivots[i]) <= n,
            "linalg.ldl_solve: pivots must be between 1 and {} by size, got {}", n, pivots[i]);
    }
    std::copy_n(in[2].data, n * in[2].n, out);
    dense::ldl_solve(in[0].data, n, pivots.data(), out, in[2].n);
  }
};

}  // namespace

Lu ldl_factor_ex(const Tensor& a, bool check_errors) {
  static const LdlOp op;
  check_square("linalg.ldl_factor_ex", a);
  const int64_t n = a.size(-1);
  const Lu out =
      unpack_factors(record(op, with_batch(batch_of(a), {n * n + n + 1}), a.dtype(), {a}), n, n);
  if (check_errors)
    check_info("torch.linalg.ldl_factor_ex", out.info,
               "The factorization could not be completed because D[{0},{0}] is zero.");
  return out;
}

Tensor ldl_solve(const Tensor& ld, const Tensor& pivots, const Tensor& b) {
  static const LdlSolveOp op;
  check_equation("linalg.ldl_solve", ld, b, true);
  const Shape batch = broadcast(batch_of(ld), batch_of(b));
  const Tensor column = unsqueeze(cast(pivots, ld.dtype()), -1);
  return record(op, with_batch(batch, {b.size(-2), b.size(-1)}), ld.dtype(),
                {expand_batch(ld, batch), expand_batch(column, batch), expand_batch(b, batch)});
}

}  // namespace ballast::linalg
