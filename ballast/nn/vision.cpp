#include "ballast/nn/vision.h"

#include <fmt/format.h>

#include "ballast/ops/conv_nd.h"

namespace ballast::nn {
namespace {

ballast::UnfoldOptions arguments(const UnfoldOptions& o) {
  return {o.dilation.vector(), o.padding.vector(), o.stride.vector()};
}

std::string windows(const Size2& kernel, const UnfoldOptions& o) {
  return fmt::format("kernel_size={}, dilation={}, padding={}, stride={}", kernel.str(),
                     o.dilation.str(), o.padding.str(), o.stride.str());
}

}  // namespace

std::string Upsample::extra_repr() const {
  const InterpolateOptions& o = options_;
  std::string shown;
  if (o.scale_factor.empty()) {
    shown = "size=" + (o.size.size() == 1 ? std::to_string(o.size[0]) : tuple_str(o.size));
  } else {
    std::vector<std::string> factors;
    for (double f : o.scale_factor) factors.push_back(python_str(f));
    shown = factors.size() == 1 ? "scale_factor=" + factors[0]
                                : fmt::format("scale_factor=({})", fmt::join(factors, ", "));
  }
  return fmt::format("{}, mode='{}'", shown, o.mode);
}

Tensor Unfold::forward(const Tensor& x) {
  return unfold(x, kernel_size_.vector(), arguments(options_));
}
std::string Unfold::extra_repr() const { return windows(kernel_size_, options_); }

Tensor Fold::forward(const Tensor& x) {
  return fold(x, output_size_.vector(), kernel_size_.vector(), arguments(options_));
}
std::string Fold::extra_repr() const {
  return fmt::format("output_size={}, {}", output_size_.str(), windows(kernel_size_, options_));
}

}  // namespace ballast::nn
