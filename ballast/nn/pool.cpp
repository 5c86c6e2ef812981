#include "ballast/nn/pool.h"

#include "ballast/ops/pool.h"

namespace ballast::nn {
namespace {

std::optional<std::array<int64_t, 2>> array_of(const std::optional<Size2>& size) {
  return size ? std::optional(size->array()) : std::nullopt;
}

}  // namespace

Tensor MaxPool2d::forward(const Tensor& x) {
  return max_pool2d(x, kernel_size_.array(),
                    {.stride = array_of(options_.stride),
                     .padding = options_.padding.array(),
                     .dilation = options_.dilation.array(),
                     .ceil_mode = options_.ceil_mode});
}

std::string MaxPool2d::extra_repr() const {
  return fmt::format("kernel_size={}, stride={}, padding={}, dilation={}, ceil_mode={}",
                     kernel_size_.str(), options_.stride.value_or(kernel_size_).str(),
                     options_.padding.str(), options_.dilation.str(),
                     python_str(options_.ceil_mode));
}

Tensor AvgPool2d::forward(const Tensor& x) {
  return avg_pool2d(x, kernel_size_.array(),
                    {.stride = array_of(options_.stride),
                     .padding = options_.padding.array(),
                     .ceil_mode = options_.ceil_mode,
                     .count_include_pad = options_.count_include_pad});
}

std::string AvgPool2d::extra_repr() const {
  return fmt::format("kernel_size={}, stride={}, padding={}", kernel_size_.str(),
                     options_.stride.value_or(kernel_size_).str(), options_.padding.str());
}

Tensor AdaptiveAvgPool2d::forward(const Tensor& x) {
  return adaptive_avg_pool2d(x, output_size_.array());
}

std::string AdaptiveAvgPool2d::extra_repr() const { return "output_size=" + output_size_.str(); }

}  // namespace ballast::nn
