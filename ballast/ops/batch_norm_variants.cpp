#include "ballast/ops/batch_norm_variants.h"

#include <algorithm>
#include <cmath>

#include "ballast/ops/batch_norm.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

/// Where a line from `from` at `start` to `to` at `end` is at `t`; constant outside.
double between(double from, double to, int64_t start, int64_t end, int64_t t) {
  if (t >= end) return to;
  if (t <= start) return from;
  return from + (to - from) * static_cast<double>(t - start) / static_cast<double>(end - start);
}

struct RenormAttributes {
  double eps;
  RenormLimits limits;
};

/// (batch's moments, running mean, running variance, batches so far) -> rows r and d.
class RenormOp final : public Op {
 public:
  RenormOp() : Op("renorm_correction") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const auto& a = c.attributes.as<RenormAttributes>();
      const int64_t channels = c.out.shape[1], batches = *c.input<int64_t>(3);
      const double r_max = a.limits.r_at(batches), d_max = a.limits.d_at(batches);
      const T *batch = c.input<T>(0), *mean = c.input<T>(1), *var = c.input<T>(2);
      T* out = c.output<T>();
      for (int64_t i = 0; i < channels; ++i) {
        const double deviation = std::sqrt(var[i] + a.eps);
        const double r = std::sqrt(batch[channels + i] + a.eps) / deviation;
        const double d = (static_cast<double>(batch[i]) - mean[i]) / deviation;
        out[i] = static_cast<T>(std::clamp(r, 1 / r_max, r_max));
        out[channels + i] = static_cast<T>(std::clamp(d, -d_max, d_max));
      }
    });
  }
};

}  // namespace

Tensor ghost_batch_norm(const Tensor& x, int64_t virtual_batch, const BatchNormState* state,
                        const Tensor& weight, const Tensor& bias, bool training, double momentum,
                        double eps) {
  check<ValueError>(virtual_batch > 0,
                    "ghost_batch_norm: expected a positive virtual batch, got {}", virtual_batch);
  const int64_t samples = x.dim() > 0 ? x.size(0) : 0;
  const int64_t parts = (samples + virtual_batch - 1) / virtual_batch;
  if (!training || parts <= 1) return batch_norm(x, state, weight, bias, training, momentum, eps);
  const StatisticsScope* scope = StatisticsScope::current();
  check<NotImplementedError>(!scope || !scope->beyond_input(),
                             "ghost_batch_norm: statistics of virtual batches are asked for where "
                             "those of the whole batch are computed");
  std::vector<Tensor> out;
  for (int64_t i = 0, begin = 0; i < parts; ++i) {
    const int64_t end = begin + samples / parts + (i < samples % parts);
    out.push_back(batch_norm(slice(x, 0, begin, end), state, weight, bias, true, momentum, eps));
    begin = end;
  }
  return cat(out);
}

double RenormLimits::r_at(int64_t batches) const {
  return between(1, r_max, start, r_end, batches);
}
double RenormLimits::d_at(int64_t batches) const {
  return between(0, d_max, start, d_end, batches);
}

Tensor batch_renorm(const Tensor& x, const BatchNormState& state, const Tensor& weight,
                    const Tensor& bias, bool training, double momentum, double eps,
                    const RenormLimits& limits) {
  if (!training) return batch_norm(x, &state, weight, bias, false, momentum, eps);
  check_batch_norm(x, &state, weight, bias);
  check<ValueError>(limits.r_max >= 1 && limits.d_max >= 0,
                    "batch_renorm: expected r_max >= 1 and d_max >= 0, got {} and {}", limits.r_max,
                    limits.d_max);
  static const RenormOp op;
  // The values of before: the state takes in the batch while its moments are made.
  const auto now = [](const Tensor& t) { return Tensor(Ref<Node>(&t.node())); };
  const Tensor mean = now(state.mean), var = now(state.var),
               batches = now(state.num_batches_tracked);
  const Tensor moments = batch_moments(x, &state, momentum);
  const Shape channels{x.size(1)};
  Tensor r, d;
  {
    NoGrad off;
    const Tensor correction = record(op, Shape{2, x.size(1)}, x.dtype(),
                                     {moments, mean, var, batches}, RenormAttributes{eps, limits});
    r = reshape(slice(correction, 0, 0, 1), channels);
    d = reshape(slice(correction, 0, 1, 2), channels);
  }
  const Tensor scale = weight.defined() ? r * weight : r;
  Tensor shift = weight.defined() ? d * weight : d;
  if (bias.defined()) shift = shift + bias;
  return channel_affine(x, norm_coefficients(moments, scale, shift, eps));
}

}  // namespace ballast
