#include "ballast/ops/norm.h"

#include <limits>

#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"
#include "ballast/ops/view.h"

namespace ballast {
namespace {

/// Every row of x (rows, n) normalized by its own moments.
Tensor normalize_rows(const Tensor& x, int64_t rows, double eps) {
  const int64_t n = rows > 0 ? x.numel() / rows : 0;
  const Tensor y = reshape(x, Shape{1, rows, n});
  return channel_affine(y, norm_coefficients(channel_moments(y), {}, {}, eps));
}

/// Checks what layer_norm and rms_norm ask for; returns how many samples there are.
int64_t check_normalized(const char* who, const Tensor& x, const std::vector<int64_t>& shape,
                         const Tensor& weight, const Tensor& bias) {
  check<NotImplementedError>(is_floating(x.dtype()), "\"{}\" not implemented for '{}'", who,
                             ops::scalar_type_name(x.dtype()));
  check(!shape.empty(),
        "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one "
        "element, but got normalized_shape = []");
  const Shape inner{std::span<const int64_t>(shape)};
  for (const Tensor* t : {&weight, &bias})
    check(!t->defined() || t->shape() == inner,
          "Expected {} to be of same shape as normalized_shape, but got {} of shape {} and "
          "normalized_shape = {}",
          t == &weight ? "weight" : "bias", t == &weight ? "weight" : "bias",
          t->defined() ? t->shape() : Shape{}, inner);
  const int lead = x.dim() - inner.rank();
  check(lead >= 0 && std::equal(inner.begin(), inner.end(), x.shape().begin() + lead),
        "Given normalized_shape={}, expected input with shape [*, {}, but got input of size{}",
        inner, inner.str().substr(1), x.shape());
  return x.shape().span_numel(0, lead);
}

/// Checks that the weights, the biases or the statistics have x's type: PyTorch does not promote.
void check_types(const Tensor& x, std::initializer_list<const Tensor*> others) {
  for (const Tensor* t : others)
    if (t->defined())
      check(t->dtype() == x.dtype(), "expected scalar type {} but found {}",
            ops::scalar_type_name(x.dtype()), ops::scalar_type_name(t->dtype()));
}

Tensor affine(Tensor y, const Tensor& weight, const Tensor& bias) {
  if (weight.defined()) y = y * weight;
  return bias.defined() ? y + bias : y;
}

/// (C) as (C, 1, ...), to be combined with (N, C, ...).
Tensor per_channel(const Tensor& t, int rank) {
  if (!t.defined()) return t;
  std::vector<int64_t> shape(rank - 1, 1);
  shape[0] = t.numel();
  return reshape(t, shape);
}

void check_channels(const char* what, const Tensor& t, const Tensor& x) {
  check(!t.defined() || t.shape() == Shape{x.size(1)},
        "Expected {} to be a vector of size equal to the number of channels in input, but got {} "
        "of shape {} and input of shape {}",
        what, what, t.defined() ? t.shape() : Shape{}, x.shape());
}

}  // namespace

Tensor layer_norm(const Tensor& x, const std::vector<int64_t>& normalized_shape,
                  const Tensor& weight, const Tensor& bias, double eps) {
  if (is_half(x.dtype()))
    return cast(layer_norm(ops::widened(x), normalized_shape, ops::widened(weight),
                           ops::widened(bias), eps),
                x.dtype());
  const int64_t rows = check_normalized("LayerNormKernelImpl", x, normalized_shape, weight, bias);
  check_types(x, {&weight, &bias});
  if (x.numel() == 0) return affine(x, weight, bias);
  return affine(reshape(normalize_rows(x, rows, eps), x.shape()), weight, bias);
}

Tensor rms_norm(const Tensor& x, const std::vector<int64_t>& normalized_shape, const Tensor& weight,
                std::optional<double> eps) {
  if (is_half(x.dtype()))
    return cast(rms_norm(ops::widened(x), normalized_shape, ops::widened(weight), eps), x.dtype());
  check_normalized("rms_norm", x, normalized_shape, weight, {});
  std::vector<int64_t> dims;
  for (int d = x.dim() - static_cast<int>(normalized_shape.size()); d < x.dim(); ++d)
    dims.push_back(d);
  const double epsilon =
      eps.value_or(x.dtype() == DType::kFloat32 ? double{std::numeric_limits<float>::epsilon()}
                                                : std::numeric_limits<double>::epsilon());
  return cast(affine(x * rsqrt(mean(square(x), dims, true) + epsilon), weight, {}), x.dtype());
}

Tensor group_norm(const Tensor& x, int64_t groups, const Tensor& weight, const Tensor& bias,
                  double eps) {
  if (is_half(x.dtype()))
    return cast(group_norm(ops::widened(x), groups, ops::widened(weight), ops::widened(bias), eps),
                x.dtype());
  check(x.dim() >= 2, "Expected at least 2 dimensions for input tensor but received {}", x.dim());
  check(groups > 0, "Expected num groups to be greater than 0, got {}", groups);
  check(x.size(1) > 0, "Expected number of channels in input to be greater than 0, got shape {}",
        x.shape());
  check(x.size(1) % groups == 0,
        "Expected number of channels in input to be divisible by num_groups, but got input of "
        "shape {} and num_groups={}",
        x.shape(), groups);
  check_channels("weight", weight, x);
  check_channels("bias", bias, x);
  check_types(x, {&weight, &bias});
  check(x.size(0) == 0 || x.numel() > 0, "Expected HxW to be greater than 0, got shape {}",
        x.shape());
  const int64_t rows = x.size(0) * groups;
  check<ValueError>(rows != x.numel() || rows == 0,
                    "Expected more than 1 value per channel when training, got input size {}",
                    x.shape());
  const Tensor y = x.numel() == 0 ? x : reshape(normalize_rows(x, rows, eps), x.shape());
  return affine(y, per_channel(weight, x.dim()), per_channel(bias, x.dim()));
}

Tensor instance_norm(const Tensor& x, const BatchNormState* state, const Tensor& weight,
                     const Tensor& bias, bool use_input_stats, double momentum, double eps) {
  if (use_input_stats && is_half(x.dtype()))
    return cast(instance_norm(ops::widened(x), state, ops::widened(weight), ops::widened(bias),
                              use_input_stats, momentum, eps),
                x.dtype());
  check<ValueError>(!use_input_stats || (x.dim() > 2 && x.shape().span_numel(2, x.dim()) != 1),
                    "Expected more than 1 spatial element when training, got input size {}",
                    x.shape());
  check(x.dim() >= 2, "instance_norm: expected an input (N, C, ...), got shape {}", x.shape());
  if (!use_input_stats) {
    check(state != nullptr,
          "Expected running_mean and running_var to be defined when use_input_stats is false");
    return batch_norm(x, state, weight, bias, false, momentum, eps);
  }
  const int64_t n = x.size(0), channels = x.size(1);
  check_channels("weight", weight, x);
  check_channels("bias", bias, x);
  check_types(x, {&weight, &bias});
  if (state) check_types(x, {&state->var});
  if (x.numel() == 0)  // no sample has statistics
    return affine(x * Scalar(1), per_channel(weight, x.dim()), per_channel(bias, x.dim()));
  const Tensor flat = reshape(x, Shape{1, n * channels, x.shape().span_numel(2, x.dim())});
  const Tensor moments = channel_moments(flat);
  if (state && state->mean.defined()) {
    // One state for each sample; the means over the samples go back.
    const auto repeated = [&](const Tensor& s) { return clone(repeat(s, {n}).detach()); };
    const BatchNormState each{repeated(state->mean), repeated(state->var), {}};
    track_moments(each, moments, flat.size(2), momentum);
    NoGrad off;
    for (const auto& [to, from] : {std::pair{&state->mean, &each.mean}, {&state->var, &each.var}})
      update_state(*to, mean(reshape(*from, Shape{n, channels}), {0}));
  }
  const Tensor y = channel_affine(flat, norm_coefficients(moments, {}, {}, eps));
  return affine(reshape(y, x.shape()), per_channel(weight, x.dim()), per_channel(bias, x.dim()));
}

}  // namespace ballast
