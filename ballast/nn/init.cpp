#include "ballast/nn/init.h"

#include <algorithm>
#include <cmath>

#include "ballast/ops/support.h"

namespace ballast::nn::init {

Tensor uniform_(Tensor t, double low, double high, Generator& generator) {
  dispatch_real(t.dtype(), "uniform_", [&](auto zero) {
    using T = decltype(zero);
    const std::span<T> out = t.mutable_data<T>();
    if constexpr (is_half(dtype_of<T>)) {
      std::vector<float> values(out.size());
      uniform(std::span<float>(values), low, high, generator);
      std::ranges::transform(values, out.begin(), [](float v) { return T(v); });
    } else {
      uniform(out, low, high, generator);
    }
  });
  return t;
}

Tensor normal_(Tensor t, double mean, double std, Generator& generator) {
  dispatch_real(t.dtype(), "normal_", [&](auto zero) {
    using T = decltype(zero);
    if constexpr (is_half(dtype_of<T>))
      std::ranges::copy(ops::drawn_normal(t.shape(), t.dtype(), mean, std, generator).data<T>(),
                        t.mutable_data<T>().begin());
    else
      normal(t.mutable_data<T>(), mean, std, generator);
  });
  return t;
}

Tensor constant_(Tensor t, double value) {
  dispatch_stored(t.dtype(), [&](auto zero) {
    using T = decltype(zero);
    std::ranges::fill(t.mutable_data<T>(), static_cast<T>(value));
  });
  return t;
}

Fans fans_of(const Shape& weight) {
  check<ValueError>(
      weight.rank() >= 2,
      "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions");
  const int64_t field = weight.span_numel(2, weight.rank());
  return {weight[1] * field, weight[0] * field};
}

double gain_of(Nonlinearity f, double a) {
  switch (f) {
    case Nonlinearity::kTanh:
      return 5.0 / 3.0;
    case Nonlinearity::kRelu:
      return std::sqrt(2.0);
    case Nonlinearity::kLeakyRelu:
      return std::sqrt(2.0 / (1.0 + a * a));
    case Nonlinearity::kSelu:
      return 0.75;
    default:
      return 1.0;
  }
}

namespace {

double kaiming_std(const Shape& shape, const KaimingOptions& o) {
  const Fans fans = fans_of(shape);
  const int64_t fan = o.mode == FanMode::kFanIn ? fans.in : fans.out;
  return gain_of(o.nonlinearity, o.a) / std::sqrt(static_cast<double>(fan));
}

double xavier_std(const Shape& shape, double gain) {
  const Fans fans = fans_of(shape);
  return gain * std::sqrt(2.0 / static_cast<double>(fans.in + fans.out));
}

}  // namespace

Tensor kaiming_uniform_(Tensor t, KaimingOptions options, Generator& generator) {
  if (t.numel() == 0) return t;
  const double bound = std::sqrt(3.0) * kaiming_std(t.shape(), options);
  return uniform_(std::move(t), -bound, bound, generator);
}

Tensor kaiming_normal_(Tensor t, KaimingOptions options, Generator& generator) {
  if (t.numel() == 0) return t;
  const double std = kaiming_std(t.shape(), options);
  return normal_(std::move(t), 0.0, std, generator);
}

Tensor xavier_uniform_(Tensor t, double gain, Generator& generator) {
  const double bound = std::sqrt(3.0) * xavier_std(t.shape(), gain);
  return uniform_(std::move(t), -bound, bound, generator);
}

Tensor xavier_normal_(Tensor t, double gain, Generator& generator) {
  const double std = xavier_std(t.shape(), gain);
  return normal_(std::move(t), 0.0, std, generator);
}

void reset_linear(const Tensor& weight, const Tensor& bias) {
  // A slope of sqrt(5) makes the bound 1/sqrt(fan_in), up to rounding that must be PyTorch's.
  kaiming_uniform_(weight, {.a = std::sqrt(5.0)});
  const int64_t in = fans_of(weight.shape()).in;
  if (!bias.defined()) return;
  const double bound = in > 0 ? 1.0 / std::sqrt(static_cast<double>(in)) : 0.0;
  uniform_(bias, -bound, bound);
}

}  // namespace ballast::nn::init
