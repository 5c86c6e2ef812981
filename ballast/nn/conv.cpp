#include "ballast/nn/conv.h"

#include "ballast/nn/init.h"
#include "ballast/ops/conv.h"
#include "ballast/ops/create.h"

namespace ballast::nn {

Conv2d::Conv2d(int64_t in_channels, int64_t out_channels, Size2 kernel_size, Conv2dOptions options)
    : options_(options) {
  check<ValueError>(options.groups > 0, "groups must be a positive integer");
  check<ValueError>(in_channels % options.groups == 0, "in_channels must be divisible by groups");
  check<ValueError>(out_channels % options.groups == 0, "out_channels must be divisible by groups");
  weight = add_parameter("weight", empty({out_channels, in_channels / options.groups,
                                          kernel_size.rows, kernel_size.columns}));
  bias = add_parameter("bias", options.bias ? empty({out_channels}) : Tensor());
  reset_parameters();
}

Tensor Conv2d::forward(const Tensor& x) {
  return conv2d(x, weight, bias,
                {.stride = options_.stride.array(),
                 .padding = options_.padding.array(),
                 .dilation = options_.dilation.array(),
                 .groups = options_.groups});
}

std::string Conv2d::extra_repr() const {
  const Conv2dOptions& o = options_;
  std::string out =
      fmt::format("{}, {}, kernel_size={}, stride={}", weight.size(1) * o.groups, weight.size(0),
                  Size2(weight.size(2), weight.size(3)).tuple(), o.stride.tuple());
  if (o.padding != Size2(0)) out += ", padding=" + o.padding.tuple();
  if (o.dilation != Size2(1)) out += ", dilation=" + o.dilation.tuple();
  if (o.groups != 1) out += fmt::format(", groups={}", o.groups);
  if (!bias.defined()) out += ", bias=False";
  return out;
}

void Conv2d::reset_parameters() { init::reset_linear(weight, bias); }

}  // namespace ballast::nn
