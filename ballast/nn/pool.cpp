#include "ballast/nn/pool.h"

#include "ballast/ops/pool.h"
#include "ballast/ops/resample.h"

namespace ballast::nn {
namespace {

/// As the functions of any rank take it: empty where there is none.
template <int Rank>
std::vector<int64_t> vector_of(const std::optional<Sizes<Rank>>& size) {
  return size ? size->vector() : std::vector<int64_t>{};
}

template <int Rank>
std::optional<std::array<int64_t, Rank>> array_of(const std::optional<Sizes<Rank>>& size) {
  return size ? std::optional(size->array()) : std::nullopt;
}

/// `output_size` with the sizes that are kept.
template <int Rank>
std::array<int64_t, Rank> resolved(const Tensor& x, const Sizes<Rank>& output_size) {
  check(x.dim() >= Rank, "expected an input of at least {} dimensions, got {}", Rank + 1,
        x.shape());
  std::array<int64_t, Rank> out = output_size.array();
  for (int d = 0; d < Rank; ++d)
    if (out[d] == kKeep) out[d] = x.size(x.dim() - Rank + d);
  return out;
}

template <int Rank>
std::string adaptive_repr(const Sizes<Rank>& output_size) {
  return "output_size=" + output_size.str();
}

}  // namespace

template <int Rank>
Tensor MaxPool<Rank>::forward(const Tensor& x) {
  const MaxPoolOptions<Rank>& o = options_;
  if constexpr (Rank == 1) {
    const auto stride = o.stride ? std::optional((*o.stride)[0]) : std::nullopt;
    return max_pool1d(x, kernel_size_[0], {stride, o.padding[0], o.dilation[0], o.ceil_mode});
  } else if constexpr (Rank == 2) {
    return max_pool2d(x, kernel_size_.array(),
                      {array_of(o.stride), o.padding.array(), o.dilation.array(), o.ceil_mode});
  } else {
    return forward_with_indices(x).values;
  }
}

template <int Rank>
Pooled MaxPool<Rank>::forward_with_indices(const Tensor& x) const {
  return max_pool_with_indices(Rank, x, kernel_size_.vector(),
                               {vector_of(options_.stride), options_.padding.vector(),
                                options_.dilation.vector(), options_.ceil_mode});
}

template <int Rank>
std::string MaxPool<Rank>::extra_repr() const {
  return fmt::format("kernel_size={}, stride={}, padding={}, dilation={}, ceil_mode={}",
                     kernel_size_.str(), options_.stride.value_or(kernel_size_).str(),
                     options_.padding.str(), options_.dilation.str(),
                     python_str(options_.ceil_mode));
}

template <int Rank>
Tensor MaxUnpool<Rank>::operator()(const Tensor& x, const Tensor& indices,
                                   std::optional<Sizes<Rank>> output_size) const {
  return max_unpool(Rank, x, indices,
                    unpooled_size(Rank, x, kernel_size_.vector(), vector_of(options_.stride),
                                  options_.padding.vector(), vector_of(output_size)));
}

template <int Rank>
std::string MaxUnpool<Rank>::extra_repr() const {
  return fmt::format("kernel_size={}, stride={}, padding={}", kernel_size_.tuple(),
                     options_.stride.value_or(kernel_size_).tuple(), options_.padding.tuple());
}

template <int Rank>
Tensor AvgPool<Rank>::forward(const Tensor& x) {
  const AvgPoolOptions<Rank>& o = options_;
  if constexpr (Rank == 1) {
    const auto stride = o.stride ? std::optional((*o.stride)[0]) : std::nullopt;
    if (!o.divisor_override)
      return avg_pool1d(x, kernel_size_[0],
                        {stride, o.padding[0], o.ceil_mode, o.count_include_pad});
  } else if constexpr (Rank == 2) {
    if (!o.divisor_override)
      return avg_pool2d(x, kernel_size_.array(),
                        {array_of(o.stride), o.padding.array(), o.ceil_mode, o.count_include_pad});
  }
  return avg_pool(Rank, x, kernel_size_.vector(),
                  {vector_of(o.stride), o.padding.vector(), o.ceil_mode, o.count_include_pad,
                   o.divisor_override});
}

template <int Rank>
std::string AvgPool<Rank>::extra_repr() const {
  const auto text = [](const Sizes<Rank>& s) { return Rank == 1 ? s.tuple() : s.str(); };
  return fmt::format("kernel_size={}, stride={}, padding={}", text(kernel_size_),
                     text(options_.stride.value_or(kernel_size_)), text(options_.padding));
}

template <int Rank>
Tensor LPPool<Rank>::forward(const Tensor& x) {
  return lp_pool(Rank, x, norm_type_, kernel_size_.vector(), vector_of(options_.stride),
                 options_.ceil_mode);
}

template <int Rank>
std::string LPPool<Rank>::extra_repr() const {
  return fmt::format("norm_type={}, kernel_size={}, stride={}, ceil_mode={}", norm_type_,
                     kernel_size_.str(), options_.stride ? options_.stride->str() : "None",
                     python_str(options_.ceil_mode));
}

template <int Rank>
Tensor AdaptiveAvgPool<Rank>::forward(const Tensor& x) {
  const std::array<int64_t, Rank> output = resolved(x, output_size_);
  if constexpr (Rank == 1) return adaptive_avg_pool1d(x, output[0]);
  if constexpr (Rank == 2) return adaptive_avg_pool2d(x, output);
  if constexpr (Rank == 3) return adaptive_avg_pool(3, x, {output.begin(), output.end()});
}

template <int Rank>
std::string AdaptiveAvgPool<Rank>::extra_repr() const {
  return adaptive_repr(output_size_);
}

template <int Rank>
Pooled AdaptiveMaxPool<Rank>::forward_with_indices(const Tensor& x) const {
  const std::array<int64_t, Rank> output = resolved(x, output_size_);
  return adaptive_max_pool(Rank, x, {output.begin(), output.end()});
}

template <int Rank>
std::string AdaptiveMaxPool<Rank>::extra_repr() const {
  return adaptive_repr(output_size_);
}

template class MaxPool<1>;
template class MaxPool<2>;
template class MaxPool<3>;
template class MaxUnpool<1>;
template class MaxUnpool<2>;
template class MaxUnpool<3>;
template class AvgPool<1>;
template class AvgPool<2>;
template class AvgPool<3>;
template class LPPool<1>;
template class LPPool<2>;
template class LPPool<3>;
template class AdaptiveAvgPool<1>;
template class AdaptiveAvgPool<2>;
template class AdaptiveAvgPool<3>;
template class AdaptiveMaxPool<1>;
template class AdaptiveMaxPool<2>;
template class AdaptiveMaxPool<3>;

}  // namespace ballast::nn
