#include "ballast/ops/batch_statistics.h"

#include <algorithm>
#include <cmath>

#include "ballast/ops/batch_norm.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

thread_local StatisticsScope* t_scope = nullptr;

/// old + factor*(scale*moments[row] - old), as PyTorch's (1 - factor)*old + factor*new.
struct RunningAttributes {
  int64_t row;
  double scale;
};
class RunningUpdateOp final : public Op {
 public:
  RunningUpdateOp() : Op("running_update") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const auto& a = c.attributes.as<RunningAttributes>();
      const int64_t n = c.out.shape.numel();
      const T *old = c.input<T>(0), *fresh = c.input<T>(1) + a.row * n;
      const double f = *c.input<T>(2);
      for (int64_t i = 0; i < n; ++i)
        c.output<T>()[i] = static_cast<T>((1 - f) * old[i] + f * (fresh[i] * a.scale));
    });
  }
};

class PackMomentsOp final : public Op {
 public:
  PackMomentsOp() : Op("pack_moments") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const int64_t n = c.in[0].shape.numel();
      T* out = c.output<T>();
      std::copy_n(c.input<T>(0), n, out);
      std::copy_n(c.input<T>(1), n, out + n);
      for (int64_t i = 0; i < n; ++i) out[2 * n + i] = std::sqrt(out[n + i]);
    });
  }
};

}  // namespace

StatisticsScope::StatisticsScope() : outer_(t_scope) { t_scope = this; }
StatisticsScope::~StatisticsScope() { t_scope = outer_; }
StatisticsScope* StatisticsScope::current() { return t_scope; }

void track_moments(const BatchNormState& state, const Tensor& moments, int64_t n, double momentum) {
  static const RunningUpdateOp op;
  NoGrad off;
  const DType t = state.mean.dtype();
  Tensor factor;
  if (state.num_batches_tracked.defined())
    update_state(state.num_batches_tracked, state.num_batches_tracked + 1);
  if (n == 0) return;  // an empty batch says nothing
  if (!std::isnan(momentum))
    factor = Scalar(momentum).beside(state.mean);
  else if (state.num_batches_tracked.defined())
    factor = reciprocal(cast(state.num_batches_tracked, t));
  else
    factor = Scalar(0.0).beside(state.mean);
  const double unbiased = n > 1 ? static_cast<double>(n) / static_cast<double>(n - 1) : 1.0;
  auto update = [&](const Tensor& s, int64_t row, double scale) {
    update_state(s, record(op, s.shape(), t, {s, moments, factor}, RunningAttributes{row, scale}));
  };
  update(state.mean, 0, 1.0);
  update(state.var, 1, unbiased);
}

Tensor state_moments(const BatchNormState& state, DType dtype) {
  static const PackMomentsOp op;
  return record(op, Shape{kMomentRows, state.mean.numel()}, dtype,
                {cast(state.mean, dtype), cast(state.var, dtype)});
}

void check_moments(const Tensor& x, int64_t n) {
  check<ValueError>(
      n != 1, "Expected more than 1 value per channel when training, got input size {}", x.shape());
}

Tensor batch_moments(const Tensor& x, const BatchNormState* state, double momentum) {
  if (t_scope) return t_scope->moments(x, state, momentum);
  const int64_t n = x.size(1) ? x.numel() / x.size(1) : 0;
  check_moments(x, n);
  Tensor moments = channel_moments(x);
  if (state) track_moments(*state, moments, n, momentum);
  return moments;
}

}  // namespace ballast
